// How long a span took.

#ifndef SPANMETER_PROCESSORS_SPAN_LATENCY_H_
#define SPANMETER_PROCESSORS_SPAN_LATENCY_H_

#include <cstdint>

#include "spanmeter/span_view.h"

namespace spanmeter {

// The time from `begin` to `end`, both in nanoseconds since the Unix epoch, in seconds; 0 when the
// end comes first. The integer difference is what becomes a double: the stamps themselves have more
// digits than one holds.
inline double SecondsBetween(uint64_t begin, uint64_t end) {
  constexpr double kNanosPerSecondDouble = 1e9;
  return end <= begin ? 0 : static_cast<double>(end - begin) / kNanosPerSecondDouble;
}

inline double LatencySeconds(const SpanView& span) {
  return SecondsBetween(span.start_time_unix_nano, span.end_time_unix_nano);
}

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_SPAN_LATENCY_H_
