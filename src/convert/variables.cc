#include "convert/variables.h"

#include <algorithm>
#include <cstddef>

namespace spanmeter {

namespace {

// A variable that a text begins with.
struct Variable {
  size_t size = 0;  // in the text, from $ to }; 0: there is none
  std::string_view name;
  std::string_view rest;  // what stands between the name and the }
};

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

Variable ReadVariable(std::string_view text) {
  if (!text.starts_with("${")) return {};
  size_t pos = 2;
  while (pos < text.size() && IsNameCharacter(text[pos])) ++pos;
  Variable variable;
  variable.name = text.substr(2, pos - 2);
  const bool is_name =
      !variable.name.empty() && !(variable.name[0] >= '0' && variable.name[0] <= '9');
  if (!is_name) return {};
  const size_t rest = pos;
  // A default may have variables of its own.
  for (int depth = 1; pos < text.size(); ++pos) {
    if (text[pos] == '{') ++depth;
    if (text[pos] == '}' && --depth == 0) {
      variable.rest = text.substr(rest, pos - rest);
      variable.size = pos + 1;
      return variable;
    }
  }
  return {};
}

}  // namespace

VariableText ConvertVariables(std::string_view text) {
  VariableText result;
  for (size_t pos = 0; pos < text.size();) {
    const std::string_view rest = text.substr(pos);
    if (rest.starts_with("$${")) {
      result.text.append("$${");
      pos += 3;
      continue;
    }
    const Variable variable = ReadVariable(rest);
    if (variable.size != 0) {
      result.text.append("${").append(variable.name).push_back('}');
      result.has_variable = true;
      result.is_variable = variable.size == text.size();
      result.has_default |= !variable.rest.empty();
      pos += variable.size;
      continue;
    }
    if (rest.starts_with("${")) result.text.push_back('$');
    result.text.push_back(rest[0]);
    ++pos;
  }
  return result;
}

std::optional<std::string> DefaultOfVariable(std::string_view text) {
  const Variable variable = ReadVariable(text);
  if (variable.size == 0 || variable.size != text.size()) return std::nullopt;
  std::string_view rest = variable.rest;
  if (rest.starts_with(":")) rest.remove_prefix(1);
  if (rest.starts_with("-") || rest.starts_with("=")) rest.remove_prefix(1);
  if (rest.size() == variable.rest.size()) return std::nullopt;
  return std::string(rest);
}

}  // namespace spanmeter
