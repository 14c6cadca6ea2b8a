// From Grafana Tempo's configuration to spanmeter's. All functions are thread-safe.

#ifndef SPANMETER_CONVERT_H_
#define SPANMETER_CONVERT_H_

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace spanmeter {

// A file that is larger is refused: far beyond what anybody configures.
inline constexpr size_t kMaxConvertBytes = size_t{8} << 20;

// A file as it was given: `name` is how messages call it.
struct ConvertFile {
  std::string name;
  std::string text;
};

struct Conversion {
  // The configuration, with what has no equivalent as comments at its end. Empty when a file cannot
  // be read.
  std::string toml;
  // What to know about it, for people: one remark a line, "file:line: key: ...". No secrets.
  std::string remarks;
  // Why `toml` is not valid or not there, in lines like these; empty when it is valid.
  std::string errors;
};

// Converts the file with Tempo's configuration and, if given, the one that its
// overrides.per_tenant_override_config names. Defaults that Tempo and spanmeter do not share are
// written out.
Conversion ConvertTempoConfig(const ConvertFile& config,
                              const std::optional<ConvertFile>& tenant_overrides);

// The options that Tempo has and their equivalents, as a table in Markdown with the columns
// `Tempo`, `spanmeter` and `remarks`.
std::string ConversionTable();

// Whether the text is YAML with parts that Tempo's configuration has.
bool LooksLikeTempoConfig(std::string_view text);

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_H_
