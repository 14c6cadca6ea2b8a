#include "app/flags.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::HasSubstr;

Flags Parse(const std::vector<std::string>& arguments) {
  std::string error;
  const std::optional<Flags> flags = ParseFlags(arguments, &error);
  EXPECT_TRUE(flags) << error;
  return flags.value_or(Flags());
}

std::string Error(const std::vector<std::string>& arguments) {
  std::string error;
  EXPECT_FALSE(ParseFlags(arguments, &error));
  return error;
}

TEST(Flags, AreAllOptional) {
  const Flags flags = Parse({});
  EXPECT_EQ(flags.config_file, "/etc/spanmeter/spanmeter.toml");
  EXPECT_FALSE(flags.check_config || flags.print_config || flags.version || flags.help);
}

TEST(Flags, TakeTheFileInOneOrTwoArguments) {
  EXPECT_EQ(Parse({"--config.file=a=b"}).config_file, "a=b");
  EXPECT_EQ(Parse({"--config.file", "a"}).config_file, "a");
  EXPECT_EQ(Parse({"--config.file=a", "--config.file=b"}).config_file, "b");
}

TEST(Flags, TakeTheDirectoryOfTheStorage) {
  EXPECT_EQ(Parse({}).overrides.storage_path, std::nullopt);
  EXPECT_EQ(Parse({"--storage.path=a=b"}).overrides.storage_path, "a=b");
  const Flags flags = Parse({"--storage.path", "a", "--config.file", "b", "--storage.path=c"});
  EXPECT_EQ(flags.overrides.storage_path, "c");
  EXPECT_EQ(flags.config_file, "b");
}

TEST(Flags, NeedADirectoryAfterStoragePath) {
  // Not even an empty one: a variable that is not set must not mean "in memory".
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"--storage.path"}, {"--storage.path="}, {"--storage.path", ""}}) {
    EXPECT_EQ(Error(arguments), "missing value: write --storage.path=DIR");
  }
}

TEST(Flags, SetWhatTheyName) {
  EXPECT_TRUE(Parse({"--check-config"}).check_config);
  EXPECT_TRUE(Parse({"--print-config"}).print_config);
  EXPECT_TRUE(Parse({"--version"}).version);
  EXPECT_TRUE(Parse({"--help"}).help);
  const Flags both = Parse({"--check-config", "--config.file=a", "--print-config"});
  EXPECT_TRUE(both.check_config && both.print_config);
  EXPECT_FALSE(both.version || both.help);
}

TEST(Flags, NeedAFileAfterConfigFile) {
  EXPECT_EQ(Error({"--config.file"}), "missing value: write --config.file=PATH");
  EXPECT_EQ(Error({"--config.file="}), "missing value: write --config.file=PATH");
  EXPECT_EQ(Error({"--config.file", ""}), "missing value: write --config.file=PATH");
}

TEST(Flags, SuggestWhatAnUnknownOneMayMean) {
  EXPECT_THAT(Error({"--config-file=a"}), HasSubstr("did you mean --config.file?"));
  EXPECT_THAT(Error({"--chek-config"}), HasSubstr("did you mean --check-config?"));
  EXPECT_THAT(Error({"--storage-path=a"}), HasSubstr("did you mean --storage.path?"));
  EXPECT_THAT(Error({"-version"}), HasSubstr("did you mean --version?"));
  EXPECT_EQ(Error({"--listen=:1"}), "unknown flag \"--listen\": see --help");
}

TEST(Flags, RefuseValuesOfSwitchesAndOtherArguments) {
  EXPECT_EQ(Error({"--version=1"}), "unexpected value: write --version alone");
  EXPECT_EQ(Error({"etc/spanmeter.toml"}),
            "unexpected argument \"etc/spanmeter.toml\": there are flags and the command convert, "
            "see --help");
  EXPECT_THAT(Error({""}), HasSubstr("unexpected argument \"\""));
}

TEST(HelpText, MentionsEveryFlag) {
  for (const char* flag : {"--config.file=PATH", "--storage.path=DIR", "--check-config",
                           "--print-config", "--version", "--help"}) {
    EXPECT_THAT(HelpText(), HasSubstr(std::string("\n  ") + flag + " "));
  }
  EXPECT_THAT(HelpText(), HasSubstr("/etc/spanmeter/spanmeter.toml"));
}

TEST(HelpText, MentionsTheCommandConvert) {
  EXPECT_THAT(HelpText(), HasSubstr("\n       spanmeter convert TEMPO.YAML [OVERRIDES.YAML]\n"));
}

}  // namespace
}  // namespace spanmeter
