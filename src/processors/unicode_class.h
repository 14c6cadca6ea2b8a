// What kind of character a code point is: The Unicode Standard 15.0, general categories.

#ifndef SPANMETER_PROCESSORS_UNICODE_CLASS_H_
#define SPANMETER_PROCESSORS_UNICODE_CLASS_H_

#include <cstdint>
#include <string_view>

namespace spanmeter {

enum class CharacterClass : uint8_t {
  kOther,
  kLetter,       // L
  kNumber,       // N: decimal digits, letters and others that mean a number
  kPunctuation,  // P
};

namespace unicode_class_internal {

constexpr bool IsBetween(uint32_t c, uint32_t first, uint32_t last) {
  return c >= first && c <= last;
}

}  // namespace unicode_class_internal

// REQUIRES: code_point < 0x80.
constexpr CharacterClass ClassOfAscii(uint32_t code_point) {
  // Unlike the C library's punctuation, without the symbols $ + < = > ^ ` | ~.
  constexpr std::string_view kPunctuationMarks = "!\"#%&'()*,-./:;?@[\\]_{}";
  if (unicode_class_internal::IsBetween(code_point | 0x20, 'a', 'z')) {
    return CharacterClass::kLetter;
  }
  if (unicode_class_internal::IsBetween(code_point, '0', '9')) return CharacterClass::kNumber;
  if (kPunctuationMarks.find(static_cast<char>(code_point)) != std::string_view::npos) {
    return CharacterClass::kPunctuation;
  }
  return CharacterClass::kOther;
}

CharacterClass ClassOf(uint32_t code_point);

// The property White_Space.
constexpr bool IsSpace(uint32_t code_point) {
  using unicode_class_internal::IsBetween;
  return code_point == ' ' || IsBetween(code_point, '\t', '\r') || code_point == 0x85 ||
         code_point == 0xA0 || code_point == 0x1680 || IsBetween(code_point, 0x2000, 0x200A) ||
         code_point == 0x2028 || code_point == 0x2029 || code_point == 0x202F ||
         code_point == 0x205F || code_point == 0x3000;
}

// The property Hex_Digit: those of ASCII and their full-width forms.
constexpr bool IsHexDigit(uint32_t code_point) {
  using unicode_class_internal::IsBetween;
  return IsBetween(code_point, '0', '9') || IsBetween(code_point | 0x20, 'a', 'f') ||
         IsBetween(code_point, 0xFF10, 0xFF19) || IsBetween(code_point, 0xFF21, 0xFF26) ||
         IsBetween(code_point, 0xFF41, 0xFF46);
}

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_UNICODE_CLASS_H_
