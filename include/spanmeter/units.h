// Sizes and durations as people write them: "16MiB", "1h30m".

#ifndef SPANMETER_UNITS_H_
#define SPANMETER_UNITS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spanmeter {

// Parses a size in bytes: a whole number and one of the units B, KiB, MiB, GiB, TiB (powers of
// 1024) and KB, MB, GB, TB (powers of 1000), without blanks, or just "0". Upper and lower case are
// told apart, because MB and Mb are not the same thing. On failure returns nullopt and says in
// *error what would be right.
std::optional<uint64_t> ParseByteSize(std::string_view text, std::string* error);

// The shortest text that ParseByteSize() reads back as `bytes`, in powers of 1024: "16MiB",
// "1500B".
std::string FormatByteSize(uint64_t bytes);

// Parses a duration into nanoseconds: whole numbers, each with a unit, from large to small units:
// "15s", "1h30m", "1d12h", or just "0". Units are y (365 days), w, d, h, m, s and ms, as Prometheus
// reads them (https://prometheus.io/docs/prometheus/latest/configuration/configuration/), and below
// them us and ns. The largest duration is 2^63 - 1 ns, about 292 years; there are no negative ones.
// On failure returns nullopt and says in *error what would be right.
std::optional<int64_t> ParseDuration(std::string_view text, std::string* error);

// A text that ParseDuration() reads back as `nanos`: "15m", "1h30m", "0s". Days are the largest
// unit. REQUIRES: nanos >= 0.
std::string FormatDuration(int64_t nanos);

}  // namespace spanmeter

#endif  // SPANMETER_UNITS_H_
