// Scalars as Tempo reads them: the rules of Go's YAML library and of Go's and Prometheus'
// durations. https://pkg.go.dev/time#ParseDuration

#ifndef SPANMETER_CONVERT_GO_VALUES_H_
#define SPANMETER_CONVERT_GO_VALUES_H_

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

namespace spanmeter {

// Each returns nullopt when `text` is no such value.

// true and false, also in the words of YAML 1.1: yes, on, y, no, off, n.
std::optional<bool> ReadGoBool(std::string_view text);

// Whole numbers, decimal, 0x, 0o, 0 (octal) or 0b, with _ between digits. Not above 2^63 - 1 nor
// below its negative.
std::optional<int64_t> ReadGoInteger(std::string_view text);

// Any number, infinity included.
std::optional<double> ReadGoNumber(std::string_view text);

// A duration in nanoseconds, not negative: Go's "1h30m0.5s", Prometheus' "1d12h", or a whole number
// of nanoseconds.
std::optional<int64_t> ReadGoDuration(std::string_view text);

// What a scalar without quotes is where any type is allowed. Monostate: a string.
using GoValue = std::variant<std::monostate, bool, int64_t, double>;
GoValue ResolveGoValue(std::string_view text);

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_GO_VALUES_H_
