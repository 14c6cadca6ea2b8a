#include "spanmeter/toml_text.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "spanmeter/quote.h"

namespace spanmeter {

std::string FormatKey(std::string_view key) {
  const bool is_bare = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  return is_bare ? std::string(key) : Quoted(key);
}

std::string FormatString(std::string_view value) {
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value.substr(i, 2) == "${") text.push_back('$');
    text.push_back(value[i]);
  }
  return Quoted(text);
}

std::string FormatNumber(double number) {
  char buffer[32];
  const double magnitude = std::abs(number);
  // Where an exponent would only be shorter, not easier to read.
  const bool is_plain = number == 0 || (magnitude >= 1e-6 && magnitude < 1e15);
  char* const end =
      is_plain
          ? std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::fixed).ptr
          : std::to_chars(buffer, buffer + sizeof(buffer), number).ptr;
  std::string text(buffer, end);
  if (text.find_first_not_of("-0123456789") == std::string::npos) text += ".0";
  return text;
}

std::string FormatList(const std::vector<std::string>& elements, bool one_a_line) {
  std::string text = "[";
  for (const std::string& element : elements) {
    if (one_a_line) {
      text.append("\n  ").append(element).push_back(',');
    } else {
      if (text.size() > 1) text.append(", ");
      text.append(element);
    }
  }
  if (one_a_line && !elements.empty()) text.push_back('\n');
  text.push_back(']');
  return text;
}

std::string FormatStringList(const std::vector<std::string>& strings) {
  std::vector<std::string> elements;
  for (const std::string& text : strings) elements.push_back(FormatString(text));
  return FormatList(elements);
}

std::string FormatStringTable(const std::map<std::string, std::string>& table) {
  std::string text = "{";
  for (const auto& [key, value] : table) {
    if (text.size() > 1) text.append(", ");
    text.append(FormatKey(key)).append(" = ").append(FormatString(value));
  }
  text.push_back('}');
  return text;
}

}  // namespace spanmeter
