// Any bytes as Tempo's configuration and the overrides of its tenants: no crash, everything that is
// said stands in lines of its own, and what is said to be valid is.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "spanmeter/config.h"
#include "spanmeter/convert.h"

namespace {

// Between the two files.
constexpr std::string_view kSeparator = "\n%%\n";

// Whether each line begins with the name of a file, or counts those left out.
bool AreLines(std::string_view text) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return false;
    const std::string_view line = text.substr(0, end);
    if (!line.starts_with("t.yaml") && !line.starts_with("o.yaml") && !line.starts_with("and ")) {
      return false;
    }
    text.remove_prefix(end + 1);
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t separator = text.find(kSeparator);
  std::optional<spanmeter::ConvertFile> overrides;
  if (separator != std::string_view::npos) {
    overrides = {"o.yaml", std::string(text.substr(separator + kSeparator.size()))};
  }
  const spanmeter::Conversion conversion =
      spanmeter::ConvertTempoConfig({"t.yaml", std::string(text.substr(0, separator))}, overrides);
  if (!AreLines(conversion.remarks) || !AreLines(conversion.errors)) abort();
  // The values of variables decide about the rest.
  if (!conversion.errors.empty() || text.find("${") != std::string_view::npos) return 0;
  const spanmeter::ConfigResult result = spanmeter::ParseConfig(
      conversion.toml, [](const std::string&) { return std::optional<std::string>("1"); });
  if (!result.problems.empty()) abort();
  return 0;
}
