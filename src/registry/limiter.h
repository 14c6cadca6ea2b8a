// Decides at a label set's birth whether it fits the tenant's limits, and counts what is alive.

#ifndef SPANMETER_REGISTRY_LIMITER_H_
#define SPANMETER_REGISTRY_LIMITER_H_

#include <atomic>
#include <cstdint>

#include <absl/container/flat_hash_map.h>

#include "spanmeter/mutex.h"
#include "spanmeter/options.h"

namespace spanmeter {

// Thread-safe.
class Limiter {
 public:
  // Of `options` limiter_type, max_active_series and max_active_entities count.
  explicit Limiter(const GeneratorOptions& options) { SetLimits(options); }
  // What is alive stays, also beyond the new limits.
  void SetLimits(const GeneratorOptions& options);

  // Admits a label set that counts as `series`, or returns false and changes nothing. `entity` is
  // the hash of its rendered labels. One entity may have label sets in several families; it counts
  // once, and once it is admitted, all of them are.
  //
  // Entities are told apart by 64 bits of a seeded hash: were two ever equal, one label set more
  // than the limit would be admitted, and nothing else would happen.
  bool Admit(uint64_t series, uint64_t entity);

  // Admits a label set that was admitted by a former process, whatever the limits.
  void Readmit(uint64_t series, uint64_t entity);

  // Counts series that join an admitted label set, whatever the limit.
  void Join(uint64_t series) { active_series_.fetch_add(series, std::memory_order_relaxed); }

  // Takes back an admission together with what joined.
  void Release(uint64_t series, uint64_t entity);

  // A hint that Admit() would refuse `series`: true is reliable at the moment of the call.
  bool SeriesFull(uint64_t series) const {
    const uint64_t max = max_series_.load(std::memory_order_relaxed);
    return max != 0 && active_series_.load(std::memory_order_relaxed) + series > max;
  }

  uint64_t active_series() const { return active_series_.load(std::memory_order_relaxed); }
  uint64_t active_entities() const;

 private:
  std::atomic<uint64_t> max_series_{0};    // 0 = no limit, also in entity mode
  std::atomic<uint64_t> max_entities_{0};  // 0 = no limit, also in series mode
  std::atomic<uint64_t> active_series_{0};
  mutable Mutex mutex_;  // taken while a shard's lock is held, never the other way round
  absl::flat_hash_map<uint64_t, uint32_t> entities_ GUARDED_BY(mutex_);  // to its label sets
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_LIMITER_H_
