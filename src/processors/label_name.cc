#include "processors/label_name.h"

#include <algorithm>
#include <array>

#include "spanmeter/quote.h"
#include "spanmeter/relabel.h"

namespace spanmeter {

namespace {

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// For each byte: itself where a label name may hold it, else an underscore.
constexpr std::array<char, 256> kSanitized = [] {
  std::array<char, 256> table = {};
  for (size_t i = 0; i < table.size(); ++i) {
    const auto c = static_cast<char>(i);
    const bool legal = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c);
    table[i] = legal ? c : '_';
  }
  return table;
}();

}  // namespace

bool IsIntrinsicLabel(std::string_view name, const MetricNames& names) {
  return name == names.service || name == names.span_name || name == names.span_kind ||
         name == names.status_code || name == names.status_message;
}

bool IsReservedLabel(std::string_view name) {
  return std::find(kLabelsOfTheRegistry.begin(), kLabelsOfTheRegistry.end(), name) !=
         kLabelsOfTheRegistry.end();
}

void AppendSanitized(std::string_view key, std::string* out) {
  while (!key.empty()) {
    const auto byte = static_cast<uint8_t>(key[0]);
    out->push_back(kSanitized[byte]);
    key.remove_prefix(byte < 0x80 ? 1 : ReadUtf8Character(key).size);
  }
}

void AddNamePrefix(const MetricNames& names, size_t begin, std::string* text) {
  const std::string_view name = std::string_view(*text).substr(begin);
  if (IsDigit(name[0])) {
    text->insert(begin, names.before_digit);
  } else if (name.starts_with('_') && !name.starts_with("__")) {
    text->insert(begin, names.before_underscore);
  }
}

std::string DimensionLabelName(std::string_view key, const MetricNames& names) {
  std::string name;
  AppendSanitized(key, &name);
  if (IsIntrinsicLabel(name, names)) name.insert(0, kCollisionPrefix);
  AddNamePrefix(names, 0, &name);
  return name;
}

}  // namespace spanmeter
