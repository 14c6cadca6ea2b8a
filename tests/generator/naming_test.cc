// The naming of the OpenTelemetry Collector's connectors, from spans to series. What is expected is
// written down from the connectors' documentation.

#include "spanmeter/naming.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/state_stream.h"
#include "spanmeter/tenants.h"

#include "generator/send_spans.h"
#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"
#include "support/state_bytes.h"

namespace spanmeter {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using testing::ReadFrom;
using testing::SendSpans;
using testing::StateBytes;
using testing::TestSpan;
using ::testing::UnorderedElementsAre;

constexpr char kCalls[] = "traces_span_metrics_calls_total";
constexpr char kDuration[] = "traces_span_metrics_duration_milliseconds";
constexpr char kServer[] = R"(service_name="cart",span_kind="SPAN_KIND_SERVER",span_name="GET /",)"
                           R"(status_code="STATUS_CODE_UNSET")";

TestSpan Lasting(uint64_t nanos) {
  TestSpan span;
  span.end_nanos = span.start_nanos + nanos;
  return span;
}

class NamingTest : public ::testing::Test {
 protected:
  NamingTest() {
    log_options_.level = LogLevel::kError;
    logger_ = std::make_unique<Logger>(log_options_, &clock_);
    options_.generator.ingestion_time_range_slack = 0;
    ChangeNaming(Naming::kOtel, std::nullopt, &options_.generator);
    Create();
  }

  void Create() {
    metrics_ = std::make_unique<SelfMetrics>();
    tenants_ = std::make_unique<Tenants>(options_, &clock_, logger_.get(), metrics_.get());
    generator_ = tenants_->Find({}).generator;
  }
  void Send(const std::vector<TestSpan>& spans, const std::string& service = "cart") {
    SendSpans(generator_.get(), {{{{"service.name", service}}, spans}});
  }
  CollectingSink Read() {
    CollectingSink sink;
    EXPECT_TRUE(generator_->registry()->Visit(&sink));
    EXPECT_THAT(sink.repeated(), IsEmpty());
    return sink;
  }
  // The only series of a metric.
  CollectedSeries Only(const std::string& metric, const std::string& labels) {
    const CollectingSink sink = Read();
    const CollectedSeries* series = sink.Find(metric, labels);
    EXPECT_NE(series, nullptr) << metric << "{" << labels << "}";
    return series == nullptr ? CollectedSeries() : *series;
  }

  FakeClock clock_;
  LogOptions log_options_;
  std::unique_ptr<Logger> logger_;
  Options options_;
  std::unique_ptr<SelfMetrics> metrics_;
  std::unique_ptr<Tenants> tenants_;
  std::shared_ptr<Generator> generator_;
};

TEST_F(NamingTest, MetricsAndLabelsAreThoseOfTheConnector) {
  Send({Lasting(1'000'000)});
  const CollectingSink sink = Read();
  EXPECT_THAT(sink.metrics(), UnorderedElementsAre(Key(kCalls), Key(kDuration),
                                                   Key("traces_span_metrics_size_bytes_total")));
  for (const auto& [name, series] : sink.metrics()) EXPECT_THAT(series, ElementsAre(Key(kServer)));
}

TEST_F(NamingTest, DurationsAreCountedInMillisecondsExactly) {
  for (const double bound : options_.generator.span_metrics.histogram_buckets) {
    const auto nanos = static_cast<uint64_t>(bound * 1e6);
    Send({Lasting(nanos), Lasting(nanos + 1)});
  }
  const CollectedSeries series = Only(kDuration, kServer);
  // Each bound's own duration and the one of the bound before that is a nanosecond longer.
  std::vector<double> expected;
  for (size_t i = 0; i < 16; ++i) expected.push_back(static_cast<double>(2 * i + 1));
  expected.push_back(32);
  EXPECT_EQ(series.cumulative, expected);
}

// 1001 ms are not 1.001 s times 1000.
TEST_F(NamingTest, SumsDoNotDrift) {
  std::vector<TestSpan> spans(1000, Lasting(1'001'000'000));
  Send(spans);
  EXPECT_EQ(Only(kDuration, kServer).value, 1'001'000.0);
}

// Seconds that are converted miss these: 2.007 s times 1000 are more than 2007 ms, and 4.1 ms in
// seconds more than a thousandth of 4.1.
TEST_F(NamingTest, DurationsMeetTheBoundThatIsWrittenLikeThem) {
  const std::map<double, uint64_t> nanos = {
      {0.1, 100'000},     {4.1, 4'100'000},      {7.1, 7'100'000},     {8.2, 8'200'000},
      {11.7, 11'700'000}, {2007, 2'007'000'000}, {4001, 4'001'000'000}};
  for (const auto& [bound, duration] : nanos) {
    options_.generator.span_metrics.histogram_buckets = {bound};
    Create();
    Send({Lasting(duration)});
    EXPECT_THAT(Only(kDuration, kServer).cumulative, ElementsAre(1, 1)) << bound;
  }
}

TEST_F(NamingTest, ExemplarsAreInTheUnitOfTheBuckets) {
  Send({Lasting(3'500'000)});
  const CollectedSeries series = Only(kDuration, kServer);
  ASSERT_EQ(series.exemplars.size(), 1u);
  EXPECT_EQ(series.exemplars[0].value, 3.5);
  EXPECT_EQ(series.exemplars[0].bucket, 1u);  // (2, 4]
}

TEST_F(NamingTest, NativeHistogramsAreInTheUnitToo) {
  options_.generator.generate_native_histograms = HistogramKind::kNative;
  options_.generator.native_histogram_bucket_factor = 2;
  Create();
  Send({Lasting(4'000'000)});
  const CollectedSeries series = Only(kDuration, kServer);
  ASSERT_TRUE(series.native.has_value());
  EXPECT_EQ(series.native->schema, 0);
  EXPECT_EQ(series.native->buckets, (std::map<int32_t, double>{{2, 1}}));  // (2, 4]
  EXPECT_EQ(series.value, 4);
}

TEST_F(NamingTest, InSecondsTheNameAndTheValuesAreInSeconds) {
  ChangeNaming(Naming::kOtel, DurationUnit::kSeconds, &options_.generator);
  Create();
  Send({Lasting(1'400'000'000)});
  const CollectedSeries series = Only("traces_span_metrics_duration_seconds", kServer);
  EXPECT_EQ(series.value, 1.4);
  EXPECT_THAT(series.cumulative, ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1));
}

TEST_F(NamingTest, AttributesThatAreMissingHaveTheirDefault) {
  options_.generator.span_metrics.dimensions = {
      {"http.method", "GET"}, {"http.status_code"}, {"region", "eu"}};
  Create();
  TestSpan with = Lasting(1);
  with.attributes.Add("http.method", "PUT").Add("http.status_code", "201");
  SendSpans(generator_.get(), {{{{"service.name", "cart"}, {"region", "us"}}, {with}},
                               {{{"service.name", "cart"}}, {Lasting(1)}}});
  const std::string rest = R"(service_name="cart",span_kind="SPAN_KIND_SERVER",span_name="GET /",)"
                           R"(status_code="STATUS_CODE_UNSET")";
  EXPECT_THAT(
      Read().metrics().at(kCalls),
      UnorderedElementsAre(Key(R"(http_method="PUT",http_status_code="201",region="us",)" + rest),
                           Key(R"(http_method="GET",region="eu",)" + rest)));
}

TEST_F(NamingTest, RulesLimitsAndExternalLabelsSeeTheNamesThatAreShown) {
  RelabelRule rule;
  rule.source_labels = {"service_name"};
  rule.regex = "cart";
  rule.target_label = "service_name";
  rule.replacement = "basket";
  options_.generator.relabel = {rule};
  options_.generator.external_labels = {{"span_kind", "any"}};
  options_.generator.max_cardinality_per_label = 1;
  Create();
  Send({Lasting(1)});
  Send({Lasting(1)}, "shop");
  EXPECT_THAT(Read().metrics().at(kCalls),
              UnorderedElementsAre(Key(R"(service_name="basket",span_kind="any",span_name="GET /",)"
                                       R"(status_code="STATUS_CODE_UNSET")"),
                                   Key(R"(service_name="__cardinality_overflow__",span_kind="any",)"
                                       R"(span_name="GET /",status_code="STATUS_CODE_UNSET")")));
  std::vector<std::string> limited;
  for (const LabelStats& label : generator_->registry()->GetStats().labels) {
    limited.push_back(label.name);
  }
  EXPECT_THAT(limited, Contains("service_name"));
}

TEST_F(NamingTest, TargetInfoHasTheExportersName) {
  options_.generator.span_metrics.enable_target_info = true;
  Create();
  SendSpans(generator_.get(), {{{{"service.name", "cart"}, {"host.name", "h"}}, {Lasting(1)}}});
  EXPECT_THAT(Read().metrics().at("target_info"), ElementsAre(Key(R"(host_name="h",job="cart")")));
}

// Two requests of which one fails.
TEST_F(NamingTest, EdgesTellWhetherTheyFailed) {
  options_.generator.processors = {};
  options_.generator.processors.service_graphs_request = true;
  options_.generator.processors.service_graphs_latency = true;
  options_.generator.service_graphs.dimensions = {"zone"};
  Create();
  for (const bool fails : {false, true}) {
    TestSpan client = Lasting(20'000'000);
    client.kind = kSpanKindClient;
    client.span_id = fails ? "failing1" : "working1";
    client.attributes.Add("zone", "a");
    TestSpan server = Lasting(10'000'000);
    server.parent_span_id = client.span_id;
    server.span_id = "another1";
    if (fails) server.status_code = kStatusCodeError;
    Send({client}, "shop");
    Send({server});
  }
  const std::string ok = R"(client="shop",client_zone="a",failed="false",server="cart")";
  const std::string failed = R"(client="shop",client_zone="a",failed="true",server="cart")";
  const CollectingSink sink = Read();
  for (const char* metric :
       {"traces_service_graph_request_total", "traces_service_graph_request_client_seconds",
        "traces_service_graph_request_server_seconds"}) {
    EXPECT_THAT(sink.metrics().at(metric), UnorderedElementsAre(Key(ok), Key(failed))) << metric;
  }
  EXPECT_THAT(sink.metrics().at("traces_service_graph_request_failed_total"),
              ElementsAre(Key(failed)));
  EXPECT_EQ(sink.Find("traces_service_graph_request_client_seconds", ok)->value, 0.02);
  EXPECT_EQ(sink.Find("traces_service_graph_request_server_seconds", failed)->value, 0.01);
}

TEST_F(NamingTest, AReloadWithAnotherNamingBeginsAnew) {
  Send({Lasting(1'000'000)});
  GeneratorOptions tempo = options_.generator;
  ChangeNaming(Naming::kTempo, std::nullopt, &tempo);
  EXPECT_THAT(generator_->Reload(tempo),
              UnorderedElementsAre(kCalls, kDuration, "traces_span_metrics_size_bytes_total"));
  EXPECT_THAT(Read().metrics(), Not(Contains(Key(HasSubstr("span_metrics")))));
  Send({Lasting(1'000'000)});
  const CollectedSeries series =
      Only("traces_spanmetrics_latency",
           R"(service="cart",span_kind="SPAN_KIND_SERVER",span_name="GET /",)"
           R"(status_code="STATUS_CODE_UNSET")");
  EXPECT_EQ(series.count(), 1);
  EXPECT_EQ(series.value, 0.001);
}

TEST_F(NamingTest, AStateGoesOnWithItsOwnNamingOnly) {
  Send({Lasting(5'000'000)});
  const std::string bytes =
      StateBytes(clock_, [this](StateWriter* writer) { tenants_->Save(writer); });
  const auto restore = [&] {
    Create();
    StateReader reader(&clock_, ReadFrom(bytes));
    RestoredState restored;
    EXPECT_TRUE(tenants_->Restore(&reader, &restored));
    generator_ = tenants_->Find({}).generator;
    return restored.left_out;
  };
  EXPECT_THAT(restore(), IsEmpty());
  EXPECT_EQ(Only(kDuration, kServer).value, 5);
  ChangeNaming(Naming::kOtel, DurationUnit::kSeconds, &options_.generator);
  EXPECT_THAT(restore(), Contains(HasSubstr(kDuration)));
  EXPECT_THAT(Read().metrics(), IsEmpty());
}

TEST_F(NamingTest, TenantsMayHaveDifferentNamings) {
  options_.tenancy.enabled = true;
  options_.generator.inject_tenant_id_as = "tenant";
  options_.tenants["old"] = options_.generator;
  ChangeNaming(Naming::kTempo, std::nullopt, &options_.tenants["old"]);
  Create();
  std::vector<std::shared_ptr<Registry>> registries;
  for (const char* name : {"old", "new"}) {
    const auto generator = tenants_->Find({name}).generator;
    ASSERT_NE(generator, nullptr);
    SendSpans(generator.get(), {{{{"service.name", "cart"}}, {Lasting(1)}}});
    registries.push_back(generator->registry());
  }
  CollectingSink sink;
  EXPECT_TRUE(VisitRegistries(registries, &sink));
  EXPECT_THAT(sink.repeated(), IsEmpty());
  EXPECT_THAT(sink.metrics().at("traces_spanmetrics_calls_total"),
              ElementsAre(Key(AllOf(HasSubstr(R"(service="cart")"), HasSubstr(R"("old")")))));
  EXPECT_THAT(sink.metrics().at(kCalls),
              ElementsAre(Key(AllOf(HasSubstr(R"(service_name="cart")"), HasSubstr(R"("new")")))));
}

}  // namespace
}  // namespace spanmeter
