// How long a span took.

#ifndef SPANMETER_PROCESSORS_SPAN_LATENCY_H_
#define SPANMETER_PROCESSORS_SPAN_LATENCY_H_

#include <cstdint>

#include "spanmeter/span_view.h"

namespace spanmeter {

// The time from `begin` to `end`, both in nanoseconds since the Unix epoch, in a unit of so many
// nanoseconds; 0 when the end comes first. The integer difference is what becomes a double: the
// stamps themselves have more digits than one holds. It is divided once and not converted later, so
// that a duration equals a bound that is written with the same digits.
inline double TimeBetween(uint64_t begin, uint64_t end, double unit_nanos) {
  return end <= begin ? 0 : static_cast<double>(end - begin) / unit_nanos;
}

inline double SecondsBetween(uint64_t begin, uint64_t end) {
  constexpr double kNanosPerSecondDouble = 1e9;
  return TimeBetween(begin, end, kNanosPerSecondDouble);
}

inline double Latency(const SpanView& span, double unit_nanos) {
  return TimeBetween(span.start_time_unix_nano, span.end_time_unix_nano, unit_nanos);
}

inline double LatencySeconds(const SpanView& span) {
  return SecondsBetween(span.start_time_unix_nano, span.end_time_unix_nano);
}

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_SPAN_LATENCY_H_
