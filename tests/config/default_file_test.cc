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
  const size_t end = line.find_first_not_of("abcdefghijklmnopqrstuvwxyz_.0123456789");
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
    if (key.name == "remote_write" || key.name == "forward") continue;  // examples, see below
    const auto [begin, end] = settings.equal_range(key.name);
    ASSERT_EQ(std::distance(begin, end), 1) << key.name;
    EXPECT_EQ(begin->second, key.print(Options())) << key.name;
  }
}

// The example of a list of receivers, without the marks of comments.
std::vector<std::string> ExampleOf(const std::string& list) {
  std::vector<std::string> example;
  bool is_inside = false;
  for (const std::string& line : Lines()) {
    if (line == "#   [[" + list + "]]") is_inside = true;
    if (line.empty()) is_inside = false;
    if (is_inside) example.push_back(line.starts_with("#   ") ? line.substr(4) : line);
  }
  return example;
}

// The settings in it, by the names of their keys.
std::multimap<std::string, std::string> SettingsOf(const std::string& list) {
  std::multimap<std::string, std::string> settings;
  std::string section;
  for (const std::string& line : ExampleOf(list)) {
    const std::string header = "[" + list + ".";
    if (line.starts_with(header)) {
      section = line.substr(header.size(), line.size() - header.size() - 1) + ".";
    } else if (IsSetting(line)) {
      const size_t equals = line.find(" = ");
      settings.emplace(section + line.substr(0, equals), line.substr(equals + 3));
    }
  }
  return settings;
}

// Each key stands there once with its default; `address` has none.
template <typename T>
void ExpectDefaults(const std::string& list, const ConfigKeys<T>& keys,
                    const std::string& address) {
  const std::multimap<std::string, std::string> settings = SettingsOf(list);
  size_t expected = 0;
  for (const ConfigKey<T>& key : keys) {
    // These are shown by the next test.
    const bool is_absent = key.is_absent && key.is_absent(T());
    const auto [begin, end] = settings.equal_range(key.name);
    ASSERT_EQ(std::distance(begin, end), is_absent ? 0 : 1) << key.name;
    expected += is_absent ? 0 : 1;
    if (is_absent || key.name == address) continue;
    EXPECT_EQ(begin->second, key.print(T())) << key.name;
  }
  EXPECT_EQ(settings.size(), expected);
}

TEST(DefaultFile, SetsEveryKeyOfRemoteWriteOnceToItsDefault) {
  ExpectDefaults("remote_write", RemoteWriteKeys(), "url");
}

TEST(DefaultFile, SetsEveryKeyOfForwardOnceToItsDefault) {
  ExpectDefaults("forward", ForwardKeys(), "endpoint");
}

TEST(DefaultFile, ShowsEveryTableThatIsAbsentByDefault) {
  std::string example;
  std::map<std::string, std::string> tables;
  for (const std::string& line : ExampleOf("remote_write")) {
    example += line + "\n";
    const std::string text = line.starts_with("  ") ? line.substr(2) : "";
    if (IsSetting(text)) tables[text.substr(0, text.find(' '))] = text;
  }
  for (const ConfigKey<RemoteWriteOptions>& key : RemoteWriteKeys()) {
    if (!key.is_absent) continue;
    ASSERT_EQ(tables.count(key.name), 1u) << key.name;
    const ConfigResult result =
        ParseConfig("[[remote_write]]\nurl = \"http://a\"\n" + tables[key.name],
                    [](const std::string&) { return "value"; });
    EXPECT_EQ(FormatProblems(key.name, result.problems), "");
    for (const std::string& inner : key.inner_names) {
      EXPECT_THAT(example, testing::HasSubstr(inner)) << key.name;
    }
  }
  EXPECT_EQ(tables.size(), 3u);
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
  EXPECT_EQ(result.options.http.users.size(), 1u);
  EXPECT_EQ(result.options.http.tokens.size(), 1u);
  EXPECT_EQ(result.options.otlp_grpc.tokens.size(), 1u);
  ASSERT_EQ(result.options.remote_write.size(), 1u);
  RemoteWriteOptions receiver;
  receiver.url = "https://mimir.example.com/api/v1/push";
  receiver.name = "mimir.example.com/api/v1/push";
  EXPECT_TRUE(result.options.remote_write[0] == receiver) << PrintConfig(result.options);
  ASSERT_EQ(result.options.forward.size(), 1u);
  ForwardOptions backend;
  backend.endpoint = "http://tempo.example.com:4317";
  backend.name = "tempo.example.com:4317";
  EXPECT_TRUE(result.options.forward[0] == backend) << PrintConfig(result.options);
}

}  // namespace
}  // namespace spanmeter
