// Writes values as TOML (https://toml.io/en/v1.0.0).

#ifndef SPANMETER_TOML_TEXT_H_
#define SPANMETER_TOML_TEXT_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace spanmeter {

// A key: bare where possible, else quoted.
std::string FormatKey(std::string_view key);

// A string that reads back as `value`: also protected from the replacement of ${NAME}.
std::string FormatString(std::string_view value);

// A float that reads back exactly: "0.002", "1.0", "inf".
std::string FormatNumber(double number);

// A list of values that are TOML already, in one line or one element a line.
std::string FormatList(const std::vector<std::string>& elements, bool one_a_line = false);

std::string FormatStringList(const std::vector<std::string>& strings);
std::string FormatStringTable(const std::map<std::string, std::string>& table);

}  // namespace spanmeter

#endif  // SPANMETER_TOML_TEXT_H_
