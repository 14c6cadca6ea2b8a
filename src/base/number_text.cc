#include "spanmeter/number_text.h"

#include <charconv>
#include <cmath>
#include <cstring>
#include <string_view>

namespace spanmeter {
namespace {

// Below this, and far beyond any count, doubles convert to integers and back without loss.
constexpr double kExactIntegers = 1e15;

char* Put(std::string_view text, char* out) {
  std::memcpy(out, text.data(), text.size());
  return out + text.size();
}

char* WriteSpecial(double value, char* out) {
  if (std::isnan(value)) return Put("NaN", out);
  return Put(value > 0 ? "+Inf" : "-Inf", out);
}

}  // namespace

char* WriteNumber(double value, char* out) {
  // Fast path: counts.
  if (std::fabs(value) < kExactIntegers) {
    const auto integer = static_cast<int64_t>(value);
    if (static_cast<double>(integer) == value && (integer != 0 || !std::signbit(value))) {
      return std::to_chars(out, out + kMaxNumberChars, integer).ptr;
    }
  } else if (!std::isfinite(value)) {
    return WriteSpecial(value, out);
  }
  return std::to_chars(out, out + kMaxNumberChars, value).ptr;
}

char* WriteSeconds(int64_t milliseconds, char* out) {
  auto magnitude = static_cast<uint64_t>(milliseconds);
  if (milliseconds < 0) {
    *out++ = '-';
    magnitude = 0 - magnitude;
  }
  out = std::to_chars(out, out + kMaxNumberChars, magnitude / 1000).ptr;
  const auto rest = static_cast<int>(magnitude % 1000);
  *out++ = '.';
  *out++ = static_cast<char>('0' + rest / 100);
  *out++ = static_cast<char>('0' + rest / 10 % 10);
  *out++ = static_cast<char>('0' + rest % 10);
  return out;
}

std::string BoundText(double bound, bool canonical) {
  char buffer[kMaxNumberChars];
  if (!std::isfinite(bound)) return {buffer, WriteSpecial(bound, buffer)};

  // The exponent decides between the notations; it is what follows the `e`.
  const std::to_chars_result scientific =
      std::to_chars(buffer, buffer + kMaxNumberChars, bound, std::chars_format::scientific);
  std::string text(buffer, scientific.ptr);
  const size_t e = text.find('e');
  int exponent = 0;
  const char* digits = text.c_str() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits, text.c_str() + text.size(), exponent);
  if (exponent < -4 || exponent >= 6) return text;

  text.assign(buffer,
              std::to_chars(buffer, buffer + kMaxNumberChars, bound, std::chars_format::fixed).ptr);
  if (canonical && text.find('.') == std::string::npos) text += ".0";
  return text;
}

}  // namespace spanmeter
