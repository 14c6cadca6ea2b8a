// Bounds how many distinct values each label of a tenant has.

#ifndef SPANMETER_REGISTRY_LABEL_LIMITER_H_
#define SPANMETER_REGISTRY_LABEL_LIMITER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/demand_sketch.h"
#include "spanmeter/mutex.h"
#include "spanmeter/registry.h"

#include "registry/label_text.h"
#include "registry/text_map.h"

namespace spanmeter {

class StateReader;
class StateWriter;

// A value has a place as long as series hold it, and then until it was not seen for the stale
// duration. Values that have a place keep it; a further one gets none while all are taken, from the
// first time on. Thread-safe; asked at births and refusals only.
class LabelLimiter {
 public:
  // Labels beyond so many are not followed: each of their values is refused. Only relabelling that
  // turns values into names can get there.
  static constexpr size_t kMaxLabels = 4096;

  explicit LabelLimiter(int64_t stale_nanos) : stale_nanos_(stale_nanos) {}

  // 0 = no limit. What has a place keeps it.
  void SetLimit(uint64_t max_values, int64_t stale_nanos);
  bool enabled() const { return max_values_.load(std::memory_order_relaxed) != 0; }

  // In all of these, labels without a value do not count.

  // Asks for a place for each value, and notes that it was seen: (*refused)[i] tells whether
  // labels[i] got none. Returns whether any was refused.
  bool Refuses(std::span<const LabelValue> labels, int64_t now_nanos, std::vector<bool>* refused);

  // Keeps the places of a label set's values until Release(): a series was born, or was found when
  // the limit came; its last update was at `last_seen_nanos`. Gives places beyond the limit, if
  // need be, to what lives already.
  void Hold(std::span<const LabelValue> labels, int64_t last_seen_nanos);
  // The series is gone; its last update was at `last_seen_nanos`.
  void Release(std::span<const LabelValue> labels, int64_t last_seen_nanos);

  // Frees the places of values that nothing holds and nobody saw for the stale duration.
  void Expire(int64_t now_nanos);

  // By name.
  std::vector<LabelStats> GetStats(int64_t now_nanos) const;

  // Writes which values have places, and what was refused. Nothing while there is no limit.
  void Save(int64_t now_nanos, StateWriter* writer) const;
  // Reads that from the current record on, and gives the values their places, also beyond the
  // limit; passes over it while there is no limit. What holds them is to say so by Hold(). False
  // when the records make no sense.
  bool Restore(int64_t now_nanos, StateReader* reader);

 private:
  struct Value {
    uint32_t holders = 0;
    int64_t last_seen_nanos = 0;
  };
  struct Label {
    TextMap<Value> values;
    uint64_t refusals = 0;
    // Of the refused values; there since the first refusal.
    std::unique_ptr<DemandSketch> refused;
  };

  Label* FindOrAddLocked(std::string_view name) REQUIRES_LOCK(mutex_);

  std::atomic<uint64_t> max_values_{0};
  mutable Mutex mutex_;  // taken while a shard's lock is held, never the other way round
  int64_t stale_nanos_ GUARDED_BY(mutex_);
  TextMap<Label> labels_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_LABEL_LIMITER_H_
