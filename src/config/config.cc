#include "spanmeter/config.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <errno.h>
#include <memory>

#include "config/contradictions.h"
#include "config/keys.h"
#include "config/reader.h"

namespace spanmeter {

namespace {

// Returns 0 or an errno.
int ReadFile(const std::string& path, std::string* text) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "rb"), fclose);
  if (file == nullptr) return errno;
  char buffer[4096];
  while (const size_t size = fread(buffer, 1, sizeof(buffer), file.get())) {
    text->append(buffer, size);
  }
  // Opening a directory succeeds, reading it does not.
  return ferror(file.get()) != 0 ? errno : 0;
}

}  // namespace

ConfigResult ParseConfig(std::string_view toml, const Environment& environment) {
  ConfigResult result;
  ConfigReader reader(environment);
  if (const toml::table* document = reader.ParseDocument(toml)) {
    ReadTable({"", document}, AllConfigKeys(), &result.options, &reader, DescribeUnsupportedKey);
    CheckContradictions(&result.options, &reader);
  }
  result.problems = reader.TakeProblems();
  return result;
}

ConfigResult LoadConfig(const std::string& path) {
  std::string text;
  if (const int error = ReadFile(path, &text); error != 0) {
    ConfigResult result;
    result.problems.push_back({0, std::string("cannot read the file: ") + std::strerror(error)});
    return result;
  }
  return ParseConfig(text, [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
  });
}

std::string FormatProblems(const std::string& path, const std::vector<ConfigProblem>& problems) {
  std::string text;
  for (const ConfigProblem& problem : problems) {
    text.append(path).push_back(':');
    if (problem.line > 0) text.append(std::to_string(problem.line)).push_back(':');
    text.append(" ").append(problem.message).push_back('\n');
  }
  return text;
}

std::string PrintConfig(const Options& options) {
  std::string text;
  std::string section;
  for (const ConfigKey<Options>& key : AllConfigKeys()) {
    const size_t dot = key.name.rfind('.');
    if (key.name.substr(0, dot) != section) {
      section = key.name.substr(0, dot);
      if (!text.empty()) text.push_back('\n');
      text.append("[").append(section).append("]\n");
    }
    text.append(key.name.substr(dot + 1)).append(" = ").append(key.print(options)).push_back('\n');
  }
  return text;
}

}  // namespace spanmeter
