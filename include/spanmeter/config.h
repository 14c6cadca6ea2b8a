// The configuration file: TOML to Options, and back for --print-config.

#ifndef SPANMETER_CONFIG_H_
#define SPANMETER_CONFIG_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/options.h"

namespace spanmeter {

// One thing that is wrong with a configuration.
struct ConfigProblem {
  int line = 0;         // 1-based; 0 when it concerns the whole file
  std::string message;  // what is wrong, and what would be right
};

struct ConfigResult {
  Options options;                      // usable only when `problems` is empty
  std::vector<ConfigProblem> problems;  // all of them, by line
};

// Looks up an environment variable; nullopt when it is not set.
using Environment = std::function<std::optional<std::string>(const std::string& name)>;

// What the command line sets; it wins over the file.
struct ConfigOverrides {
  std::optional<std::string> storage_path;
};

// Parses and validates the text of a configuration file. Does not look at the files that it names.
ConfigResult ParseConfig(std::string_view toml, const Environment& environment);
// The same for the file at `path`, with the process's environment, in which HOSTNAME is always set:
// to the machine's name if nothing else says so. The files that remote write
// needs must be readable.
ConfigResult LoadConfig(const std::string& path, const ConfigOverrides& overrides = {});

// "file:line: message", one problem a line.
std::string FormatProblems(const std::string& path, const std::vector<ConfigProblem>& problems);

// The effective configuration as TOML that ParseConfig() accepts; secrets are replaced by
// "<secret>".
std::string PrintConfig(const Options& options);

// One option of a tenant as it is in force, and where it comes from.
struct EffectiveOption {
  std::string key;    // below [generator], as "span_metrics.dimensions"
  std::string value;  // as TOML
  enum class Source : uint8_t { kDefault, kGenerator, kTenant };
  // The innermost place whose value differs from what would hold without it.
  Source source = Source::kDefault;
};

// All options of a tenant, whether it has a table of its own or not, in the order of PrintConfig().
std::vector<EffectiveOption> DescribeTenantOptions(const Options& options,
                                                   const std::string& tenant);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_H_
