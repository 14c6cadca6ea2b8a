// Compares the decoder with libprotobuf, for tests and fuzzing.

#ifndef SPANMETER_TESTS_OTLP_DECODE_DIFFERENTIAL_H_
#define SPANMETER_TESTS_OTLP_DECODE_DIFFERENTIAL_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace spanmeter::testing {

struct Comparison {
  bool equal = false;
  // What each side said, when they differ.
  std::string difference;
  bool accepted = false;
  uint64_t spans_visited = 0;
  uint64_t invalid_ids = 0;
};

// Decodes `request` with both. Equal means: both refuse it, or both see the same resources with the
// same attributes and the same spans with the same fields and wanted attributes, occurrence by
// occurrence. Where libprotobuf refuses because of its limit on nesting, the decoder may do either;
// what it accepts must then be what libprotobuf sees without that limit.
Comparison CompareWithLibprotobuf(std::string_view request);

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_OTLP_DECODE_DIFFERENTIAL_H_
