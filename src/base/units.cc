#include "spanmeter/units.h"

#include <array>
#include <limits>

namespace spanmeter {

namespace {

struct Unit {
  std::string_view name;
  uint64_t factor;
};

constexpr std::array<Unit, 9> kSizeUnits = {{
    {"B", 1},
    {"KiB", uint64_t{1} << 10},
    {"MiB", uint64_t{1} << 20},
    {"GiB", uint64_t{1} << 30},
    {"TiB", uint64_t{1} << 40},
    {"KB", 1'000},
    {"MB", 1'000'000},
    {"GB", 1'000'000'000},
    {"TB", 1'000'000'000'000},
}};
constexpr size_t kBinarySizeUnits = 5;

// From large to small, which is also the order in which they may stand in a duration.
constexpr std::array<Unit, 9> kDurationUnits = {{
    {"y", uint64_t{365} * 86'400 * 1'000'000'000},
    {"w", uint64_t{7} * 86'400 * 1'000'000'000},
    {"d", uint64_t{86'400} * 1'000'000'000},
    {"h", uint64_t{3'600} * 1'000'000'000},
    {"m", uint64_t{60} * 1'000'000'000},
    {"s", 1'000'000'000},
    {"ms", 1'000'000},
    {"us", 1'000},
    {"ns", 1},
}};
// Years and weeks are left out on output: what is 365 days to us is not so to every reader.
constexpr size_t kFirstPrintedDurationUnit = 2;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// A number and the letters that follow it.
struct Quantity {
  uint64_t number = 0;
  std::string_view unit;
  bool too_large = false;
};

// Takes a Quantity off the front of *text. False when it does not begin with a digit.
bool TakeQuantity(std::string_view* text, Quantity* quantity) {
  size_t pos = 0;
  *quantity = Quantity();
  for (; pos < text->size() && IsDigit((*text)[pos]); ++pos) {
    if (__builtin_mul_overflow(quantity->number, uint64_t{10}, &quantity->number) ||
        __builtin_add_overflow(quantity->number, static_cast<uint64_t>((*text)[pos] - '0'),
                               &quantity->number)) {
      quantity->too_large = true;
    }
  }
  if (pos == 0) return false;
  const size_t unit_begin = pos;
  while (pos < text->size() && !IsDigit((*text)[pos])) ++pos;
  quantity->unit = text->substr(unit_begin, pos - unit_begin);
  text->remove_prefix(pos);
  return true;
}

}  // namespace

std::optional<uint64_t> ParseByteSize(std::string_view text, std::string* error) {
  if (text == "0") return 0;
  Quantity quantity;
  std::string_view rest = text;
  if (TakeQuantity(&rest, &quantity) && rest.empty()) {
    for (const Unit& unit : kSizeUnits) {
      if (unit.name != quantity.unit) continue;
      uint64_t bytes = 0;
      if (quantity.too_large || __builtin_mul_overflow(quantity.number, unit.factor, &bytes)) {
        *error = "is too large";
        return std::nullopt;
      }
      return bytes;
    }
  }
  *error =
      "is not a size: write a whole number and a unit (B, KiB, MiB, GiB, TiB, KB, MB, GB, TB), "
      "like \"16MiB\"";
  return std::nullopt;
}

std::string FormatByteSize(uint64_t bytes) {
  size_t best = 0;
  for (size_t i = 1; i < kBinarySizeUnits && bytes != 0; ++i) {
    if (bytes % kSizeUnits[i].factor == 0) best = i;
  }
  return std::to_string(bytes / kSizeUnits[best].factor).append(kSizeUnits[best].name);
}

std::optional<int64_t> ParseDuration(std::string_view text, std::string* error) {
  if (text == "0") return 0;
  uint64_t total = 0;
  bool too_large = false;
  size_t next_unit = 0;
  std::string_view rest = text;
  bool well_formed = !text.empty();
  while (well_formed && !rest.empty()) {
    Quantity quantity;
    well_formed = TakeQuantity(&rest, &quantity);
    if (!well_formed) break;
    while (next_unit < kDurationUnits.size() && kDurationUnits[next_unit].name != quantity.unit) {
      ++next_unit;
    }
    if (next_unit == kDurationUnits.size()) {
      well_formed = false;
      break;
    }
    uint64_t part = 0;
    if (quantity.too_large ||
        __builtin_mul_overflow(quantity.number, kDurationUnits[next_unit].factor, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      too_large = true;
    }
    ++next_unit;  // Each unit at most once.
  }
  if (!well_formed) {
    *error =
        "is not a duration: write whole numbers with units (y, w, d, h, m, s, ms, us, ns), large "
        "units first, like \"15s\" or \"1h30m\"";
    return std::nullopt;
  }
  if (too_large || total > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    *error = "is too long: the longest duration is about 292 years";
    return std::nullopt;
  }
  return static_cast<int64_t>(total);
}

std::string FormatDuration(int64_t nanos) {
  if (nanos == 0) return "0s";
  std::string text;
  uint64_t rest = static_cast<uint64_t>(nanos);
  for (size_t i = kFirstPrintedDurationUnit; i < kDurationUnits.size(); ++i) {
    const Unit& unit = kDurationUnits[i];
    if (rest < unit.factor) continue;
    text.append(std::to_string(rest / unit.factor)).append(unit.name);
    rest %= unit.factor;
  }
  return text;
}

}  // namespace spanmeter
