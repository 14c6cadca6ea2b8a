// The command line.

#ifndef SPANMETER_APP_FLAGS_H_
#define SPANMETER_APP_FLAGS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/config.h"

namespace spanmeter {

struct Flags {
  std::string config_file = "/etc/spanmeter/spanmeter.toml";
  ConfigOverrides overrides;
  bool check_config = false;
  bool print_config = false;
  bool version = false;
  bool help = false;
};

// Parses the arguments after the program's name. On failure returns nullopt and says in *error what
// would be right.
std::optional<Flags> ParseFlags(const std::vector<std::string>& arguments, std::string* error);

// What --help shows.
std::string HelpText();

}  // namespace spanmeter

#endif  // SPANMETER_APP_FLAGS_H_
