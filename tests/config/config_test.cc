#include "spanmeter/config.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <unistd.h>
#include <variant>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

std::optional<std::string> TestEnvironment(const std::string& name) {
  static const std::map<std::string, std::string> kVariables = {
      {"HOST", "127.0.0.1"}, {"PORT", "1"}, {"EMPTY", ""}, {"NESTED", "${HOST}"}, {"_a1", "x"}};
  const auto it = kVariables.find(name);
  return it == kVariables.end() ? std::nullopt : std::optional(it->second);
}

Options Parse(std::string_view toml) {
  const ConfigResult result = ParseConfig(toml, TestEnvironment);
  EXPECT_EQ(FormatProblems("test", result.problems), "");
  return result.options;
}

std::string Problems(std::string_view toml) {
  return FormatProblems("f", ParseConfig(toml, TestEnvironment).problems);
}

TEST(Config, AnEmptyFileMeansTheDefaults) {
  EXPECT_TRUE(Parse("") == Options());
  EXPECT_TRUE(Parse("\xEF\xBB\xBF[log]\r\nlevel = \"info\"\r\n") == Options());
}

TEST(Config, FillsEveryKindOfValue) {
  const Options options = Parse(R"(
    log = {level = "warn", format = "json"}
    otlp.grpc.max_message_size = "1KiB"
    [http]
    openmetrics_created = true
    [generator]
    max_active_series = 1000
    stale_duration = "1h30m"
    max_span_multiplier = 5
    external_labels.cluster = "eu"
    [generator.span_metrics]
    dimensions = ["a", "b"]
    intrinsic_dimensions.status_message = true
  )");
  EXPECT_EQ(options.log.level, LogLevel::kWarn);
  EXPECT_EQ(options.log.format, LogFormat::kJson);
  EXPECT_EQ(options.otlp_grpc.max_message_size, 1'024u);
  EXPECT_TRUE(options.http.openmetrics_created);
  EXPECT_EQ(options.generator.max_active_series, 1'000u);
  EXPECT_EQ(options.generator.stale_duration, int64_t{5'400} * 1'000'000'000);
  EXPECT_EQ(options.generator.max_span_multiplier, 5);
  EXPECT_THAT(options.generator.external_labels, ElementsAre(Pair("cluster", "eu")));
  EXPECT_THAT(options.generator.span_metrics.dimensions,
              ElementsAre(Dimension{"a"}, Dimension{"b"}));
  EXPECT_TRUE(options.generator.span_metrics.intrinsic_dimensions.status_message);
  EXPECT_TRUE(options.generator.span_metrics.intrinsic_dimensions.service);
}

TEST(Config, AcceptsTheEndsOfRanges) {
  const Options options = Parse(R"(
    [otlp.grpc]
    max_message_size = "256MiB"
    max_in_flight = "256MiB"
    [generator]
    stale_duration = "30d"
    ingestion_time_range_slack = "100y"
    max_span_multiplier = 1
  )");
  EXPECT_EQ(options.otlp_grpc.max_in_flight, uint64_t{256} << 20);
  EXPECT_EQ(Parse("generator.stale_duration = \"1s\"").generator.stale_duration, 1'000'000'000);
  EXPECT_EQ(
      Parse("generator.ingestion_time_range_slack = \"0\"").generator.ingestion_time_range_slack,
      0);
}

TEST(Config, ReplacesEnvironmentVariablesInStrings) {
  EXPECT_EQ(Parse("http.listen = \"${HOST}:${PORT}\"").http.listen, "127.0.0.1:1");
  const auto label = [](const std::string& text) {
    return Parse("generator.external_labels.a = \"" + text + "\"").generator.external_labels["a"];
  };
  EXPECT_EQ(label("x${EMPTY}y${_a1}"), "xyx");
  EXPECT_EQ(label("$${HOST}"), "${HOST}");
  EXPECT_EQ(label("$$${HOST}"), "$${HOST}");
  EXPECT_EQ(label("$ $$ $HOST {HOST} $"), "$ $$ $HOST {HOST} $");
  EXPECT_EQ(label("${NESTED}"), "${HOST}");
}

TEST(Config, ReplacesEnvironmentVariablesBeforeSizesAndNamesAreRead) {
  EXPECT_EQ(Parse("otlp.grpc.max_message_size = \"${PORT}MiB\"").otlp_grpc.max_message_size,
            uint64_t{1} << 20);
  EXPECT_THAT(Problems("log.level = \"${HOST}\""),
              HasSubstr("log.level = \"127.0.0.1\" is unknown"));
}

TEST(Config, RefusesBrokenReferencesToVariables) {
  for (const char* text :
       {"${}", "${", "${A", "${1A}", "${A B}", "${A:-b}", "$ ${", "${${HOST}}"}) {
    EXPECT_THAT(Problems("generator.external_labels.a = \"" + std::string(text) + "\""),
                HasSubstr("write $${ for a literal ${"))
        << text;
  }
}

TEST(Config, TheWholeProcessorWinsOverItsParts) {
  const auto parse = [](const std::string& list) {
    return Parse("generator.processors = " + list).generator.processors;
  };
  EXPECT_EQ(parse("[\"span-metrics\"]"), (ProcessorSelection{true, true, true}));
  EXPECT_EQ(parse("[\"span-metrics-count\"]"), (ProcessorSelection{true, false, false}));
  EXPECT_EQ(parse("[\"span-metrics-size\", \"span-metrics-latency\"]"),
            (ProcessorSelection{false, true, true}));
  EXPECT_EQ(parse("[\"span-metrics-count\", \"span-metrics\"]"),
            (ProcessorSelection{true, true, true}));
  EXPECT_EQ(parse("[]"), (ProcessorSelection{false, false, false}));
}

TEST(Config, SortsBucketsAndLeavesOutInfinity) {
  const auto parse = [](const std::string& list) {
    return Parse("generator.span_metrics.histogram_buckets = " + list)
        .generator.span_metrics.histogram_buckets;
  };
  EXPECT_THAT(parse("[1, 0.5, inf, 2.5]"), ElementsAre(0.5, 1, 2.5));
  EXPECT_THAT(parse("[]"), IsEmpty());
}

TEST(Config, KeepsTheTypesOfFilterValues) {
  const Options options = Parse(R"(
    [[generator.span_metrics.filter_policies]]
    include = {match_type = "strict", attributes = [
      {key = "span.a", value = "1"}, {key = "span.b", value = 1}, {key = "span.c", value = 1.0},
      {key = "span.d", value = true}]}
    [[generator.span_metrics.filter_policies]]
    exclude.match_type = "regex"
  )");
  const auto& policies = options.generator.span_metrics.filter_policies;
  ASSERT_EQ(policies.size(), 2u);
  ASSERT_TRUE(policies[0].include);
  EXPECT_FALSE(policies[0].include_any);
  EXPECT_FALSE(policies[0].exclude);
  const auto& attributes = policies[0].include->attributes;
  ASSERT_EQ(attributes.size(), 4u);
  EXPECT_EQ(attributes[0].key, "span.a");
  EXPECT_EQ(std::get<std::string>(attributes[0].value), "1");
  EXPECT_EQ(std::get<int64_t>(attributes[1].value), 1);
  EXPECT_EQ(std::get<double>(attributes[2].value), 1.0);
  EXPECT_EQ(std::get<bool>(attributes[3].value), true);
  ASSERT_TRUE(policies[1].exclude);
  EXPECT_EQ(policies[1].exclude->match_type, FilterMatch::Type::kRegex);
  EXPECT_THAT(policies[1].exclude->attributes, IsEmpty());
}

TEST(Config, ReadsDimensionMappings) {
  const Options options = Parse(R"(
    [[generator.span_metrics.dimension_mappings]]
    name = "route"
    source_labels = ["http.method", "http.route"]
    join = " "
    [[generator.span_metrics.dimension_mappings]]
    name = "other"
    source_labels = ["x"]
  )");
  EXPECT_THAT(options.generator.span_metrics.dimension_mappings,
              ElementsAre(DimensionMapping{"route", {"http.method", "http.route"}, " "},
                          DimensionMapping{"other", {"x"}, ""}));
}

TEST(Config, IsWithoutTlsWhenAllItsFilesAreEmpty) {
  EXPECT_FALSE(Parse("[otlp.grpc.tls]").otlp_grpc.tls);
  EXPECT_FALSE(Parse("otlp.grpc.tls = {cert_file = \"\", key_file = \"\"}").otlp_grpc.tls);
  const auto tls = Parse("otlp.grpc.tls = {cert_file = \"c\", key_file = \"k\"}").otlp_grpc.tls;
  EXPECT_EQ(tls, (ServerTlsOptions{"c", "k", ""}));
}

TEST(Config, LetsTheSystemChooseBothPorts) {
  Parse("http.listen = \"127.0.0.1:0\"\notlp.grpc.listen = \"127.0.0.1:0\"");
  Parse("http.listen = \"127.0.0.1:5\"\notlp.grpc.listen = \"127.0.0.2:5\"");
}

TEST(Config, ReportsAllProblemsInTheOrderOfTheFile) {
  EXPECT_EQ(Problems("[log]\nlevel = 1\n[http]\nlisten = 2\nx = 3\n[generator]\nstale_duration=4"),
            "f:2: log.level must be a string, but is an integer\n"
            "f:4: http.listen must be a string, but is an integer\n"
            "f:5: unknown key http.x: known here are listen, openmetrics_created, "
            "enable_lifecycle, admin_from_anywhere, users, tokens and tls\n"
            "f:7: generator.stale_duration must be a duration in a string, like \"15s\", but is an "
            "integer\n");
}

TEST(Config, NamesTheLineOfAnElementInALongList) {
  EXPECT_THAT(Problems("[generator.span_metrics]\ndimensions = [\n\"a\",\n\n# comment\n\"\",\n]"),
              HasSubstr("f:6: generator.span_metrics.dimensions[1]: "));
}

TEST(Config, NamesTheLineOfWhatEnclosesAMissingKey) {
  EXPECT_EQ(Problems("\n[[generator.span_metrics.dimension_mappings]]\nname = \"x\"\n"),
            "f:2: generator.span_metrics.dimension_mappings[0] has no source_labels: add it\n");
}

TEST(Config, DoesNotReportConsequencesOfAProblem) {
  // The missing name and the list of a wrong type would be no valid mapping either.
  EXPECT_EQ(
      Problems("[[generator.span_metrics.dimension_mappings]]\nname = 1\nsource_labels = 2"),
      "f:2: generator.span_metrics.dimension_mappings[0].name must be a string, but is an "
      "integer\n"
      "f:3: generator.span_metrics.dimension_mappings[0].source_labels must be a list, but is "
      "an integer\n");
  // How the two sizes compare is not known before both can be read.
  EXPECT_EQ(Problems("[otlp.grpc]\nmax_in_flight = \"1MiB\"\nmax_message_size = 1"),
            "f:3: otlp.grpc.max_message_size must be a size in a string, like \"16MiB\", but is an "
            "integer\n");
}

TEST(Config, ReportsAContradictionWithADefaultWhereTheFileCausesIt) {
  EXPECT_THAT(Problems("[otlp.grpc]\nmax_message_size = \"65MiB\""),
              HasSubstr("f:2: otlp.grpc.max_in_flight = \"64MiB\" is smaller than"));
  EXPECT_THAT(Problems("[otlp.grpc]\nlisten = \"0.0.0.0:9797\""),
              HasSubstr("f:2: http.listen = \"0.0.0.0:9797\" is taken by"));
}

class LoadConfigTest : public ::testing::Test {
 protected:
  LoadConfigTest()
      : path_(std::filesystem::temp_directory_path() /
              ("spanmeter_config_test_" + std::to_string(getpid()))) {}
  ~LoadConfigTest() override { std::filesystem::remove_all(path_); }
  std::string Load() { return FormatProblems("f", LoadConfig(path_).problems); }
  const std::filesystem::path path_;
};

TEST_F(LoadConfigTest, ReadsTheFileWithTheEnvironmentOfTheProcess) {
  ASSERT_EQ(setenv("SPANMETER_TEST_LEVEL", "debug", 1), 0);
  std::ofstream(path_) << "log.level = \"${SPANMETER_TEST_LEVEL}\"\n";
  const ConfigResult result = LoadConfig(path_);
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.options.log.level, LogLevel::kDebug);
  ASSERT_EQ(unsetenv("SPANMETER_TEST_LEVEL"), 0);
  EXPECT_EQ(Load(),
            "f:1: log.level refers to the environment variable SPANMETER_TEST_LEVEL, which is not "
            "set\n");
}

TEST_F(LoadConfigTest, SaysWhyAFileCannotBeRead) {
  EXPECT_EQ(Load(), "f: cannot read the file: No such file or directory\n");
  std::filesystem::create_directory(path_);
  EXPECT_EQ(Load(), "f: cannot read the file: Is a directory\n");
}

TEST_F(LoadConfigTest, AcceptsAnEmptyFile) {
  std::ofstream(path_) << "";
  EXPECT_EQ(Load(), "");
}

}  // namespace
}  // namespace spanmeter
