#include "app/flags.h"

#include <array>

#include "spanmeter/quote.h"
#include "spanmeter/suggestion.h"

namespace spanmeter {

namespace {

constexpr std::string_view kConfigFile = "--config.file";

// A flag without a value.
struct Switch {
  std::string_view name;
  bool Flags::*field;
  std::string_view help;
};
constexpr std::array<Switch, 4> kSwitches = {{
    {"--check-config", &Flags::check_config, "say what is wrong with the file, and exit"},
    {"--print-config", &Flags::print_config, "print the configuration in effect, and exit"},
    {"--version", &Flags::version, "print the version, and exit"},
    {"--help", &Flags::help, "print this text, and exit"},
}};

std::string DescribeUnknown(const std::string& argument) {
  if (!argument.starts_with("-")) {
    return "unexpected argument " + Quoted(argument) + ": there are flags only, see --help";
  }
  const std::string name = argument.substr(0, argument.find('='));
  std::vector<std::string> known = {std::string(kConfigFile)};
  for (const Switch& entry : kSwitches) {
    if (name == entry.name) return "unexpected value: write " + name + " alone";
    known.emplace_back(entry.name);
  }
  const std::string suggestion = Suggest(name, known);
  return "unknown flag " + Quoted(name) + ": " +
         (suggestion.empty() ? "see --help" : "did you mean " + suggestion + "?");
}

}  // namespace

std::optional<Flags> ParseFlags(const std::vector<std::string>& arguments, std::string* error) {
  Flags flags;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    bool is_switch = false;
    for (const Switch& entry : kSwitches) {
      if (argument != entry.name) continue;
      flags.*entry.field = true;
      is_switch = true;
    }
    if (is_switch) continue;
    if (argument == kConfigFile && i + 1 < arguments.size()) {
      flags.config_file = arguments[++i];
    } else if (argument.starts_with(std::string(kConfigFile) + "=")) {
      flags.config_file = argument.substr(kConfigFile.size() + 1);
    } else if (argument == kConfigFile) {
      flags.config_file.clear();
    } else {
      *error = DescribeUnknown(argument);
      return std::nullopt;
    }
    if (flags.config_file.empty()) {
      *error = "missing value: write " + std::string(kConfigFile) + "=PATH";
      return std::nullopt;
    }
  }
  return flags;
}

std::string HelpText() {
  std::string text =
      "spanmeter receives OpenTelemetry spans and serves Prometheus metrics derived from them.\n"
      "\n"
      "Usage: spanmeter [flags]\n"
      "\n"
      "  --config.file=PATH   configuration (default " +
      Flags().config_file + ")\n";
  for (const Switch& entry : kSwitches) {
    text.append("  ").append(entry.name);
    text.append(21 - entry.name.size(), ' ').append(entry.help).append("\n");
  }
  text +=
      "\n"
      "Exit status: 0 after a stop by SIGTERM or SIGINT, 1 when it cannot start, 2 for wrong "
      "flags.\n"
      "A second signal ends the process at once. SIGHUP reloads the configuration.\n";
  return text;
}

}  // namespace spanmeter
