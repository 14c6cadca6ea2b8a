// Any bytes as a configuration file: no crash, every problem has a message in one line, and what is
// accepted reads back from its printed form.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "spanmeter/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const spanmeter::Environment environment =
      [](const std::string& name) -> std::optional<std::string> {
    return name == "A" ? std::optional<std::string>("1") : std::nullopt;
  };
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const spanmeter::ConfigResult result = spanmeter::ParseConfig(text, environment);
  for (const spanmeter::ConfigProblem& problem : result.problems) {
    if (problem.message.empty() || problem.message.find('\n') != std::string::npos) abort();
  }
  if (!result.problems.empty()) return 0;
  const std::string printed = spanmeter::PrintConfig(result.options);
  const spanmeter::ConfigResult again = spanmeter::ParseConfig(printed, environment);
  if (!again.problems.empty() || spanmeter::PrintConfig(again.options) != printed) abort();
  return 0;
}
