// The series of one family: shards for writers, an overflow series for what the limits refuse, and
// a consistent way to read.

#ifndef SPANMETER_REGISTRY_FAMILY_H_
#define SPANMETER_REGISTRY_FAMILY_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/demand_sketch.h"
#include "spanmeter/mutex.h"
#include "spanmeter/registry.h"

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

// What the families of a registry share.
struct FamilyShared {
  FamilyShared(const GeneratorOptions& o, const Clock* c, uint64_t seed)
      : options(o), clock(c), hash_seed(seed), limiter(o) {}

  const GeneratorOptions options;
  const Clock* const clock;
  const uint64_t hash_seed;
  Limiter limiter;
  VisitGate gate;

  // Since the start; series in the unit of the limits.
  std::atomic<uint64_t> series_created{0};
  std::atomic<uint64_t> series_expired{0};
  std::atomic<uint64_t> updates_limited{0};
};

// Thread-safe.
class Family {
 public:
  static constexpr size_t kShardBits = 4;
  static constexpr size_t kShards = size_t{1} << kShardBits;
  static size_t ShardOf(uint64_t hash) { return hash >> (64 - kShardBits); }

  // `shared` must outlive the family.
  Family(FamilyOptions options, FamilyShared* shared);
  ~Family();
  Family(const Family&) = delete;
  Family& operator=(const Family&) = delete;

  // Applies those updates of one shard that find their series with all the metrics they concern;
  // appends the indices of the others to `missed`. `indices` point into the batch's updates, whose
  // hashes are set; all of them belong to this family and `shard`.
  void ApplyHits(size_t shard, std::span<const uint32_t> indices, const UpdateBatch& batch,
                 Instant now, std::vector<uint32_t>* missed);
  // The same, unless somebody else is at the shard: then does nothing and returns false.
  bool TryApplyHits(size_t shard, std::span<const uint32_t> indices, const UpdateBatch& batch,
                    Instant now, std::vector<uint32_t>* missed);

  // Applies one update that was missed: to its series if there is one by now, to a new one if the
  // limits allow, else to the overflow series.
  void ApplyMiss(const Update& update, std::string_view key, Instant now);

  void Expire(int64_t now_nanos);

  // Presents the family's metrics. REQUIRES: within a visit of the gate.
  bool Visit(int64_t now_nanos, SampleSink* sink);

  // About how many label sets went to overflow within the stale window.
  uint64_t OverflowEstimate(int64_t now_nanos) const;
  // What the limits count a complete label set as.
  uint64_t series_per_label_set() const { return series_per_label_set_; }

 private:
  friend class FamilyReader;

  struct alignas(64) Shard {
    Mutex mutex;
    SeriesTable table GUARDED_BY(mutex);
    // By Series::index; null where there is none, so that positions never change under a reader.
    std::vector<Series*> series GUARDED_BY(mutex);
    std::vector<uint32_t> free_indices GUARDED_BY(mutex);
  };

  void ApplyHitsLocked(Shard* shard, std::span<const uint32_t> indices, const UpdateBatch& batch,
                       Instant now, std::vector<uint32_t>* missed) REQUIRES_LOCK(shard->mutex);
  Series* NewSeriesLocked(Shard* shard, const Update& update, std::string_view key,
                          std::string_view labels, Instant now) REQUIRES_LOCK(shard->mutex);
  void RemoveLocked(Shard* shard, Series* series) REQUIRES_LOCK(shard->mutex);
  void ApplyOverflow(const Update& update, std::string_view key, Instant now);
  void CountCreated(uint64_t series);

  const FamilyOptions options_;
  const SeriesLayout layout_;
  const LabelRenderer labels_;
  const std::vector<MetricInfo> infos_;
  const uint64_t series_per_label_set_;
  const int64_t stale_nanos_;
  FamilyShared* const shared_;

  std::array<Shard, kShards> shards_;

  // Lock order: a shard's mutex or this one, then the limiter's or the gate's.
  mutable Mutex overflow_mutex_;
  Series* overflow_ GUARDED_BY(overflow_mutex_) = nullptr;
  DemandSketch overflow_demand_ GUARDED_BY(overflow_mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_FAMILY_H_
