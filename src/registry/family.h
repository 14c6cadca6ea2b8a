// The series of one family: shards for writers, an overflow series for what the limits refuse, and
// a consistent way to read.

#ifndef SPANMETER_REGISTRY_FAMILY_H_
#define SPANMETER_REGISTRY_FAMILY_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/demand_sketch.h"
#include "spanmeter/key_hash.h"
#include "spanmeter/mutex.h"
#include "spanmeter/registry.h"
#include "spanmeter/relabel.h"

#include "registry/ended_series.h"
#include "registry/key_rewriter.h"
#include "registry/label_limiter.h"
#include "registry/label_text.h"
#include "registry/limiter.h"
#include "registry/series.h"
#include "registry/series_table.h"
#include "registry/visit_gate.h"

namespace spanmeter {

// One reading of the clocks.
struct Instant {
  static Instant Now(const Clock& clock) {
    return {clock.MonotonicNanos(), clock.WallNanos() / kNanosPerMilli};
  }

  int64_t monotonic_nanos = 0;
  int64_t wall_ms = 0;
};

class Family;

// What the families of a tenant share, also those of registries that follow each other.
struct FamilyShared {
  FamilyShared(const GeneratorOptions& options, const Clock* c, uint64_t seed, uint64_t mask)
      : clock(c),
        hash_seed(seed),
        hash_mask(mask),
        stale_nanos(options.stale_duration),
        limiter(options),
        label_limiter(options.stale_duration) {
    SetLimits(options);
  }

  // Puts the limits of `options` in force.
  void SetLimits(const GeneratorOptions& options) {
    stale_nanos = options.stale_duration;
    limiter.SetLimits(options);
    label_limiter.SetLimit(options.max_cardinality_per_label, options.stale_duration);
  }

  uint64_t HashOf(std::string_view key) const { return KeyHash(key, hash_seed) & hash_mask; }

  const Clock* const clock;
  const uint64_t hash_seed;
  const uint64_t hash_mask;
  std::atomic<int64_t> stale_nanos;
  Limiter limiter;
  LabelLimiter label_limiter;

  // Families that were replaced, as long as `gate`, which needs them to free their series, may hold
  // any of these.
  Mutex mutex;
  std::vector<std::shared_ptr<Family>> ended GUARDED_BY(mutex);
  VisitGate gate;
  EndedSeries ended_series;

  // Since the start; series in the unit of the limits.
  std::atomic<uint64_t> series_created{0};
  std::atomic<uint64_t> series_expired{0};
  std::atomic<uint64_t> updates_limited{0};
};

// All that decides which series a family can have. Families with equal ones continue each other.
struct FamilySpec {
  FamilySpec(FamilyOptions family, const GeneratorOptions& generator);

  FamilyOptions options;
  std::map<std::string, std::string> external_labels;  // those with a value
  std::vector<RelabelRule> relabel;
  // To which relabelled values are cut; 0 without relabelling.
  uint64_t max_relabelled_length = 0;

  bool operator==(const FamilySpec&) const = default;
};

// Thread-safe.
class Family {
 public:
  static constexpr size_t kShardBits = 4;
  static constexpr size_t kShards = size_t{1} << kShardBits;
  static size_t ShardOf(uint64_t hash) { return hash >> (64 - kShardBits); }

  // `shared` must outlive the family.
  Family(FamilySpec spec, FamilyShared* shared);
  ~Family();
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  // With relabelling: appends to `relabelled` the key that the rules make of `key`; false when they
  // drop its label set. All other methods take such keys then..
  bool Relabel(std::string_view key, std::string* relabelled) {
    return rewriter_->Rewrite(key, relabelled);
  }

  // Applies those updates of one shard that find their series with all the metrics they concern;
  // appends the indices of the others to `missed`. `indices` point into the batch's updates, whose
  // hashes are set; all of them belong to this family and `shard`.
  void ApplyHits(size_t shard, std::span<const uint32_t> indices, const UpdateBatch& batch,
                 Instant now, std::vector<uint32_t>* missed);
  // The same, unless somebody else is at the shard: then does nothing and returns false.
  bool TryApplyHits(size_t shard, std::span<const uint32_t> indices, const UpdateBatch& batch,
                    Instant now, std::vector<uint32_t>* missed);

  // Applies one update that was missed: to its series if there is one by now, to a new one if the
  // limits allow, else to the overflow series. Values that their labels have no place for are
  // folded first.
  void ApplyMiss(const Update& update, std::string_view key, Instant now);

  void Expire(int64_t now_nanos);
  // Removes all series and lets no new ones come: the family was replaced.
  void End();
  // Makes the label limiter know the values of the series that were born without it, as last seen
  // when these were updated.
  void HoldLabels();
  // Begins the estimates anew, for another stale duration.
  void ResetDemand(int64_t stale_nanos);

  // About how many label sets went to overflow within the stale window.
  uint64_t OverflowEstimate(int64_t now_nanos) const;
  // What the limits count a complete label set as.
  uint64_t series_per_label_set() const { return series_per_label_set_; }
  const FamilySpec& spec() const { return spec_; }

 private:
  friend class FamilyReader;
  friend class FamilyState;
  friend class LabelSetWalker;

  struct alignas(64) Shard {
    Mutex mutex;
    SeriesTable table GUARDED_BY(mutex);
    // By Series::index; null where there is none, so that positions never change under a reader.
    std::vector<Series*> series GUARDED_BY(mutex);
    std::vector<uint32_t> free_indices GUARDED_BY(mutex);
    bool ended GUARDED_BY(mutex) = false;
  };

  void ApplyHitsLocked(Shard* shard, std::span<const uint32_t> indices, const UpdateBatch& batch,
                       Instant now, std::vector<uint32_t>* missed) REQUIRES_LOCK(shard->mutex);
  // Applies the update to its series if that is alive; with `create`, also to a new one if the
  // limits allow. False when there is no series to apply it to.
  bool ApplyToSeries(const Update& update, std::string_view key, Instant now, bool create);
  // The key with the values folded that their labels have no place for; nothing when all have one.
  std::optional<std::string> FoldLabels(std::string_view key, Instant now);
  Series* LiveSeriesLocked(Shard* shard, const Update& update, std::string_view key, Instant now)
      REQUIRES_LOCK(shard->mutex);
  // Null when the limits do not allow it.
  Series* NewSeriesLocked(Shard* shard, const Update& update, std::string_view key, Instant now)
      REQUIRES_LOCK(shard->mutex);
  // Adds a series that was admitted and last updated then.
  void InsertLocked(Shard* shard, Series* series, int64_t last_update_nanos)
      REQUIRES_LOCK(shard->mutex);
  void RemoveLocked(Shard* shard, Series* series) REQUIRES_LOCK(shard->mutex);
  // The series is found no more: keeps what readers of ends need, and frees the rest.
  void Retire(Series* series);
  void ForEachSeries(const std::function<void(Shard*, Series*)>& visit);
  void NoteRefused(std::string_view key, Instant now);
  void ApplyOverflow(const Update& update, Instant now);
  void CountCreated(uint64_t series);
  bool StaleAt(const Series& series, int64_t now_nanos) const {
    return series.StaleAt(now_nanos, shared_->stale_nanos.load(std::memory_order_relaxed));
  }

  const FamilySpec spec_;
  const FamilyOptions& options_;
  const SeriesLayout layout_;
  const LabelRenderer labels_;
  const EndedSeries::Metrics infos_;
  // Null without relabelling.
  const std::unique_ptr<const Relabeler> relabeler_;
  const std::unique_ptr<KeyRewriter> rewriter_;
  const uint64_t series_per_label_set_;
  const bool labels_are_limited_;
  FamilyShared* const shared_;

  std::array<Shard, kShards> shards_;

  // Lock order: a shard's mutex or this one, then a limiter's or the gate's.
  mutable Mutex overflow_mutex_;
  bool overflow_ended_ GUARDED_BY(overflow_mutex_) = false;
  Series* overflow_ GUARDED_BY(overflow_mutex_) = nullptr;
  DemandSketch overflow_demand_ GUARDED_BY(overflow_mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_FAMILY_H_
