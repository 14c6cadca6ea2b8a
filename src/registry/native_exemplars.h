// The exemplars of a histogram that is only native: a few, of different buckets, the newest.

#ifndef SPANMETER_SRC_REGISTRY_NATIVE_EXEMPLARS_H_
#define SPANMETER_SRC_REGISTRY_NATIVE_EXEMPLARS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "spanmeter/sample_sink.h"

#include "registry/stored_exemplar.h"

namespace spanmeter {

// Not thread-safe.
class NativeExemplars {
 public:
  // As many as client libraries keep.
  static constexpr size_t kMost = 10;

  NativeExemplars() = default;
  ~NativeExemplars();
  NativeExemplars(const NativeExemplars&) = delete;
  NativeExemplars& operator=(const NativeExemplars&) = delete;

  // Keeps an exemplar: in place of the one of the same bucket, else as one more, else in place of
  // the oldest. Values that are not above the zero threshold have a bucket of their own. `schema`
  // must always be the same; `trace_id` has kTraceIdSize bytes.
  void Set(const char* trace_id, double value, int32_t schema, int64_t wall_ms);
  void Clear();
  // Appends them in the order of their age, the newest last.
  void Copy(std::vector<Exemplar>* exemplars) const;

  void Prefetch() const { __builtin_prefetch(block_, 1); }

 private:
  struct Block;

  // Replaced by a larger one while there are less than kMost.
  Block* block_ = nullptr;
};
static_assert(sizeof(NativeExemplars) == 8);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_REGISTRY_NATIVE_EXEMPLARS_H_
