// Where one side of a request between two services waits for the other.
//
// Sides are found by trace and span id. They wait in shards, by trace, each with a lock of its own
// and its sides in the order in which they came: expiry and eviction take from the front and never
// walk. What a filter kept out leaves a mark, so that its counterpart is dropped as well.
//
// Memory: a waiting side takes 150 to 175 bytes, all included, when its service has 20 characters
// and there are no dimensions; other texts come on top. A mark takes about 120. The number of both
// is bounded, and so is the memory of all sides together, should their texts be unusually long.

#ifndef SPANMETER_PROCESSORS_EDGE_STORE_H_
#define SPANMETER_PROCESSORS_EDGE_STORE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/mutex.h"
#include "spanmeter/span_view.h"
#include "spanmeter/trace_id.h"

#include "processors/aged_table.h"
#include "processors/edge_budget.h"
#include "processors/edge_counters.h"

namespace spanmeter {

class StateReader;
class StateWriter;

// What the two sides of a request have in common: the trace, and the client's span id, which is the
// server's parent.
struct EdgeKey {
  EdgeKey(const char* trace_id, const char* span_id) {
    std::memcpy(bytes, trace_id, kTraceIdSize);
    std::memcpy(bytes + kTraceIdSize, span_id, kSpanIdSize);
  }
  bool operator==(const EdgeKey& other) const {
    return std::memcmp(bytes, other.bytes, sizeof(bytes)) == 0;
  }
  const char* trace_id() const { return bytes; }
  const char* span_id() const { return bytes + kTraceIdSize; }

  char bytes[kTraceIdSize + kSpanIdSize];
};

// What is known of a side besides its texts.
struct EdgeFacts {
  double latency_seconds = 0;
  // A client's end, a server's start, since the Unix epoch.
  uint64_t time_nanos = 0;
  // Of the span; 0 when it had none.
  double multiplier = 0;
  SpanKind kind = kSpanKindUnspecified;
  bool failed = false;

  // Else it is a server side.
  bool client() const { return kind == kSpanKindClient || kind == kSpanKindProducer; }
};

struct HalfEdge;
struct HalfEdgeDeleter {
  void operator()(HalfEdge* half) const;
};
using HalfEdgePtr = std::unique_ptr<HalfEdge, HalfEdgeDeleter>;

// One side as a request brings it, and what the store makes of it.
struct EdgeSide {
  enum class Action : uint8_t {
    kPair,   // meets its other side, or waits for it
    kWhole,  // needs no other side, but uses up one that waits: a request to a database
    kAlone,  // has no other side: a root server span
    kDrop,   // was kept out by a filter
  };
  // Borrowed, kTraceIdSize and kSpanIdSize bytes; the span id is unused with kAlone.
  const char* trace_id = nullptr;
  const char* span_id = nullptr;
  // Where its texts (edge_texts.h) are in those of the request.
  uint32_t texts_begin = 0;
  uint32_t texts_size = 0;
  Action action = Action::kPair;
  EdgeFacts facts;

  // Whether an edge is complete with it, and what was waiting for it, if anything was: the other
  // side, or with kWhole an earlier one of the same side.
  bool complete = false;
  HalfEdgePtr half;
};

// The sides of one request, in the order of its spans. Reusable; not thread-safe.
struct EdgeBatch {
  // Forgets everything; keeps the memory unless it is unusually much.
  void Clear();

  std::vector<EdgeSide> sides;
  // Of all sides, one behind the other.
  std::string texts;

  std::string_view TextsOf(const EdgeSide& side) const {
    return std::string_view(texts).substr(side.texts_begin, side.texts_size);
  }

 private:
  friend class EdgeStore;
  // Working memory of EdgeStore::Process().
  struct Place {
    uint32_t side = 0;
    uint32_t shard = 0;
    uint64_t hash = 0;
  };
  std::vector<Place> places_;
  std::vector<Place> grouped_;
};

// A side that waits, or that has been taken out of the store. The texts follow the struct in
// memory.
struct HalfEdge {
  bool Is(const EdgeKey& other) const { return key == other; }
  std::string_view texts() const { return {reinterpret_cast<const char*>(this + 1), texts_size}; }

  HalfEdge* older = nullptr;
  HalfEdge* newer = nullptr;
  EdgeKey key;
  // By the monotonic clock.
  int64_t created_nanos = 0;
  // Orders the sides of all shards.
  uint64_t sequence = 0;
  EdgeFacts facts;
  uint32_t texts_size = 0;
};

// How long sides and marks wait, and how many of each: at least 1.
struct EdgeLimits {
  int64_t wait_nanos = 0;
  uint64_t max_items = 1;
};

// Thread-safe.
class EdgeStore {
 public:
  static constexpr size_t kShardBits = 6;
  static constexpr size_t kShards = size_t{1} << kShardBits;
  // A side with longer texts does not wait.
  static constexpr size_t kMaxTextBytes = size_t{256} << 10;
  // All sides together take no more than this for each of max_items, and kMaxTextBytes. Beyond it
  // the oldest goes, as if there were too many.
  static constexpr size_t kBytesPerItem = 1024;

  // `clock` must outlive the store.
  // `hash_mask` is for tests: bits of the hashes that are cleared in it make keys collide.
  EdgeStore(const EdgeLimits& limits, const Clock* clock, std::shared_ptr<EdgeCounters> counters,
            uint64_t hash_mask = ~uint64_t{0});
  // What still waits counts as evicted.
  ~EdgeStore();
  EdgeStore(const EdgeStore&) = delete;
  EdgeStore& operator=(const EdgeStore&) = delete;

  // Changes the limits; what is too much from now on is evicted.
  void SetLimits(const EdgeLimits& limits);

  // Takes the sides of a request through the store, in order, and tells each what became of it.
  void Process(EdgeBatch* batch);

  // Takes out what has waited long enough, oldest first within a shard, and hands it to `consume`
  // in small batches, between which the shard is unlocked. Forgets marks that are as old.
  void Expire(const std::function<void(std::span<const HalfEdgePtr>)>& consume);

  uint64_t waiting() const { return halves_.items(); }
  uint64_t marks() const { return marks_.items(); }
  const std::shared_ptr<EdgeCounters>& counters() const { return counters_; }

  // Writes everything that waits, and the marks, in the order in which they came. REQUIRES: nothing
  // changes meanwhile.
  void Save(StateWriter* writer) const;
  // Reads that from the current record on, into a store that is empty. The time when there was no
  // process does not count as waiting: nobody could bring the other side then. What is beyond the
  // limits is evicted. Each side must have so many `fields` of texts. Returns how many sides there
  // were; false in the reader's ok() when the records make no sense.
  uint64_t Restore(StateReader* reader, size_t fields);

  // The memory of everything that waits, marks included, as far as the store itself knows: without
  // what malloc adds. Locks one shard after the other; for tests.
  size_t SizeInBytes() const;

 private:
  // A side that a filter kept out.
  struct Mark {
    struct Key {
      const EdgeKey* edge;
      bool client;
    };
    bool Is(const Key& other) const { return client == other.client && key == *other.edge; }

    Mark* older = nullptr;
    Mark* newer = nullptr;
    EdgeKey key;
    int64_t created_nanos = 0;
    uint64_t sequence = 0;
    bool client = false;
  };

  struct alignas(64) Shard {
    mutable Mutex mutex;
    AgedTable<HalfEdge> halves GUARDED_BY(mutex);
    AgedTable<Mark> marks GUARDED_BY(mutex);
    // The sequence of the oldest of each, kNone when there is none: as they were when the shard was
    // last unlocked. Whoever needs room finds the shard of the oldest by them without a lock.
    std::atomic<uint64_t> oldest_half{kNone};
    std::atomic<uint64_t> oldest_mark{kNone};
  };
  static constexpr uint64_t kNone = ~uint64_t{0};

  using Place = EdgeBatch::Place;
  // What stands in the way of a side.
  enum class Outcome : uint8_t { kDone, kHalvesFull, kMarksFull };

  // A request on its way through the store.
  struct Request;

  uint64_t HashTrace(const char* trace_id) const;
  uint64_t HashSpan(uint64_t trace_hash, const char* span_id) const;
  uint32_t ShardOf(uint64_t trace_hash) const {
    return static_cast<uint32_t>((trace_hash & hash_mask_) >> (64 - kShardBits));
  }
  uint64_t HashOf(const EdgeKey& key) const {
    return HashSpan(HashTrace(key.trace_id()), key.span_id());
  }

  // For a request that finds room for all of its sides: shard by shard.
  void ProcessGrouped(Request* request);
  // Does nothing and returns false when somebody else is at the shard.
  bool TryProcessGroup(Shard* shard, std::span<const Place> places, Request* request);
  void ProcessGroupLocked(Shard* shard, std::span<const Place> places, Request* request)
      REQUIRES_LOCK(shard->mutex);
  // For one that may have to evict others: side by side.
  void ProcessInOrder(Request* request);

  Outcome ProcessLocked(Shard* shard, const Place& place, Request* request)
      REQUIRES_LOCK(shard->mutex);
  Outcome StoreLocked(Shard* shard, const Place& place, Request* request)
      REQUIRES_LOCK(shard->mutex);
  // Merges a side into an earlier one of its kind.
  Outcome RepeatLocked(Shard* shard, const Place& place, HalfEdge* half, Request* request)
      REQUIRES_LOCK(shard->mutex);
  Outcome MarkLocked(Shard* shard, const Place& place, Request* request)
      REQUIRES_LOCK(shard->mutex);
  // The room that it took is not given back yet.
  static HalfEdgePtr TakeLocked(Shard* shard, uint64_t hash, HalfEdge* half)
      REQUIRES_LOCK(shard->mutex);
  void RemoveMarkLocked(Shard* shard, Mark* mark) REQUIRES_LOCK(shard->mutex);
  static void PublishLocked(Shard* shard) REQUIRES_LOCK(shard->mutex);

  bool RestoreHalf(StateReader* reader, size_t fields);
  bool RestoreMark(StateReader* reader);

  static HalfEdgePtr NewHalf(const EdgeKey& key, const EdgeFacts& facts, std::string_view texts);
  static size_t BytesOf(size_t texts_size) { return sizeof(HalfEdge) + texts_size; }

  // The shard whose `oldest` is the lowest, or null when all are empty.
  Shard* OldestShard(std::atomic<uint64_t> Shard::*oldest);
  // Evicts the oldest of all shards; false when there was none.
  bool EvictHalf();
  bool EvictMark();

  const Clock* const clock_;
  const std::shared_ptr<EdgeCounters> counters_;
  const uint64_t hash_mask_;
  const uint64_t seed_;

  std::atomic<int64_t> wait_nanos_{0};
  std::atomic<uint64_t> next_sequence_{0};
  EdgeBudget halves_;
  EdgeBudget marks_;
  std::array<Shard, kShards> shards_;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_EDGE_STORE_H_
