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
  options.http = {"localhost:2", true, true};
  options.tenancy = {true, 7};
  GeneratorOptions& generator = options.generator;
  generator.processors = {true, false, true, true, false, true, true};
  generator.inject_tenant_id_as = "tenant";
  generator.external_labels = {
      {"a", "${NOT_A_VARIABLE} $${ $"}, {"b", ""}, {"c", "\n\x01\xC3\xA9"}};
  generator.max_active_series = 1;
  generator.max_active_entities = 2;
  generator.limiter_type = LimiterType::kEntity;
  generator.max_cardinality_per_label = 3;
  generator.span_name_sanitization = SpanNameSanitization::kDryRun;
  generator.generate_native_histograms = HistogramKind::kBoth;
  generator.native_histogram_bucket_factor = 1.5;
  generator.native_histogram_max_bucket_number = 4;
  generator.native_histogram_min_reset_duration = 0;
  generator.relabel = {{{"a", "b"}, "-", "x(.*)", 0, "c", "${1}", RelabelRule::Action::kReplace},
                       {{"a"}, ";", "(.*)", 16, "shard", "$1", RelabelRule::Action::kHashMod},
                       {{}, ";", "pod", 0, "", "$1", RelabelRule::Action::kLabelDrop}};
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
  ServiceGraphsOptions& graphs = generator.service_graphs;
  graphs.histogram_buckets = {};
  graphs.wait = 11'000'000;
  graphs.max_items = 5;
  graphs.dimensions = {"zone"};
  graphs.enable_client_server_prefix = true;
  graphs.peer_attributes = {};
  graphs.database_name_attributes = {"x"};
  graphs.enable_messaging_system_latency_histogram = true;
  graphs.enable_virtual_node_label = true;
  graphs.span_multiplier_key = "ratio";
  graphs.enable_tracestate_span_multiplier = true;
  graphs.filter_policies = {second};
  generator.host_info = {{"host"}, "hosts"};
  // A tenant that changes a little of everything, and one that changes nothing.
  GeneratorOptions& tenant = options.tenants["team-a"];
  tenant = generator;
  tenant.external_labels["b"] = "set";
  tenant.span_metrics.dimensions = {};
  tenant.span_metrics.intrinsic_dimensions.service = true;
  tenant.service_graphs.wait = 12'000'000;
  tenant.relabel.clear();
  options.tenants["a.b"] = generator;
  return options;
}

TEST(PrintConfig, ReadsBackAsTheDefaults) { ExpectRoundTrip(Options()); }

TEST(PrintConfig, ReadsBackWhateverIsSet) { ExpectRoundTrip(Unusual()); }

TEST(PrintConfig, ReadsBackEveryChoiceOfProcessors) {
  for (int bits = 0; bits < 128; ++bits) {
    const auto bit = [bits](int i) { return (bits >> i & 1) != 0; };
    Options options;
    options.generator.processors = {bit(0), bit(1), bit(2), bit(3), bit(4), bit(5), bit(6)};
    ExpectRoundTrip(options);
  }
}

TEST(PrintConfig, WritesEachSectionOnce) {
  const std::string printed = PrintConfig(Unusual());
  size_t sections = 0;
  for (size_t pos = 0; (pos = printed.find("\n[", pos)) != std::string::npos; ++pos) ++sections;
  EXPECT_EQ(sections, 11u) << printed;
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
