#include "app/flags.h"

#include <array>

#include "spanmeter/quote.h"
#include "spanmeter/suggestion.h"

namespace spanmeter {

namespace {

// A flag with a value: NAME=VALUE or NAME VALUE.
struct Setting {
  std::string_view name;
  std::string_view value;  // what the value is
  void (*set)(const std::string& value, Flags* flags);
  std::string_view help;
};
constexpr std::array<Setting, 2> kSettings = {{
    {"--config.file", "PATH",
     [](const std::string& value, Flags* flags) { flags->config_file = value; },
     "configuration (default /etc/spanmeter/spanmeter.toml)"},
    {"--storage.path", "DIR",
     [](const std::string& value, Flags* flags) { flags->overrides.storage_path = value; },
     "wins over the configuration's storage.path"},
}};

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
    return "unexpected argument " + Quoted(argument) +
           ": there are flags and the command convert, see --help";
  }
  const std::string name = argument.substr(0, argument.find('='));
  std::vector<std::string> known;
  for (const Setting& entry : kSettings) known.emplace_back(entry.name);
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
    bool is_known = false;
    for (const Switch& entry : kSwitches) {
      if (argument != entry.name) continue;
      flags.*entry.field = true;
      is_known = true;
    }
    for (const Setting& entry : kSettings) {
      const std::string name(entry.name);
      std::string value;
      if (argument.starts_with(name + "=")) {
        value = argument.substr(name.size() + 1);
      } else if (argument != name) {
        continue;
      } else if (i + 1 < arguments.size()) {
        value = arguments[++i];
      }
      if (value.empty()) {
        *error = "missing value: write " + name + "=" + std::string(entry.value);
        return std::nullopt;
      }
      entry.set(value, &flags);
      is_known = true;
      break;
    }
    if (!is_known) {
      *error = DescribeUnknown(argument);
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
      "       spanmeter convert TEMPO.YAML [OVERRIDES.YAML]\n"
      "\n";
  const auto append = [&text](const std::string& flag, std::string_view help) {
    constexpr size_t kColumn = 21;
    text.append("  ").append(flag).append(kColumn - flag.size(), ' ').append(help).append("\n");
  };
  for (const Setting& entry : kSettings) {
    append(std::string(entry.name).append("=").append(entry.value), entry.help);
  }
  for (const Switch& entry : kSwitches) append(std::string(entry.name), entry.help);
  text +=
      "\n"
      "Exit status: 0 after a stop by SIGTERM or SIGINT, 1 when it cannot start, 2 for wrong "
      "flags,\n"
      "3 when it gets no more memory.\n"
      "A second signal ends the process at once. SIGHUP reloads the configuration.\n"
      "\n"
      "spanmeter convert prints what a configuration of Grafana Tempo is for spanmeter; see\n"
      "spanmeter convert --help.\n";
  return text;
}

}  // namespace spanmeter
