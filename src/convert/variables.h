// ${NAME} in Tempo's configuration, which it replaces by environment variables when it is started
// with -config.expand-env, and in strings of spanmeter's configuration.

#ifndef SPANMETER_CONVERT_VARIABLES_H_
#define SPANMETER_CONVERT_VARIABLES_H_

#include <optional>
#include <string>
#include <string_view>

namespace spanmeter {

struct VariableText {
  // As it has to stand in a string of spanmeter's configuration, before TOML's own escapes.
  std::string text;
  bool has_variable = false;
  // Whether the whole text is one variable.
  bool is_variable = false;
  // Whether a variable has a default, or something else that spanmeter does not know.
  bool has_default = false;
};

VariableText ConvertVariables(std::string_view text);

// The default of a text that is one variable with a default, ${NAME:-VALUE}.
std::optional<std::string> DefaultOfVariable(std::string_view text);

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_VARIABLES_H_
