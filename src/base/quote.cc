#include "spanmeter/quote.h"

#include <cstdio>

namespace spanmeter {

namespace {

constexpr std::string_view kReplacementCharacter = "\xEF\xBF\xBD";  // U+FFFD

bool IsHarmful(uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x2028 || c == 0x2029 ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

}  // namespace

Utf8Character ReadUtf8Character(std::string_view text) {
  const auto byte = [text](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t lead = byte(0);
  if (lead < 0x80) return {lead, 1, true};
  size_t size = 0;
  uint32_t code_point = 0;
  uint32_t smallest = 0;
  if (lead >= 0xC2 && lead <= 0xDF) {
    size = 2;
    code_point = lead & 0x1F;
    smallest = 0x80;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    size = 3;
    code_point = lead & 0x0F;
    smallest = 0x800;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    size = 4;
    code_point = lead & 0x07;
    smallest = 0x10000;
  } else {
    return {};
  }
  if (text.size() < size) return {};
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return {};
    code_point = code_point << 6 | (byte(i) & 0x3F);
  }
  const bool surrogate = code_point >= 0xD800 && code_point <= 0xDFFF;
  if (code_point < smallest || code_point > 0x10FFFF || surrogate) return {};
  return {code_point, size, true};
}

void AppendEscaped(std::string_view text, std::string* out) {
  while (!text.empty()) {
    const Utf8Character c = ReadUtf8Character(text);
    if (!c.valid) {
      out->append(kReplacementCharacter);
    } else if (c.code_point == '"' || c.code_point == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(c.code_point));
    } else if (c.code_point == '\n') {
      out->append("\\n");
    } else if (c.code_point == '\r') {
      out->append("\\r");
    } else if (c.code_point == '\t') {
      out->append("\\t");
    } else if (IsHarmful(c.code_point)) {
      char escape[7];
      std::snprintf(escape, sizeof(escape), "\\u%04x", c.code_point & 0xFFFF);
      out->append(escape);
    } else {
      out->append(text.substr(0, c.size));
    }
    text.remove_prefix(c.size);
  }
}

void AppendQuoted(std::string_view text, std::string* out) {
  out->push_back('"');
  AppendEscaped(text, out);
  out->push_back('"');
}

}  // namespace spanmeter
