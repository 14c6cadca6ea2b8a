#include "processors/span_multiplier.h"

#include <cmath>

namespace spanmeter {

namespace {

constexpr std::string_view kEntryPrefix = "ot=";
constexpr size_t kMaxEntrySize = 256;
constexpr size_t kMaxThresholdDigits = 14;
constexpr size_t kRandomDigits = 14;
// Thresholds and random values have 56 bits.
constexpr uint64_t kThresholdEnd = uint64_t{1} << 56;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsValueCharacter(char c) {
  return IsLower(c) || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '.' || c == '_' || c == '-';
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t";
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

// Takes the text up to the next `separator`, and the separator, from `rest`.
std::string_view TakeUntil(char separator, std::string_view* rest) {
  const size_t end = rest->find(separator);
  const std::string_view taken = rest->substr(0, end);
  rest->remove_prefix(end == std::string_view::npos ? rest->size() : end + 1);
  return taken;
}

std::optional<uint64_t> ParseHex(std::string_view digits) {
  uint64_t value = 0;
  for (const char c : digits) {
    value <<= 4;
    if (IsDigit(c)) {
      value |= static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value |= static_cast<uint64_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      value |= static_cast<uint64_t>(c - 'A' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

struct SamplingFields {
  std::optional<uint64_t> threshold;
  std::optional<uint64_t> random;
};

// Reads one `key:value` field; false when it is malformed.
bool ReadField(std::string_view field, SamplingFields* fields) {
  const size_t colon = field.find(':');
  if (colon == std::string_view::npos) return false;
  const std::string_view key = field.substr(0, colon);
  const std::string_view value = field.substr(colon + 1);
  if (key.empty() || !IsLower(key[0])) return false;
  for (const char c : key) {
    if (!IsLower(c) && !IsDigit(c)) return false;
  }
  for (const char c : value) {
    if (!IsValueCharacter(c)) return false;
  }
  if (key == "th") {
    if (value.empty() || value.size() > kMaxThresholdDigits) return false;
    fields->threshold = ParseHex(value);
    if (!fields->threshold) return false;
    *fields->threshold <<= 4 * (kMaxThresholdDigits - value.size());
  } else if (key == "rv") {
    if (value.size() != kRandomDigits) return false;
    fields->random = ParseHex(value);
    if (!fields->random) return false;
  }
  return true;
}

// Reads the value of the `ot` entry; false when there is an error anywhere in it.
bool ReadEntry(std::string_view entry, SamplingFields* fields) {
  if (entry.empty() || entry.size() > kMaxEntrySize) return false;
  // A separator at the end would leave an empty field behind it.
  if (entry.back() == ';') return false;
  while (!entry.empty()) {
    if (!ReadField(TakeUntil(';', &entry), fields)) return false;
  }
  return true;
}

}  // namespace

std::optional<double> TraceStateMultiplier(std::string_view trace_state) {
  while (!trace_state.empty()) {
    std::string_view entry = Trim(TakeUntil(',', &trace_state));
    if (!entry.starts_with(kEntryPrefix)) continue;
    // The first entry decides, usable or not.
    entry.remove_prefix(kEntryPrefix.size());
    SamplingFields fields;
    if (!ReadEntry(entry, &fields) || !fields.threshold) return std::nullopt;
    const double multiplier =
        static_cast<double>(kThresholdEnd) / static_cast<double>(kThresholdEnd - *fields.threshold);
    if (!fields.random) return multiplier;
    // Rounds up as often as the fraction says. The upper 53 of the 56 random bits make an exact
    // double.
    const double whole = std::floor(multiplier);
    const double random = std::ldexp(static_cast<double>(*fields.random >> 3), -53);
    return random < multiplier - whole ? whole + 1 : whole;
  }
  return std::nullopt;
}

SpanMultiplier::SpanMultiplier(const std::string& key, bool use_trace_state, double max,
                               AttributeIndex* index)
    : use_trace_state_(use_trace_state), max_(max) {
  if (!key.empty()) attribute_ = index->Add(key);
}

SpanMultiplier::Found SpanMultiplier::FromAttribute(const AttributeValues& values) const {
  Found found;
  if (!attribute_) return found;
  values.FirstThat(*attribute_, [&](const AnyValue& value) {
    double ratio;
    if (value.type() == AnyValue::Type::kDouble) {
      ratio = value.double_value();
    } else if (value.type() == AnyValue::Type::kInt) {
      ratio = static_cast<double>(value.int_value());
    } else {
      return false;
    }
    if (!(ratio > 0) || std::isinf(ratio)) return false;
    const double multiplier = 1 / ratio;
    if (std::isinf(multiplier)) return false;
    if (multiplier > max_) {
      ++found.rejected;
      return false;
    }
    found.multiplier = multiplier;
    return true;
  });
  return found;
}

std::optional<double> SpanMultiplier::Find(const SpanView& span, const Found& resource,
                                           uint64_t* rejected) const {
  if (use_trace_state_ && !span.trace_state.empty()) {
    const std::optional<double> multiplier = TraceStateMultiplier(span.trace_state);
    if (multiplier && *multiplier <= max_) return multiplier;
    if (multiplier) ++*rejected;
  }
  if (!attribute_) return std::nullopt;
  const Found own = FromAttribute(*span.wanted);
  *rejected += own.rejected;
  if (own.multiplier) return own.multiplier;
  *rejected += resource.rejected;
  return resource.multiplier;
}

}  // namespace spanmeter
