// Numbers as the text formats write them. Locale plays no part.

#ifndef SPANMETER_NUMBER_TEXT_H_
#define SPANMETER_NUMBER_TEXT_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace spanmeter {

// No number takes more characters than this.
inline constexpr size_t kMaxNumberChars = 32;

// Writes the shortest decimal that reads back as the same double, integers without a fraction,
// `+Inf`, `-Inf` or `NaN`. Returns the end. REQUIRES: kMaxNumberChars bytes of room.
char* WriteNumber(double value, char* out);

// Writes milliseconds since the epoch as seconds with three decimals. The same room.
char* WriteSeconds(int64_t milliseconds, char* out);

// The bound of a bucket in the notation that other Prometheus clients use (Go's %g with the
// shortest precision), so that the `le` labels of all of them agree: "0.005", "100000", "1e+06".
// With `canonical`, as OpenMetrics wants it, integers get a fraction: "1.0".
std::string BoundText(double bound, bool canonical);

}  // namespace spanmeter

#endif  // SPANMETER_NUMBER_TEXT_H_
