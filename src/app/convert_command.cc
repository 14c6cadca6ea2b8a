#include "app/convert_command.h"

#include <cstring>
#include <optional>

#include "spanmeter/convert.h"
#include "spanmeter/quote.h"
#include "spanmeter/read_file.h"

namespace spanmeter {

namespace {

constexpr int kExitCannotConvert = 1;
constexpr int kExitWrongUsage = 2;

constexpr const char* kHelp =
    "Prints the configuration of spanmeter that does what a configuration of Grafana Tempo does.\n"
    "\n"
    "Usage: spanmeter convert TEMPO.YAML [OVERRIDES.YAML]\n"
    "       spanmeter convert --table\n"
    "\n"
    "OVERRIDES.YAML is the file that overrides.per_tenant_override_config names. What has no\n"
    "equivalent is said on standard error, and in comments at the end of the output.\n"
    "\n"
    "  --table              print the options of Tempo and their equivalents as Markdown, and "
    "exit\n"
    "  --help               print this text, and exit\n"
    "\n"
    "Exit status: 0 also when something has no equivalent, 1 when a file cannot be read or the\n"
    "result is not valid, 2 for wrong usage.\n";

CommandResult WrongUsage(const std::string& what) {
  return {kExitWrongUsage, "",
          "spanmeter convert: " + what +
              ": write spanmeter convert TEMPO.YAML [OVERRIDES.YAML], or see spanmeter convert "
              "--help\n"};
}

// Returns nullopt and says why in *error.
std::optional<ConvertFile> ReadConvertFile(const std::string& path, std::string* error) {
  ConvertFile read = {path, ""};
  // One byte more than a configuration may have, which says so itself.
  const int failure = ReadFile(path, &read.text, kMaxConvertBytes + 1);
  if (failure == 0) return read;
  AppendEscaped(path, error);
  error->append(": cannot read the file: ").append(std::strerror(failure)).push_back('\n');
  return std::nullopt;
}

}  // namespace

CommandResult RunConvert(const std::vector<std::string>& arguments) {
  std::vector<std::string> paths;
  for (const std::string& argument : arguments) {
    if (argument == "--help") return {0, kHelp, ""};
    if (argument == "--table") {
      if (arguments.size() > 1) return WrongUsage("--table stands alone");
      return {0, ConversionTable(), ""};
    }
    if (argument.starts_with("-")) return WrongUsage("unknown flag " + Quoted(argument));
    paths.push_back(argument);
  }
  if (paths.empty()) return WrongUsage("no file");
  if (paths.size() > 2) return WrongUsage("too many files");

  CommandResult result;
  const std::optional<ConvertFile> config = ReadConvertFile(paths[0], &result.errors);
  std::optional<ConvertFile> overrides;
  if (paths.size() > 1) overrides = ReadConvertFile(paths[1], &result.errors);
  if (result.errors.empty()) {
    const Conversion conversion = ConvertTempoConfig(*config, overrides);
    result.output = conversion.toml;
    result.errors = conversion.remarks + conversion.errors;
    if (conversion.errors.empty()) return result;
  }
  result.exit_status = kExitCannotConvert;
  return result;
}

std::string DescribeTempoConfig(const std::string& path) {
  std::string error;
  const std::optional<ConvertFile> file = ReadConvertFile(path, &error);
  if (!file) return "";
  const bool is_yaml = path.ends_with(".yaml") || path.ends_with(".yml");
  if (!is_yaml && !LooksLikeTempoConfig(file->text)) return "";
  std::string text;
  AppendEscaped(path, &text);
  text.append(": this looks like Tempo's configuration: spanmeter convert ");
  AppendEscaped(path, &text);
  return text.append(" prints what it is for spanmeter\n");
}

}  // namespace spanmeter
