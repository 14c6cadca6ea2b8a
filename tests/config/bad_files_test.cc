// Every file in bad/ must be refused with exactly the messages of its .expected file.

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "spanmeter/config.h"

namespace spanmeter {
namespace {

namespace fs = std::filesystem;

const fs::path kDirectory = SPANMETER_BAD_CONFIGS;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// The environment of all these files.
std::optional<std::string> TestEnvironment(const std::string& name) {
  if (name == "EMPTY") return "";
  if (name == "NOT_UTF8") return "\xFF";
  return std::nullopt;
}

std::set<std::string> NamesWith(const std::string& extension) {
  std::set<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(kDirectory)) {
    if (entry.path().extension() == extension) names.insert(entry.path().stem());
  }
  return names;
}

TEST(BadFiles, ComeWithTheirMessages) {
  EXPECT_EQ(NamesWith(".toml"), NamesWith(".expected"));
  EXPECT_GE(NamesWith(".toml").size(), 20u);
  for (const fs::directory_entry& entry : fs::directory_iterator(kDirectory)) {
    const std::string extension = entry.path().extension();
    EXPECT_TRUE(extension == ".toml" || extension == ".expected") << entry.path();
  }
}

class BadFile : public ::testing::TestWithParam<std::string> {};

TEST_P(BadFile, IsRefusedWithExactlyItsMessages) {
  const std::string name = GetParam();
  const ConfigResult result = ParseConfig(ReadFile(kDirectory / (name + ".toml")), TestEnvironment);
  ASSERT_FALSE(result.problems.empty());
  EXPECT_EQ(FormatProblems(name + ".toml", result.problems),
            ReadFile(kDirectory / (name + ".expected")));
}

TEST_P(BadFile, IsRefusedWithoutRepeatingItsSecrets) {
  // In these files, whatever is a secret or may be one contains one of these.
  const std::string messages = ReadFile(kDirectory / (GetParam() + ".expected"));
  for (const char* secret : {"hunter", "h\xC3\xBCnter", "trunter", "1234567890"}) {
    // Names are shown; one of these is too long.
    if (GetParam() == "remote_write_names" && secret[0] == '1') continue;
    EXPECT_EQ(messages.find(secret), std::string::npos) << secret;
  }
}

INSTANTIATE_TEST_SUITE_P(Every, BadFile, ::testing::ValuesIn(NamesWith(".toml")),
                         [](const auto& param) { return param.param; });

}  // namespace
}  // namespace spanmeter
