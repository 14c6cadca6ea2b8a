// etc/spanmeter.toml is the documentation of the configuration: it must be complete and true.

#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/config.h"

#include "config/keys.h"

namespace spanmeter {
namespace {

std::vector<std::string> Lines() {
  std::ifstream file(SPANMETER_DEFAULT_CONFIG);
  EXPECT_TRUE(file) << SPANMETER_DEFAULT_CONFIG;
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// The lines that set something, by the key's full name. A table without keys of its own counts,
// too.
std::multimap<std::string, std::string> Settings() {
  std::multimap<std::string, std::string> settings;
  std::string section;
  for (const std::string& line : Lines()) {
    if (line.empty() || line[0] == '#') continue;
    if (line[0] == '[') {
      section = line.substr(1, line.size() - 2);
      settings.emplace(section, "{}");
      continue;
    }
    const size_t equals = line.find(" = ");
    settings.emplace(section + "." + line.substr(0, equals), line.substr(equals + 3));
  }
  return settings;
}

// Whether a line sets a key: `name = `.
bool IsSetting(const std::string& line) {
  const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.");
  return end != 0 && end != std::string::npos && line.substr(end).starts_with(" = ");
}

TEST(DefaultFile, MeansTheSameAsAnEmptyOne) {
  const ConfigResult result = LoadConfig(SPANMETER_DEFAULT_CONFIG);
  EXPECT_EQ(FormatProblems(SPANMETER_DEFAULT_CONFIG, result.problems), "");
  EXPECT_TRUE(result.options == Options()) << PrintConfig(result.options);
}

TEST(DefaultFile, SetsEveryKeyOnceToItsDefault) {
  const std::multimap<std::string, std::string> settings = Settings();
  for (const ConfigKey<Options>& key : AllConfigKeys()) {
    const auto [begin, end] = settings.equal_range(key.name);
    ASSERT_EQ(std::distance(begin, end), 1) << key.name;
    EXPECT_EQ(begin->second, key.print(Options())) << key.name;
  }
}

TEST(DefaultFile, ExplainsEveryKeyAndTable) {
  // A line is explained by the comment before it, or before the lines that it directly follows.
  bool is_explained = false;
  for (const std::string& line : Lines()) {
    if (line.empty()) {
      is_explained = false;
    } else if (line[0] == '#') {
      is_explained = true;
    } else if (line != "[log]" && line != "[otlp.grpc]") {
      EXPECT_TRUE(is_explained) << line;
    }
  }
}

TEST(DefaultFile, HasNoLineThatATerminalWouldWrap) {
  for (const std::string& line : Lines()) {
    if (line.starts_with("histogram_buckets")) continue;
    EXPECT_LE(line.size(), 116u) << line;
  }
}

TEST(DefaultFile, HasExamplesThatWork) {
  // The examples are comments indented by two; what they mention must be accepted.
  std::string examples;
  for (const std::string& line : Lines()) {
    const std::string text = line.starts_with("#   ") ? line.substr(4) : "";
    if (text.starts_with("[") || IsSetting(text)) {
      examples += text + "\n";
    } else if (text.starts_with("{name")) {
      examples += "[generator.span_metrics]\ndimension_mappings = [" + text + "]\n";
    }
  }
  examples += "[tenancy]\nenabled = true\n";
  EXPECT_THAT(examples, testing::HasSubstr("dimension_mappings"));
  EXPECT_THAT(examples, testing::HasSubstr("include = "));
  const ConfigResult result =
      ParseConfig(examples, [](const std::string&) { return std::nullopt; });
  EXPECT_EQ(FormatProblems("examples", result.problems), "");
  EXPECT_EQ(result.options.generator.span_metrics.filter_policies.size(), 1u);
  EXPECT_EQ(result.options.generator.relabel.size(), 2u);
  EXPECT_EQ(result.options.tenants.count("team-a"), 1u);
}

}  // namespace
}  // namespace spanmeter
