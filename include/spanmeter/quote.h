// Texts from outside, shown within one line: in log lines, messages and printed configurations.

#ifndef SPANMETER_QUOTE_H_
#define SPANMETER_QUOTE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace spanmeter {

// The character that a text begins with.
struct Utf8Character {
  uint32_t code_point = 0;
  size_t size = 1;  // in bytes; 1 when not valid
  // Well-formed UTF-8 as of The Unicode Standard, table 3-7.
  bool valid = false;
};

// REQUIRES: !text.empty().
Utf8Character ReadUtf8Character(std::string_view text);

// Appends `text` with the escapes that JSON strings and TOML basic strings share. Control
// characters, line separators and characters that reorder text become escapes, so that no terminal,
// editor or line reader acts upon them; bytes that are not valid UTF-8 become U+FFFD.
void AppendEscaped(std::string_view text, std::string* out);

// The same in double quotes.
void AppendQuoted(std::string_view text, std::string* out);

inline std::string Quoted(std::string_view text) {
  std::string quoted;
  AppendQuoted(text, &quoted);
  return quoted;
}

}  // namespace spanmeter

#endif  // SPANMETER_QUOTE_H_
