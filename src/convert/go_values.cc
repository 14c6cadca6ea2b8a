#include "convert/go_values.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <string>
#include <utility>

#include "spanmeter/units.h"

namespace spanmeter {

namespace {

struct Unit {
  std::string_view name;
  int64_t nanos;
};
// Both ways of writing micro.
constexpr std::array<Unit, 8> kUnits = {{
    {"ns", 1},
    {"us", 1'000},
    {"\u00b5s", 1'000},
    {"\u03bcs", 1'000},
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

template <size_t n>
bool IsOneOf(std::string_view text, const std::array<std::string_view, n>& words) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

std::string WithoutUnderscores(std::string_view text) {
  std::string result;
  std::copy_if(text.begin(), text.end(), std::back_inserter(result),
               [](char c) { return c != '_'; });
  return result;
}

// *sum += count * nanos, unless that is too much.
bool AddProduct(int64_t count, int64_t nanos, int64_t* sum) {
  int64_t product = 0;
  return !__builtin_mul_overflow(count, nanos, &product) &&
         !__builtin_add_overflow(*sum, product, sum);
}

// Takes the digits that *text begins with, maybe none; false when they are too large a number.
bool TakeDigits(std::string_view* text, int64_t* number) {
  *number = 0;
  for (; !text->empty() && IsDigit(text->front()); text->remove_prefix(1)) {
    int64_t longer = text->front() - '0';
    if (!AddProduct(*number, 10, &longer)) return false;
    *number = longer;
  }
  return true;
}

// `fraction`, the digits after a point, of a unit. What is below a nanosecond does not count.
int64_t FractionOf(int64_t unit_nanos, std::string_view fraction) {
  int64_t nanos = 0;
  int64_t place = unit_nanos;
  for (const char c : fraction) {
    nanos += place * (c - '0') / 10;
    place /= 10;
  }
  return nanos;
}

std::optional<int64_t> ReadWithFractions(std::string_view text) {
  if (text.starts_with("+")) text.remove_prefix(1);
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  int64_t sum = 0;
  while (!text.empty()) {
    if (!IsDigit(text.front()) && text.front() != '.') return std::nullopt;
    const std::string_view begin = text;
    int64_t whole = 0;
    if (!TakeDigits(&text, &whole)) return std::nullopt;
    size_t digits = begin.size() - text.size();
    std::string_view fraction;
    if (text.starts_with(".")) {
      text.remove_prefix(1);
      const size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
      fraction = text.substr(0, end);
      digits += end;
      text.remove_prefix(end);
    }
    if (digits == 0) return std::nullopt;
    const auto* const unit = std::find_if(kUnits.begin(), kUnits.end(), [&](const Unit& u) {
      const std::string_view rest = text.substr(std::min(u.name.size(), text.size()));
      return text.starts_with(u.name) && (rest.empty() || IsDigit(rest[0]) || rest[0] == '.');
    });
    if (unit == kUnits.end()) return std::nullopt;
    text.remove_prefix(unit->name.size());
    if (!AddProduct(whole, unit->nanos, &sum)) return std::nullopt;
    if (!AddProduct(FractionOf(unit->nanos, fraction), 1, &sum)) return std::nullopt;
  }
  return sum;
}

}  // namespace

std::optional<bool> ReadGoBool(std::string_view text) {
  constexpr std::array<std::string_view, 11> kTrue = {"true", "True", "TRUE", "y",  "Y", "yes",
                                                      "Yes",  "YES",  "on",   "On", "ON"};
  constexpr std::array<std::string_view, 11> kFalse = {"false", "False", "FALSE", "n",   "N",  "no",
                                                       "No",    "NO",    "off",   "Off", "OFF"};
  if (IsOneOf(text, kTrue)) return true;
  if (IsOneOf(text, kFalse)) return false;
  return std::nullopt;
}

std::optional<int64_t> ReadGoInteger(std::string_view text) {
  const bool is_negative = text.starts_with("-");
  if (is_negative || text.starts_with("+")) text.remove_prefix(1);
  if (text.empty() || !IsDigit(text.front())) return std::nullopt;
  const std::string digits = WithoutUnderscores(text);
  std::string_view rest = digits;
  int base = 10;
  for (const auto& [prefix, prefix_base] :
       {std::pair<std::string_view, int>("0x", 16), {"0X", 16}, {"0o", 8}, {"0b", 2}}) {
    if (rest.starts_with(prefix)) base = prefix_base;
  }
  if (base != 10) {
    rest.remove_prefix(2);
  } else if (rest.size() > 1 && rest[0] == '0') {
    base = 8;
    rest.remove_prefix(1);
  }
  int64_t number = 0;
  if (rest.starts_with("-")) return std::nullopt;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number, base);
  if (error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  return is_negative ? -number : number;
}

std::optional<double> ReadGoNumber(std::string_view text) {
  if (const std::optional<int64_t> integer = ReadGoInteger(text)) {
    return static_cast<double>(*integer);
  }
  constexpr std::array<std::string_view, 6> kInfinity = {".inf",  ".Inf",  ".INF",
                                                         "+.inf", "+.Inf", "+.INF"};
  if (IsOneOf(text, kInfinity)) return std::numeric_limits<double>::infinity();
  const std::string digits = WithoutUnderscores(text);
  std::string_view rest = digits;
  if (rest.starts_with("+")) rest.remove_prefix(1);
  // from_chars also takes words such as "nan".
  if (rest.empty() || rest.find_first_not_of("0123456789.eE+-") != std::string_view::npos) {
    return std::nullopt;
  }
  double number = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (error != std::errc() || end != rest.data() + rest.size()) return std::nullopt;
  return number;
}

std::optional<int64_t> ReadGoDuration(std::string_view text) {
  if (const std::optional<int64_t> nanos = ReadGoInteger(text)) {
    return *nanos < 0 ? std::nullopt : nanos;
  }
  if (const std::optional<int64_t> nanos = ReadWithFractions(text)) return nanos;
  std::string error;
  return ParseDuration(text, &error);
}

GoValue ResolveGoValue(std::string_view text) {
  if (const std::optional<bool> value = ReadGoBool(text)) return *value;
  if (const std::optional<int64_t> value = ReadGoInteger(text)) return *value;
  if (const std::optional<double> value = ReadGoNumber(text)) return *value;
  return std::monostate();
}

}  // namespace spanmeter
