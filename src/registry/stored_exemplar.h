// An exemplar as a series keeps it.

#ifndef SPANMETER_SRC_REGISTRY_STORED_EXEMPLAR_H_
#define SPANMETER_SRC_REGISTRY_STORED_EXEMPLAR_H_

#include <cstdint>
#include <cstring>
#include <limits>

#include "spanmeter/sample_sink.h"
#include "spanmeter/trace_id.h"

namespace spanmeter {

struct StoredExemplar {
  // In the place of the time: there is none here (any more).
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::min();

  // `id` has kTraceIdSize bytes.
  void Set(const char* id, double observed, int64_t wall_ms) {
    std::memcpy(trace_id, id, kTraceIdSize);
    value = observed;
    timestamp_ms = wall_ms;
  }
  Exemplar ToExemplar(uint32_t bucket) const {
    Exemplar exemplar;
    exemplar.bucket = bucket;
    exemplar.value = value;
    exemplar.timestamp_ms = timestamp_ms;
    std::memcpy(exemplar.trace_id, trace_id, kTraceIdSize);
    return exemplar;
  }

  char trace_id[kTraceIdSize];
  double value;
  int64_t timestamp_ms;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_REGISTRY_STORED_EXEMPLAR_H_
