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

bool IsIntrinsicLabel(std::string_view name) {
  return name == kServiceLabel || name == kSpanNameLabel || name == kSpanKindLabel ||
         name == kStatusCodeLabel || name == kStatusMessageLabel;
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

std::string DimensionLabelName(std::string_view key) {
  std::string name;
  AppendSanitized(key, &name);
  if (IsIntrinsicLabel(name)) name.insert(0, kCollisionPrefix);
  if (IsDigit(name[0])) name.insert(0, 1, '_');
  return name;
}

}  // namespace spanmeter
