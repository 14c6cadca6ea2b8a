#include <limits>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/config.h"

namespace spanmeter {
namespace {

using ::testing::HasSubstr;

ConfigResult ParseAgain(const Options& options) {
  return ParseConfig(PrintConfig(options), [](const std::string&) { return std::nullopt; });
}

void ExpectRoundTrip(const Options& options) {
  const ConfigResult again = ParseAgain(options);
  const std::string printed = PrintConfig(options);
  ASSERT_EQ(FormatProblems("printed", again.problems), "") << printed;
  EXPECT_TRUE(again.options == options) << printed;
}

// Differs from the defaults in every key.
Options Unusual() {
  Options options;
  options.log = {LogLevel::kDebug, LogFormat::kJson};
  options.otlp_grpc.listen = "[::1]:1";
  options.otlp_grpc.max_message_size = 1'025;
  options.otlp_grpc.max_in_flight = 1'026;
  options.otlp_grpc.tls = ServerTlsOptions{"/a", "/b \"quoted\"", "/c\\"};
  options.http = {"localhost:2", true};
  GeneratorOptions& generator = options.generator;
  generator.processors = {true, false, true};
  generator.inject_tenant_id_as = "tenant";
  generator.external_labels = {
      {"a", "${NOT_A_VARIABLE} $${ $"}, {"b", ""}, {"c", "\n\x01\xC3\xA9"}};
  generator.max_active_series = 1;
  generator.max_active_entities = 2;
  generator.limiter_type = LimiterType::kEntity;
  generator.stale_duration = 1'000'000'001;
  generator.ingestion_time_range_slack = 0;
  generator.max_label_name_length = 0;
  generator.max_label_value_length = 3;
  generator.trace_id_label_name = "trace_id";
  generator.max_span_multiplier = 1e300;
  generator.disable_collection = true;
  SpanMetricsOptions& span_metrics = generator.span_metrics;
  span_metrics.histogram_buckets = {-1, 0, 1e-9, 0.1, 1.0 / 3, 1e21};
  span_metrics.dimensions = {"http.method", "x\"y"};
  span_metrics.dimension_mappings = {{"route", {"a", "b"}, " "}, {"other", {"c"}, ""}};
  span_metrics.enable_target_info = true;
  span_metrics.target_info_excluded_dimensions = {"host.name"};
  span_metrics.enable_instance_label = false;
  span_metrics.span_multiplier_key = "ratio";
  span_metrics.enable_tracestate_span_multiplier = true;
  span_metrics.intrinsic_dimensions = {false, false, false, false, true};
  FilterMatch strict;
  strict.attributes = {{"span.text", "1"},
                       {"span.int", std::numeric_limits<int64_t>::min()},
                       {"span.double", 1.0},
                       {"span.infinite", -std::numeric_limits<double>::infinity()},
                       {"span.\"http.method\"", true}};
  FilterMatch regex;
  regex.match_type = FilterMatch::Type::kRegex;
  regex.attributes = {{"name", "^\\d+${"}};
  FilterPolicy first;
  first.include = strict;
  first.exclude = regex;
  FilterPolicy second;
  second.include_any = FilterMatch();
  span_metrics.filter_policies = {first, second};
  return options;
}

TEST(PrintConfig, ReadsBackAsTheDefaults) { ExpectRoundTrip(Options()); }

TEST(PrintConfig, ReadsBackWhateverIsSet) { ExpectRoundTrip(Unusual()); }

TEST(PrintConfig, ReadsBackEveryChoiceOfProcessors) {
  for (int bits = 0; bits < 8; ++bits) {
    Options options;
    options.generator.processors = {(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0};
    ExpectRoundTrip(options);
  }
}

TEST(PrintConfig, WritesEachSectionOnce) {
  const std::string printed = PrintConfig(Unusual());
  size_t sections = 0;
  for (size_t pos = 0; (pos = printed.find("\n[", pos)) != std::string::npos; ++pos) ++sections;
  EXPECT_EQ(sections, 6u) << printed;
  EXPECT_THAT(printed, HasSubstr("\n[otlp.grpc.tls]\ncert_file = \"/a\"\n"));
}

TEST(PrintConfig, WritesNumbersForPeople) {
  Options options;
  options.generator.span_metrics.histogram_buckets = {0.000'001, 0.5, 1, 1'000'000, 1e21};
  EXPECT_THAT(PrintConfig(options),
              HasSubstr("histogram_buckets = [0.000001, 0.5, 1.0, 1000000.0, 1e+21]\n"));
}

}  // namespace
}  // namespace spanmeter
