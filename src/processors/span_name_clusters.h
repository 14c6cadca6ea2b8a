// Replaces span names that have ids, numbers and the like in them by their templates, so that
// `GET /users/1`, `GET /users/2` and all others become `GET /users/<_>`.
//
// What belongs together is learnt from the names, in the order in which they come (PatternTree).
// The first name of a pattern is kept as it is; from the second, different one on all of them are
// replaced by the template, the first one too when it comes again.

#ifndef SPANMETER_PROCESSORS_SPAN_NAME_CLUSTERS_H_
#define SPANMETER_PROCESSORS_SPAN_NAME_CLUSTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/mutex.h"
#include "spanmeter/span_metrics.h"
#include "spanmeter/two_generation_map.h"

#include "processors/pattern_tree.h"

namespace spanmeter {

// Why a name is left alone.
enum class NameSkip : uint8_t {
  kTooFewTokens,
  kTooManyTokens,
  kTooLong,  // kMaxSpanNameBytes
};
inline constexpr size_t kNameSkips = 3;
constexpr std::string_view NameSkipName(NameSkip skip) {
  constexpr std::array<std::string_view, kNameSkips> kNames = {"too_few_tokens", "too_many_tokens",
                                                               "too_long"};
  return kNames[static_cast<size_t>(skip)];
}

// Longer names have no template. Four times of what a label value is cut to by default.
inline constexpr size_t kMaxSpanNameBytes = 8192;

// The names of one request on their way to their templates. Reusable; not thread-safe.
class SpanNameBatch {
 public:
  void Clear();

  // `name` must stay valid until after Sanitize() and the last use of its result.
  void Add(std::string_view name) { items_.push_back({name}); }
  size_t size() const { return items_.size(); }

  // What SpanNameClusters::Sanitize() made of the name that was added as number `i`: the name
  // itself or a template. Valid until the next call of Sanitize() or Clear().
  std::string_view Result(size_t i) const {
    const Item& item = items_[i];
    return item.replaced ? std::string_view(texts_).substr(item.begin, item.size) : item.name;
  }
  bool WasReplaced(size_t i) const { return items_[i].replaced; }

  size_t SizeInBytes() const { return items_.size() * sizeof(Item) + texts_.size(); }

 private:
  friend class SpanNameClusters;

  struct Item {
    std::string_view name;
    uint64_t hash = 0;
    // The result holds while the version of the patterns with so many tokens is this one.
    uint64_t version = 0;
    uint32_t begin = 0;  // of the result in texts_
    uint32_t size = 0;
    uint8_t tokens = 0;  // 0: the name is left alone, whatever is learnt
    bool found = false;
    bool replaced = false;
  };

  void SetResult(const std::string* text, Item* item);

  std::vector<Item> items_;
  std::string texts_;
  std::vector<uint32_t> grouped_;
  std::vector<std::string_view> tokens_;
  std::array<uint64_t, kNameSkips> skipped_ = {};  // by NameSkip
};

struct SpanNameClusterLimits {
  PatternTreeLimits tree;
  // Of the names whose pattern is remembered, so that it need not be looked for again.
  size_t max_cached_names = 128 << 10;
  size_t max_cached_bytes = size_t{32} << 20;
};

// Thread-safe.
//
// One lock in turn for each shard that a request has names in is all that known names take. Names
// that are new, or whose patterns have changed meanwhile, take the lock of the tree one by one.
class SpanNameClusters {
 public:
  struct Stats {
    uint64_t patterns_detected = 0;
    uint64_t names_sanitized = 0;                   // spans whose name was replaced
    std::array<uint64_t, kNameSkips> skipped = {};  // spans, by NameSkip
    size_t templates = 0;                           // patterns alive that have a placeholder
  };

  explicit SpanNameClusters(const SpanNameClusterLimits& limits = {});
  SpanNameClusters(const SpanNameClusters&) = delete;
  SpanNameClusters& operator=(const SpanNameClusters&) = delete;

  // Works out the results of the batch, learning from its names one after the other. `now_nanos`
  // is of the monotonic clock. The names must be valid UTF-8, or the templates may not be.
  void Sanitize(SpanNameBatch* batch, int64_t now_nanos);

  Stats GetStats() const;

  // The templates with the most spans, most first; at most `limit`. Their idle_nanos count up to
  // `now_nanos`.
  std::vector<SpanNameTemplate> Templates(size_t limit, int64_t now_nanos);

  // Writes the patterns; see PatternTree. REQUIRES: nothing is learnt meanwhile.
  void Save(StateWriter* writer);
  // REQUIRES: nothing was learnt yet.
  bool Restore(StateReader* reader);

  // The memory that everything takes, about.
  size_t SizeInBytes() const;

 private:
  static constexpr size_t kShards = 16;

  // What a name was found to be.
  struct Known {
    std::shared_ptr<const std::string> text;  // null: the name itself
    uint64_t pattern = 0;
    uint64_t version = 0;
    // Not yet told to the tree.
    uint64_t spans = 0;
    int64_t last_seen_nanos = 0;
    uint8_t tokens = 0;  // 0: the name is skipped
    NameSkip skip = NameSkip::kTooFewTokens;
  };
  // Behind a cache line of its own, since others write to the neighbours.
  struct alignas(64) Shard {
    Shard(size_t max_names, size_t max_bytes) : known(max_names, max_bytes) {}

    // After tree_mutex_, where both are held.
    mutable Mutex mutex;
    TwoGenerationMap<Known> known GUARDED_BY(mutex);
  };

  static size_t ShardOf(uint64_t hash) { return hash >> 60; }

  void LookUp(SpanNameBatch* batch, int64_t now_nanos);
  // Fills in what is known already of the names with these indices.
  void LookUpIn(Shard* shard, std::span<const uint32_t> indices, int64_t now_nanos,
                SpanNameBatch* batch) REQUIRES_LOCK(shard->mutex);
  // Works out the result of one name.
  void Learn(SpanNameBatch::Item* item, int64_t now_nanos, SpanNameBatch* batch);
  void Remember(const SpanNameBatch::Item& item, Known known) REQUIRES_LOCK(tree_mutex_);
  // Passes the counts on.
  static void Tell(PatternTree* tree, Known* known);
  void TellTreeAll() REQUIRES_LOCK(tree_mutex_);

  const uint64_t hash_seed_;
  std::array<std::unique_ptr<Shard>, kShards> shards_;

  PatternVersions versions_;
  mutable Mutex tree_mutex_;
  PatternTree tree_ GUARDED_BY(tree_mutex_);

  std::atomic<uint64_t> patterns_detected_{0};
  std::atomic<uint64_t> names_sanitized_{0};
  std::array<std::atomic<uint64_t>, kNameSkips> skipped_ = {};
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_SPAN_NAME_CLUSTERS_H_
