// Fuzzes the reading of sampling thresholds in trace states against a reading by regular
// expressions.

#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <re2/re2.h>

#include "fuzz/fuzz_input.h"
#include "processors/span_multiplier.h"

namespace spanmeter {
namespace {

uint64_t FromHex(const std::string& digits) { return std::stoull(digits, nullptr, 16); }

std::optional<double> NaiveMultiplier(const std::string& trace_state) {
  re2::RE2::Options bytes;
  bytes.set_encoding(re2::RE2::Options::EncodingLatin1);
  bytes.set_never_nl(false);
  bytes.set_dot_nl(true);
  // The first entry with the key `ot`, without the blanks around it.
  static const re2::RE2 first_entry("(?:[^,]*,)*?[ \\t]*ot=([^,]*?)[ \\t]*(?:,.*)?", bytes);
  static const re2::RE2 fields("[a-z][a-z0-9]*:[a-zA-Z0-9._-]*(?:;[a-z][a-z0-9]*:[a-zA-Z0-9._-]*)*",
                               bytes);
  static const re2::RE2 field("([a-z0-9]+):([a-zA-Z0-9._-]*);?", bytes);
  static const re2::RE2 threshold_digits("[0-9a-fA-F]{1,14}");
  static const re2::RE2 random_digits("[0-9a-fA-F]{14}");

  std::string entry;
  if (!RE2::FullMatch(trace_state, first_entry, &entry)) return std::nullopt;
  if (entry.size() > 256 || !RE2::FullMatch(entry, fields)) return std::nullopt;
  std::optional<uint64_t> threshold;
  std::optional<uint64_t> random;
  re2::StringPiece rest(entry);
  std::string key;
  std::string value;
  while (RE2::Consume(&rest, field, &key, &value)) {
    if (key == "th") {
      if (!RE2::FullMatch(value, threshold_digits)) return std::nullopt;
      threshold = FromHex(value + std::string(14 - value.size(), '0'));
    } else if (key == "rv") {
      if (!RE2::FullMatch(value, random_digits)) return std::nullopt;
      random = FromHex(value);
    }
  }
  if (!threshold) return std::nullopt;
  const double all = 72057594037927936.0;  // 2^56
  const double multiplier = all / static_cast<double>((uint64_t{1} << 56) - *threshold);
  if (!random) return multiplier;
  const double whole = std::floor(multiplier);
  const double drawn = static_cast<double>(*random >> 3) / 9007199254740992.0;  // 2^53
  return drawn < multiplier - whole ? whole + 1 : whole;
}

std::string Text(const std::optional<double>& multiplier) {
  return multiplier ? std::to_string(*multiplier) : "nothing";
}

void Run(const uint8_t* data, size_t size) {
  const std::string trace_state(reinterpret_cast<const char*>(data), size);
  const std::optional<double> expected = NaiveMultiplier(trace_state);
  const std::optional<double> actual = TraceStateMultiplier(trace_state);
  testing::Check(expected == actual,
                 "multiplier: expected " + Text(expected) + ", got " + Text(actual));
  testing::Check(!actual || (std::isfinite(*actual) && *actual >= 1), "no multiplier at all");
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::Run(data, size);
  return 0;
}
