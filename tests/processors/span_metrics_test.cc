// The span-metrics processor with a real registry behind it: spans in, series out.

#include "spanmeter/span_metrics.h"

#include <cmath>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::Attributes;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::TestResource;
using testing::TestSpan;
using ::testing::UnorderedElementsAre;

constexpr char kCalls[] = "traces_spanmetrics_calls_total";
constexpr char kLatency[] = "traces_spanmetrics_latency";
constexpr char kSize[] = "traces_spanmetrics_size_total";
constexpr char kTargetInfo[] = "traces_target_info";

class SpanMetricsTest : public ::testing::Test {
 protected:
  // Sends the resources as one request.
  ProcessorCounts Send(const std::vector<TestResource>& resources) {
    Start();
    return testing::Process(index_, resources, session_.get());
  }
  ProcessorCounts Send(const Attributes& resource, const std::vector<TestSpan>& spans) {
    return Send({{resource, spans}});
  }

  // Builds the processor from `options_`, once.
  void Start() {
    if (processor_ != nullptr) return;
    ASSERT_THAT(ValidateSpanMetrics(options_), IsEmpty());
    registry_ = std::make_unique<Registry>(options_, &clock_);
    processor_ = NewSpanMetrics(options_, &index_, registry_.get(), &clock_, nullptr);
    session_ = processor_->NewSession();
  }

  // The values of a metric by label text; sums for the histogram.
  std::map<std::string, double> Values(const std::string& metric) {
    sink_ = CollectingSink();
    EXPECT_TRUE(registry_->Visit(&sink_));
    EXPECT_THAT(sink_.repeated(), IsEmpty());
    std::map<std::string, double> values;
    const auto found = sink_.metrics().find(metric);
    if (found == sink_.metrics().end()) return values;
    for (const auto& [labels, series] : found->second) values[labels] = series.value;
    return values;
  }
  // The label texts of calls_total.
  std::vector<std::string> Labels() {
    std::vector<std::string> labels;
    for (const auto& [text, value] : Values(kCalls)) labels.push_back(text);
    return labels;
  }

  // Only the configured dimensions, to keep expected label texts short.
  void SwitchIntrinsicsOff() {
    options_.span_metrics.intrinsic_dimensions = {false, false, false, false, false};
  }

  FakeClock clock_;
  GeneratorOptions options_;
  AttributeIndex index_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Processor> processor_;
  std::unique_ptr<ProcessorSession> session_;
  CollectingSink sink_;
};

uint64_t Discarded(const ProcessorCounts& counts, DiscardReason reason) {
  return counts.discarded[static_cast<size_t>(reason)];
}

TestSpan With(const Attributes& attributes) {
  TestSpan span;
  span.attributes = attributes;
  return span;
}
TestSpan Named(const std::string& name) {
  TestSpan span;
  span.name = name;
  return span;
}

TEST_F(SpanMetricsTest, CountsCallsLatencyAndSizePerLabelSet) {
  TestSpan span;
  span.encoded_size = 150;
  span.end_nanos = span.start_nanos + 250'000'000;
  TestSpan other = span;
  other.end_nanos = other.start_nanos + 500'000'000;
  Send({{"service.name", "cart"}}, {span, other});
  const std::string labels = R"(service="cart",span_kind="SPAN_KIND_SERVER",span_name="GET /",)"
                             R"(status_code="STATUS_CODE_UNSET")";
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair(labels, 2)));
  EXPECT_THAT(Values(kSize), ElementsAre(Pair(labels, 300)));
  EXPECT_THAT(Values(kLatency), ElementsAre(Pair(labels, 0.75)));
  const CollectedSeries* latency = sink_.Find(kLatency, labels);
  ASSERT_NE(latency, nullptr);
  EXPECT_EQ(latency->count(), 2);
  EXPECT_THAT(latency->cumulative, ElementsAre(0, 0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 2, 2, 2, 2));
  EXPECT_EQ(processor_->name(), "span-metrics");
}

TEST_F(SpanMetricsTest, SeriesAccumulateOverRequests) {
  Send({{"service.name", "cart"}}, {TestSpan()});
  Send({{"service.name", "cart"}}, {TestSpan(), TestSpan()});
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair(::testing::_, 3)));
}

TEST_F(SpanMetricsTest, EnumsAreNamesAndUnknownNumbersDecimals) {
  options_.span_metrics.intrinsic_dimensions = {false, false, true, true, false};
  std::vector<TestSpan> spans;
  for (const auto& [kind, status] : std::map<int32_t, int32_t>{
           {0, 0}, {1, 1}, {3, 2}, {4, 3}, {5, -1}, {6, 0}, {-2147483648, 2147483647}}) {
    TestSpan span;
    span.kind = kind;
    span.status_code = status;
    spans.push_back(span);
  }
  Send({}, spans);
  EXPECT_THAT(Labels(), UnorderedElementsAre(
                            R"(span_kind="SPAN_KIND_UNSPECIFIED",status_code="STATUS_CODE_UNSET")",
                            R"(span_kind="SPAN_KIND_INTERNAL",status_code="STATUS_CODE_OK")",
                            R"(span_kind="SPAN_KIND_CLIENT",status_code="STATUS_CODE_ERROR")",
                            R"(span_kind="SPAN_KIND_PRODUCER",status_code="3")",
                            R"(span_kind="SPAN_KIND_CONSUMER",status_code="-1")",
                            R"(span_kind="6",status_code="STATUS_CODE_UNSET")",
                            R"(span_kind="-2147483648",status_code="2147483647")"));
}

TEST_F(SpanMetricsTest, EmptyValuesAreNoLabels) {
  options_.span_metrics.intrinsic_dimensions.status_message = true;
  options_.span_metrics.dimensions = {{"http.method"}};
  Send({{"service.name", ""}}, {Named("")});
  EXPECT_THAT(Labels(),
              ElementsAre(R"(span_kind="SPAN_KIND_SERVER",status_code="STATUS_CODE_UNSET")"));
}

TEST_F(SpanMetricsTest, StatusMessageIsALabelWhenAskedFor) {
  SwitchIntrinsicsOff();
  options_.span_metrics.intrinsic_dimensions.status_message = true;
  TestSpan span;
  span.status_message = "deadline exceeded";
  Send({}, {span});
  EXPECT_THAT(Labels(), ElementsAre(R"(status_message="deadline exceeded")"));
}

TEST_F(SpanMetricsTest, OfDuplicateServiceNamesTheFirstNonEmptyCounts) {
  options_.span_metrics.intrinsic_dimensions = {true, false, false, false, false};
  Attributes resource;
  resource.Add("service.name", "")
      .Add("service.name", AnyValue::Int(10))
      .Add("service.name", "late");
  Send(resource, {TestSpan()});
  EXPECT_THAT(Labels(), ElementsAre(R"(service="10")"));
}

TEST_F(SpanMetricsTest, WithoutAnyLabelThereIsOneSeries) {
  SwitchIntrinsicsOff();
  Send({{"service.name", "a"}}, {TestSpan(), TestSpan()});
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair("", 2)));
}

TEST_F(SpanMetricsTest, LatencyIsTheDifferenceInSecondsAndNeverNegative) {
  SwitchIntrinsicsOff();
  options_.span_metrics.histogram_buckets = {0, 2};
  TestSpan span;
  span.start_nanos = 5'000'000'000;
  span.end_nanos = 5'000'000'000;
  TestSpan backwards = span;
  backwards.end_nanos = 4'000'000'000;
  TestSpan long_one = span;
  long_one.end_nanos = 7'000'000'000;
  TestSpan longer = span;
  longer.end_nanos = 7'000'000'001;
  TestSpan since_1970 = span;
  since_1970.start_nanos = 0;
  Send({}, {span, backwards, long_one, longer, since_1970});
  EXPECT_THAT(Values(kLatency), ElementsAre(Pair("", 2 + 2.000000001 + 5)));
  // Upper bounds are inclusive.
  EXPECT_THAT(sink_.Find(kLatency, "")->cumulative, ElementsAre(2, 3, 5));
}

TEST_F(SpanMetricsTest, LatencySurvivesTheWholeRangeOfTimes) {
  SwitchIntrinsicsOff();
  TestSpan span;
  span.start_nanos = 0;
  span.end_nanos = UINT64_MAX;
  TestSpan wrapped;
  wrapped.start_nanos = UINT64_MAX;
  wrapped.end_nanos = 0;
  Send({}, {span, wrapped});
  EXPECT_THAT(Values(kLatency), ElementsAre(Pair("", static_cast<double>(UINT64_MAX) / 1e9)));
  EXPECT_EQ(sink_.Find(kLatency, "")->cumulative[0], 1);
}

TEST_F(SpanMetricsTest, BucketsAreSortedAndInfinityIsImplied) {
  SwitchIntrinsicsOff();
  options_.span_metrics.histogram_buckets = {1, INFINITY, 0.5};
  TestSpan span;
  span.end_nanos = span.start_nanos + 700'000'000;
  Send({}, {span});
  Values(kLatency);
  EXPECT_THAT(sink_.Find(kLatency, "")->cumulative, ElementsAre(0, 1, 1));
}

TEST_F(SpanMetricsTest, AnEmptyBucketListLeavesInfinity) {
  SwitchIntrinsicsOff();
  options_.span_metrics.histogram_buckets.clear();
  Send({}, {TestSpan()});
  Values(kLatency);
  EXPECT_THAT(sink_.Find(kLatency, "")->cumulative, ElementsAre(1));
}

TEST_F(SpanMetricsTest, SubProcessorsHaveTheirMetricOnly) {
  SwitchIntrinsicsOff();
  options_.processors = {true, false, true};
  Send({}, {TestSpan()});
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair("", 1)));
  EXPECT_THAT(Values(kSize), ElementsAre(Pair("", 100)));
  EXPECT_FALSE(sink_.metrics().contains(kLatency));
}

TEST_F(SpanMetricsTest, LatencyAloneKeepsTheConfiguredBuckets) {
  SwitchIntrinsicsOff();
  options_.processors = {false, true, false};
  options_.span_metrics.histogram_buckets = {3, 4};
  Send({}, {TestSpan()});
  EXPECT_TRUE(Values(kCalls).empty());
  EXPECT_THAT(sink_.Find(kLatency, "")->cumulative, ElementsAre(1, 1, 1));
}

TEST_F(SpanMetricsTest, DimensionsLookAtTheResourceFirst) {
  SwitchIntrinsicsOff();
  options_.span_metrics.dimensions = {{"env"}, {"http.method"}};
  Send({{"env", "resource"}, {"http.method", ""}},
       {With({{"env", "span"}, {"http.method", "GET"}}), With({})});
  EXPECT_THAT(Labels(),
              UnorderedElementsAre(R"(env="resource",http_method="GET")", R"(env="resource")"));
}

TEST_F(SpanMetricsTest, OfDuplicateAttributesTheFirstNonEmptyCounts) {
  SwitchIntrinsicsOff();
  options_.span_metrics.dimensions = {{"a"}, {"b"}};
  Attributes resource;
  resource.Add("a", AnyValue::Bytes("x")).Add("a", "second").Add("a", "third");
  Send(resource, {With({{"b", ""}, {"b", "2"}, {"b", "3"}})});
  EXPECT_THAT(Labels(), ElementsAre(R"(a="second",b="2")"));
}

TEST_F(SpanMetricsTest, DimensionsOfEveryTypeBecomeText) {
  SwitchIntrinsicsOff();
  options_.span_metrics.dimensions = {{"b"}, {"d"}, {"i"}, {"n"}};
  Attributes attributes;
  attributes.Add("b", AnyValue::Bool(true)).Add("d", AnyValue::Double(1e21));
  attributes.Add("i", AnyValue::Int(-3)).Add("n", AnyValue());
  Send({}, {With(attributes)});
  Send(attributes, {TestSpan()});
  EXPECT_THAT(Values(kCalls),
              ElementsAre(Pair(R"(b="true",d="1000000000000000000000",i="-3")", 2)));
}

TEST_F(SpanMetricsTest, OfDimensionsWithOneLabelTheLastWithAValueWins) {
  SwitchIntrinsicsOff();
  options_.span_metrics.dimensions = {{"deployment.environment"}, {"deployment_environment"}};
  Send({}, {With({{"deployment.environment", "dot"}}), With({{"deployment_environment", "under"}}),
            With({{"deployment_environment", ""}, {"deployment.environment", "dot+empty"}}),
            With({{"deployment_environment", "u2"}, {"deployment.environment", "d2"}})});
  EXPECT_THAT(Labels(), UnorderedElementsAre(R"(deployment_environment="dot")",
                                             R"(deployment_environment="under")",
                                             R"(deployment_environment="dot+empty")",
                                             R"(deployment_environment="u2")"));
  // A value on the resource is below one of the span when its dimension is configured earlier.
  Send({{"deployment.environment", "r"}}, {With({{"deployment_environment", "s"}}), With({})});
  EXPECT_THAT(Labels(), ::testing::IsSupersetOf(
                            {R"(deployment_environment="s")", R"(deployment_environment="r")"}));
}

TEST_F(SpanMetricsTest, MappingsJoinTheNonEmptyValuesOfTheirSources) {
  SwitchIntrinsicsOff();
  options_.span_metrics.dimension_mappings = {
      {"svc.id", {"service.namespace", "service.name", "service.version"}, "/"},
      {"partial", {"nope", "b", "nada", "a"}, ", "},
      {"dup", {"a", "a"}, "-"},
      {"nojoin", {"a", "n"}, ""},
      {"missing", {"nope"}, ","}};
  Attributes span;
  span.Add("a", "A").Add("b", "B").Add("n", AnyValue::Int(5)).Add("service.version", "ignored");
  Send({{"service.name", "abc"}, {"service.namespace", "def"}, {"service.version", "1.2"}},
       {With(span)});
  EXPECT_THAT(Labels(),
              ElementsAre(R"(dup="A-A",nojoin="A5",partial="B, A",svc_id="def/abc/1.2")"));
}

TEST_F(SpanMetricsTest, MappingsMixResourceAndSpan) {
  SwitchIntrinsicsOff();
  options_.span_metrics.dimension_mappings = {{"m", {"r", "s", "r"}, "+"}};
  Send({{"r", "R"}}, {With({{"s", "S"}, {"r", "other"}}), With({})});
  Send({}, {With({{"s", "S"}, {"r", "span"}})});
  EXPECT_THAT(Labels(), UnorderedElementsAre(R"(m="R+S+R")", R"(m="R+R")", R"(m="span+S+span")"));
}

TEST_F(SpanMetricsTest, TargetInfoAddsJobAndInstance) {
  options_.span_metrics.intrinsic_dimensions = {false, true, false, false, false};
  options_.span_metrics.enable_target_info = true;
  Send({{{{"service.name", "cart"},
          {"service.namespace", "shop"},
          {"service.instance.id", "i-1"},
          {"host.name", "h1"}},
         {Named("a"), Named("a")}},
        {{{"service.name", "solo"}, {"host.name", "h2"}}, {Named("b")}},
        {{{"service.namespace", "shop"}, {"host.name", "h3"}}, {Named("c")}}});
  EXPECT_THAT(Values(kCalls),
              ElementsAre(Pair(R"(instance="i-1",job="shop/cart",span_name="a")", 2),
                          Pair(R"(job="solo",span_name="b")", 1), Pair(R"(span_name="c")", 1)));
  EXPECT_THAT(Values(kTargetInfo),
              ElementsAre(Pair(R"(host_name="h1",instance="i-1",job="shop/cart")", 1),
                          Pair(R"(host_name="h2",job="solo")", 1)));
}

TEST_F(SpanMetricsTest, IdentityIsTextOfAnyType) {
  SwitchIntrinsicsOff();
  options_.span_metrics.enable_target_info = true;
  Attributes resource;
  resource.Add("service.name", AnyValue::Int(10))
      .Add("service.namespace", AnyValue::Double(2.5))
      .Add("service.instance.id", "")
      .Add("service.instance.id", AnyValue::Bool(true))
      .Add("cluster", "c10");
  Send(resource, {TestSpan()});
  EXPECT_THAT(Labels(), ElementsAre(R"(instance="true",job="2.5/10")"));
  EXPECT_THAT(Values(kTargetInfo),
              ElementsAre(Pair(R"(cluster="c10",instance="true",job="2.5/10")", 1)));
}

TEST_F(SpanMetricsTest, WithoutInstanceLabelAnInstanceIsNoIdentity) {
  SwitchIntrinsicsOff();
  options_.span_metrics.enable_target_info = true;
  options_.span_metrics.enable_instance_label = false;
  Send({{{{"service.instance.id", "i"}, {"cluster", "c"}}, {TestSpan()}},
        {{{"service.name", "s"}, {"service.instance.id", "i"}, {"cluster", "c"}}, {TestSpan()}}});
  EXPECT_THAT(Labels(), UnorderedElementsAre("", R"(job="s")"));
  EXPECT_THAT(Values(kTargetInfo), ElementsAre(Pair(R"(cluster="c",job="s")", 1)));
}

TEST_F(SpanMetricsTest, ADimensionNamedJobStandsInForAResourceWithoutJob) {
  SwitchIntrinsicsOff();
  options_.span_metrics.enable_target_info = true;
  options_.span_metrics.dimensions = {{"job"}};
  Send({{{}, {With({{"job", "from-span"}})}}, {{{"service.name", "s"}}, {With({{"job", "x"}})}}});
  EXPECT_THAT(Labels(), UnorderedElementsAre(R"(job="from-span")", R"(job="s")"));
}

TEST_F(SpanMetricsTest, TargetInfoNeedsAnAcceptedSpan) {
  options_.span_metrics.enable_target_info = true;
  FilterPolicy policy;
  policy.exclude = {FilterMatch::Type::kStrict, {{"name", std::string("GET /")}}};
  options_.span_metrics.filter_policies = {policy};
  Send({{{{"service.name", "a"}, {"host", "h"}}, {TestSpan()}},
        {{{"service.name", "b"}, {"host", "h"}}, {Named("\xff")}},
        {{{"service.name", "c"}, {"host", "h"}}, {TestSpan(), Named("ok")}},
        {{{"service.name", "d"}, {"host", "h"}}, {}}});
  EXPECT_THAT(Values(kTargetInfo), ElementsAre(Pair(R"(host="h",job="c")", 1)));
}

TEST_F(SpanMetricsTest, TargetInfoClaimsItsPlaceInTheLimitsAfterItsSpan) {
  SwitchIntrinsicsOff();
  options_.span_metrics.enable_target_info = true;
  options_.span_metrics.dimensions = {{"d"}};
  options_.max_active_entities = 3;
  options_.limiter_type = LimiterType::kEntity;
  Send({{{{"service.name", "a"}, {"host", "h"}}, {With({{"d", "1"}}), With({{"d", "2"}})}},
        {{{"service.name", "b"}, {"host", "h"}}, {With({{"d", "3"}})}}});
  EXPECT_THAT(Labels(), UnorderedElementsAre(R"(d="1",job="a")", R"(d="2",job="a")",
                                             R"(metric_overflow="true")"));
  EXPECT_THAT(Values(kTargetInfo), ElementsAre(Pair(R"(host="h",job="a")", 1)));
}

TEST_F(SpanMetricsTest, EveryAcceptedSpanKeepsTargetInfoAlive) {
  SwitchIntrinsicsOff();
  options_.span_metrics.enable_target_info = true;
  options_.stale_duration = 10 * kNanosPerSecond;
  const Attributes resource = {{"service.name", "a"}, {"host", "h"}};
  for (int i = 0; i < 5; ++i) {
    Send(resource, {TestSpan()});
    clock_.Advance(6 * kNanosPerSecond);
  }
  EXPECT_THAT(Values(kTargetInfo), ElementsAre(Pair(R"(host="h",job="a")", 1)));
  clock_.Advance(6 * kNanosPerSecond);
  EXPECT_THAT(Values(kTargetInfo), IsEmpty());
}

TEST_F(SpanMetricsTest, ExternalLabelsReplaceLabelsAndMergeTheirSeries) {
  options_.external_labels = {{"service", "external"}, {"host", "x"}};
  options_.span_metrics.intrinsic_dimensions = {true, true, false, false, false};
  options_.span_metrics.enable_target_info = true;
  options_.span_metrics.dimensions = {{"host"}};
  Send({{{{"service.name", "a"}, {"service.namespace", "n"}, {"host", "1"}}, {TestSpan()}},
        {{{"service.name", "a"}, {"service.namespace", "n"}, {"host", "2"}}, {TestSpan()}}});
  EXPECT_THAT(Values(kCalls),
              ElementsAre(Pair(R"(host="x",job="n/a",service="external",span_name="GET /")", 2)));
  EXPECT_THAT(Values(kTargetInfo),
              ElementsAre(Pair(R"(host="x",job="n/a",service="external")", 1)));
}

TEST_F(SpanMetricsTest, ValuesAreCutBetweenCharacters) {
  options_.max_label_value_length = 10;
  options_.span_metrics.intrinsic_dimensions = {true, true, true, false, true};
  options_.span_metrics.dimensions = {{"d"}};
  options_.span_metrics.dimension_mappings = {{"m", {"d", "d"}, "☃"}};
  TestSpan span = Named("☃☃☃☃");
  span.status_message = "exactly-10";
  span.attributes.Add("d", "12345678é");
  Send({{"service.name", "service-with-a-long-name"}}, {span});
  EXPECT_THAT(Labels(), ElementsAre(R"(d="12345678é",m="12345678é",service="service-wi",)"
                                    R"(span_kind="SPAN_KIND_SERVER",span_name="☃☃☃",)"
                                    R"(status_message="exactly-10")"));
}

TEST_F(SpanMetricsTest, JobIsCutAsAWhole) {
  SwitchIntrinsicsOff();
  options_.max_label_value_length = 6;
  options_.span_metrics.enable_target_info = true;
  Send({{"service.name", "service"}, {"service.namespace", "name"}, {"host", "12345678"}},
       {TestSpan()});
  EXPECT_THAT(Labels(), ElementsAre(R"(job="name/s")"));
  EXPECT_THAT(Values(kTargetInfo), ElementsAre(Pair(R"(host="123456",job="name/s")", 1)));
}

TEST_F(SpanMetricsTest, NoLimitCutsNothing) {
  SwitchIntrinsicsOff();
  options_.max_label_value_length = 0;
  options_.span_metrics.dimensions = {{"d"}};
  options_.span_metrics.dimension_mappings = {{"m", {"d", "d"}, ""}};
  const std::string text(5000, 'x');
  Send({}, {With({{"d", text}})});
  EXPECT_THAT(Labels(), ElementsAre("d=\"" + text + "\",m=\"" + text + text + "\""));
}

TEST_F(SpanMetricsTest, SpansWithALabelThatIsNotUtf8AreDiscardedAndCounted) {
  options_.span_metrics.intrinsic_dimensions = {true, true, false, false, false};
  options_.span_metrics.dimensions = {{"d"}};
  const ProcessorCounts counts = Send(
      {{{{"service.name", "good"}},
        {Named("ok"), Named("bad\xff"), With({{"d", "\x80"}}), Named("also ok")}},
       {{{"service.name", "\xc3"}}, {Named("lost"), Named("lost too")}},
       {{{"service.name", "good"}, {"unused", "\xff"}}, {Named("ok"), With({{"x", "\xff"}})}}});
  EXPECT_EQ(Discarded(counts, DiscardReason::kInvalidUtf8), 4U);
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair(R"(service="good",span_name="GET /")", 1),
                                          Pair(R"(service="good",span_name="also ok")", 1),
                                          Pair(R"(service="good",span_name="ok")", 2)));
}

TEST_F(SpanMetricsTest, OnlyWhatIsLeftAfterCuttingMustBeUtf8) {
  options_.span_metrics.intrinsic_dimensions = {false, true, false, false, false};
  options_.max_label_value_length = 4;
  const ProcessorCounts counts = Send({}, {Named("good\xff"), Named("bad\xff"
                                                                    "x")});
  EXPECT_EQ(Discarded(counts, DiscardReason::kInvalidUtf8), 1U);
  EXPECT_THAT(Labels(), ElementsAre(R"(span_name="good")"));
}

TEST_F(SpanMetricsTest, FilteredSpansAreCountedAsSuchEvenWhenTheyAreNotUtf8) {
  options_.span_metrics.intrinsic_dimensions = {false, true, false, false, false};
  FilterPolicy policy;
  policy.include = {FilterMatch::Type::kStrict, {{"kind", std::string("SPAN_KIND_SERVER")}}};
  options_.span_metrics.filter_policies = {policy};
  TestSpan client = Named("\xff");
  client.kind = kSpanKindClient;
  const ProcessorCounts counts = Send({}, {client, TestSpan()});
  EXPECT_EQ(Discarded(counts, DiscardReason::kFiltered), 1U);
  EXPECT_EQ(Discarded(counts, DiscardReason::kInvalidUtf8), 0U);
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair(R"(span_name="GET /")", 1)));
}

TEST_F(SpanMetricsTest, FiltersSeeTheResourceOfTheSpan) {
  options_.span_metrics.intrinsic_dimensions = {true, false, false, false, false};
  FilterPolicy policy;
  policy.include = {FilterMatch::Type::kRegex, {{"resource.zone", std::string("^eu-")}}};
  options_.span_metrics.filter_policies = {policy};
  const ProcessorCounts counts =
      Send({{{{"service.name", "a"}, {"zone", "eu-1"}}, {TestSpan(), TestSpan()}},
            {{{"service.name", "b"}, {"zone", "us-1"}}, {TestSpan()}},
            {{{"service.name", "c"}}, {With({{"zone", "eu-1"}})}}});
  EXPECT_EQ(Discarded(counts, DiscardReason::kFiltered), 2U);
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair(R"(service="a")", 2)));
}

TEST_F(SpanMetricsTest, TheMultiplierWeighsCallsAndLatencyButNotSize) {
  SwitchIntrinsicsOff();
  options_.span_metrics.span_multiplier_key = "rate";
  TestSpan span;
  span.end_nanos = span.start_nanos + 500'000'000;
  span.attributes.Add("rate", AnyValue::Double(0.25));
  Send({}, {span});
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair("", 4)));
  EXPECT_THAT(Values(kSize), ElementsAre(Pair("", 100)));
  EXPECT_THAT(Values(kLatency), ElementsAre(Pair("", 2)));
  EXPECT_EQ(sink_.Find(kLatency, "")->count(), 4);
}

TEST_F(SpanMetricsTest, TheResourcesMultiplierIsForItsSpansOnly) {
  options_.span_metrics.intrinsic_dimensions = {true, false, false, false, false};
  options_.span_metrics.span_multiplier_key = "rate";
  options_.span_metrics.enable_tracestate_span_multiplier = true;
  Attributes sampled = {{"service.name", "a"}};
  sampled.Add("rate", AnyValue::Double(0.5));
  TestSpan traced;
  traced.trace_state = "ot=th:c";
  Send({{sampled, {TestSpan(), traced}}, {{{"service.name", "b"}}, {TestSpan(), traced}}});
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair(R"(service="a")", 6), Pair(R"(service="b")", 5)));
}

TEST_F(SpanMetricsTest, MultipliersOverTheMaximumAreCountedForAcceptedSpans) {
  SwitchIntrinsicsOff();
  options_.max_span_multiplier = 100;
  options_.span_metrics.span_multiplier_key = "rate";
  options_.span_metrics.intrinsic_dimensions.span_name = true;
  Attributes resource;
  resource.Add("rate", AnyValue::Double(1e-9));
  TestSpan own = Named("own");
  own.attributes.Add("rate", AnyValue::Double(1e-8));
  const ProcessorCounts counts = Send(resource, {Named("one"), own, Named("\xff")});
  EXPECT_EQ(counts.multipliers_rejected, 3U);
  EXPECT_THAT(Values(kCalls),
              ElementsAre(Pair(R"(span_name="one")", 1), Pair(R"(span_name="own")", 1)));
}

TEST_F(SpanMetricsTest, TheNewestTraceOfABucketIsItsExemplar) {
  SwitchIntrinsicsOff();
  TestSpan first;
  first.trace_id = "aaaaaaaaaaaaaaaa";
  TestSpan second = first;
  second.trace_id = "bbbbbbbbbbbbbbbb";
  Send({}, {first, second});
  Values(kLatency);
  const std::vector<Exemplar>& exemplars = sink_.Find(kLatency, "")->exemplars;
  ASSERT_EQ(exemplars.size(), 1U);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(exemplars[0].trace_id), kTraceIdSize),
            second.trace_id);
  EXPECT_EQ(exemplars[0].value, 0.01);
  EXPECT_EQ(exemplars[0].timestamp_ms, clock_.WallNanos() / kNanosPerMilli);
}

TEST_F(SpanMetricsTest, LatencyIsANativeHistogramWhenAskedFor) {
  SwitchIntrinsicsOff();
  options_.generate_native_histograms = HistogramKind::kNative;
  options_.span_metrics.span_multiplier_key = "rate";
  TestSpan span;
  span.end_nanos = span.start_nanos + 250'000'000;
  span.attributes.Add("rate", AnyValue::Double(0.4));
  TestSpan empty;
  empty.end_nanos = empty.start_nanos;
  Send({}, {span, empty});
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair("", 3.5)));
  EXPECT_THAT(Values(kLatency), ElementsAre(Pair("", 0.625)));
  const CollectedSeries* latency = sink_.Find(kLatency, "");
  EXPECT_THAT(latency->cumulative, ElementsAre(3.5));
  ASSERT_TRUE(latency->native);
  EXPECT_EQ(latency->native->schema, 3);
  EXPECT_EQ(latency->native->zero_count, 1);
  EXPECT_THAT(latency->native->buckets, ElementsAre(Pair(-16, 2.5)));
}

TEST_F(SpanMetricsTest, NothingCountsBeforeTheCommit) {
  Start();
  const Attributes none;
  const AttributeValues values = none.Wanted(index_);
  session_->StartRequest();
  session_->StartResource({&values, none.all()});
  session_->Span(Named("\xff").View(&values));
  session_->Span(TestSpan().View(&values));
  EXPECT_GT(session_->PendingBytes(), 0U);
  EXPECT_THAT(Values(kCalls), IsEmpty());

  // The request turned out to be broken; the next one does not bring it back.
  session_->StartRequest();
  EXPECT_EQ(session_->PendingBytes(), 0U);
  const ProcessorCounts counts = session_->Commit();
  EXPECT_EQ(Discarded(counts, DiscardReason::kInvalidUtf8), 0U);
  EXPECT_THAT(Values(kCalls), IsEmpty());
}

TEST_F(SpanMetricsTest, ARequestMayBeCommittedInParts) {
  SwitchIntrinsicsOff();
  options_.span_metrics.enable_target_info = true;
  options_.span_metrics.intrinsic_dimensions.span_name = true;
  Start();
  const Attributes resource = {{"service.name", "a"}, {"host", "h"}};
  const AttributeValues resource_values = resource.Wanted(index_);
  const AttributeValues none = Attributes().Wanted(index_);
  const TestSpan good = Named("good");
  const TestSpan bad = Named("\xff");
  session_->StartRequest();
  session_->StartResource({&resource_values, resource.all()});
  session_->Span(good.View(&none));
  session_->Span(bad.View(&none));
  EXPECT_EQ(Discarded(session_->Commit(), DiscardReason::kInvalidUtf8), 1U);
  EXPECT_EQ(session_->PendingBytes(), 0U);
  session_->Span(good.View(&none));
  EXPECT_EQ(Discarded(session_->Commit(), DiscardReason::kInvalidUtf8), 0U);
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair(R"(job="a",span_name="good")", 2)));
  EXPECT_THAT(Values(kTargetInfo), ElementsAre(Pair(R"(host="h",job="a")", 1)));
}

TEST_F(SpanMetricsTest, SessionsOfOneProcessorAddUp) {
  SwitchIntrinsicsOff();
  Start();
  const std::unique_ptr<ProcessorSession> other = processor_->NewSession();
  testing::Process(index_, {{{}, {TestSpan()}}}, session_.get());
  testing::Process(index_, {{{}, {TestSpan(), TestSpan()}}}, other.get());
  EXPECT_THAT(Values(kCalls), ElementsAre(Pair("", 3)));
}

}  // namespace
}  // namespace spanmeter
