// `spanmeter convert`: from Tempo's configuration to spanmeter's.

#ifndef SPANMETER_APP_CONVERT_COMMAND_H_
#define SPANMETER_APP_CONVERT_COMMAND_H_

#include <string>
#include <string_view>
#include <vector>

namespace spanmeter {

inline constexpr std::string_view kConvertCommand = "convert";

// What a command says, and how the process exits.
struct CommandResult {
  int exit_status = 0;
  std::string output;  // for standard output
  std::string errors;  // for standard error
};

// Runs the command with the arguments after its name. Reads the files that they name.
CommandResult RunConvert(const std::vector<std::string>& arguments);

// A line that leads whoever gave Tempo's configuration as spanmeter's to the command, or an empty
// text when the file at `path` is something else.
std::string DescribeTempoConfig(const std::string& path);

}  // namespace spanmeter

#endif  // SPANMETER_APP_CONVERT_COMMAND_H_
