#include "remote_write/request_encoder.h"

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote_write/decoded_requests.h"

namespace spanmeter {
namespace {

using testing::ElementsAre;

constexpr int64_t kStamp = 1'700'000'000'000;
constexpr int64_t kStart = kStamp - 5000;

MetricInfo Info(const std::string& name, MetricType type, std::vector<double> bounds = {}) {
  MetricInfo info;
  info.name = name;
  info.help = "Help of " + name + ".";
  info.type = type;
  info.bounds = std::move(bounds);
  return info;
}

class RequestEncoderTest : public testing::TestWithParam<Protocol> {
 protected:
  bool v2() const { return GetParam() == Protocol::k2; }
  int64_t start() const { return v2() ? kStart : 0; }

  DecodedRequests Finish() {
    Block block;
    block.protocol = GetParam();
    block.counts = encoder_.counts();
    block.body = encoder_.Finish();
    return DecodeRequests({&block, 1});
  }

  RequestEncoder encoder_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Protocols, RequestEncoderTest, testing::Values(Protocol::k1, Protocol::k2),
                         [](const auto& param) {
                           return param.param == Protocol::k1 ? "v1" : "v2";
                         });

TEST_P(RequestEncoderTest, WritesACounter) {
  const MetricNames metric(Info("calls_total", MetricType::kCounter), 1);
  SeriesLabels labels;
  labels.Parse(R"(service="a",span_name="GET /")");
  encoder_.BeginSeries(labels, SeriesName{&metric});
  encoder_.AddSample(0, kStamp - 1000, 0);
  encoder_.AddSample(17.5, kStamp, kStart);
  encoder_.EndSeries();
  EXPECT_EQ(encoder_.oldest_ms(), kStamp - 1000);
  EXPECT_EQ(encoder_.newest_ms(), kStamp);

  const DecodedRequests requests = Finish();
  ASSERT_EQ(requests.size(), 1u);
  const DecodedSeries& series =
      requests.at(R"(__name__="calls_total",service="a",span_name="GET /")");
  EXPECT_THAT(series.points,
              ElementsAre(DecodedPoint{0, kStamp - 1000, 0}, DecodedPoint{17.5, kStamp, start()}));
  if (!v2()) return;
  EXPECT_EQ(series.type, 1u);
  EXPECT_EQ(series.help, "Help of calls_total.");
}

TEST_P(RequestEncoderTest, PutsNameAndBoundInOrderBetweenTheLabels) {
  const MetricNames metric(Info("latency", MetricType::kHistogram, {0.5, 1}), 1);
  SeriesLabels labels;
  labels.Parse(R"(Upper="1",_a="2",__b="3",k="4",lf="5")");
  const std::vector<std::string> expected = {
      R"(Upper="1",__name__="latency_count",_a="2",__b="3",k="4",lf="5")",
      R"(Upper="1",__name__="latency_bucket",_a="2",__b="3",k="4",le="0.5",lf="5")",
      R"(Upper="1",__name__="latency_bucket",_a="2",__b="3",k="4",le="+Inf",lf="5")"};
  // Sorted, `__b` stands before `__name__` and `_a`.
  labels.Parse(R"(Upper="1",__b="3",_a="2",k="4",lf="5")");
  const SeriesName names[] = {{&metric, SeriesPart::kCount},
                              {&metric, SeriesPart::kBucket, 0},
                              {&metric, SeriesPart::kBucket, 2}};
  for (const SeriesName& name : names) {
    encoder_.BeginSeries(labels, name);
    encoder_.AddSample(1, kStamp, kStart);
    encoder_.EndSeries();
  }
  std::vector<std::string> found;
  for (const auto& [text, series] : Finish()) found.push_back(text);
  EXPECT_THAT(found,
              testing::UnorderedElementsAre(
                  R"(Upper="1",__b="3",__name__="latency_count",_a="2",k="4",lf="5")",
                  R"(Upper="1",__b="3",__name__="latency_bucket",_a="2",k="4",le="0.5",lf="5")",
                  R"(Upper="1",__b="3",__name__="latency_bucket",_a="2",k="4",le="+Inf",lf="5")"));
}

TEST_P(RequestEncoderTest, ResolvesTheEscapesOfValues) {
  const MetricNames metric(Info("m", MetricType::kGauge), 1);
  SeriesLabels labels;
  labels.Parse(R"(a="x\\y\"z\n",b="\\")");
  encoder_.BeginSeries(labels, SeriesName{&metric});
  encoder_.AddSample(1, kStamp, 0);
  encoder_.EndSeries();
  EXPECT_TRUE(Finish().contains("__name__=\"m\",a=\"x\\y\"z\n\",b=\"\\\""));
}

TEST_P(RequestEncoderTest, WritesExemplarsAndSeriesWithoutLabels) {
  MetricInfo info = Info("m", MetricType::kHistogram, {1});
  info.exemplar_label = "trace_id";
  const MetricNames metric(info, 1);
  SeriesLabels labels;
  labels.Parse("");
  Exemplar exemplar;
  exemplar.value = 0.25;
  exemplar.timestamp_ms = kStamp - 7;
  for (size_t i = 0; i < kTraceIdSize; ++i) exemplar.trace_id[i] = static_cast<uint8_t>(0xf0 + i);
  encoder_.BeginSeries(labels, SeriesName{&metric, SeriesPart::kBucket, 0});
  encoder_.AddSample(1, kStamp, kStart);
  encoder_.AddExemplar(metric.exemplar_label, exemplar);
  encoder_.EndSeries();
  const DecodedRequests requests = Finish();
  EXPECT_THAT(requests.at(R"(__name__="m_bucket",le="1")").exemplars,
              ElementsAre(DecodedExemplar{R"(trace_id="f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff")", 0.25,
                                          kStamp - 7}));
}

TEST_P(RequestEncoderTest, WritesNativeHistograms) {
  MetricInfo info = Info("m", MetricType::kHistogram);
  info.classic = false;
  const MetricNames metric(info, 1);
  SeriesLabels labels;
  labels.Parse(R"(a="b")");
  const NativeBucket buckets[] = {{-3, 2}, {-2, 5}, {4, 1}};
  NativeHistogramPoint native;
  native.schema = 3;
  native.zero_threshold = 0.5;
  native.zero_count = 2;
  native.buckets = buckets;
  const double count[] = {10};
  HistogramPoint point = {count, 12.5, {}, &native};
  encoder_.BeginSeries(labels, SeriesName{&metric});
  encoder_.AddEmptyHistogram(3, kStamp - 1000);
  encoder_.AddHistogram(point, kStamp, kStart);
  encoder_.AddStaleHistogram(kStamp + 1);
  encoder_.EndSeries();
  // A fraction makes all counts floats.
  const NativeBucket fractions[] = {{1, 0.5}};
  native.zero_count = 0;
  native.buckets = fractions;
  const double half[] = {0.5};
  labels.Parse(R"(a="c")");
  encoder_.BeginSeries(labels, SeriesName{&metric});
  encoder_.AddHistogram({half, 1, {}, &native}, kStamp, kStart);
  encoder_.EndSeries();

  const DecodedRequests requests = Finish();
  const std::vector<DecodedPoint>& points = requests.at(R"(__name__="m",a="b")").points;
  ASSERT_EQ(points.size(), 3u);
  EXPECT_EQ(points[0], (DecodedPoint{0, kStamp - 1000, 0,
                                     "histogram count_int: 0 schema: 3 zero_count_int: 0"}));
  EXPECT_EQ(
      points[1],
      (DecodedPoint{12.5, kStamp, start(),
                    "histogram count_int: 10 schema: 3 zero_threshold: 0.5 zero_count_int: 2 "
                    "positive_spans { offset: -3 length: 2 } positive_spans { offset: 5 "
                    "length: 1 } positive_deltas: 2 positive_deltas: 3 positive_deltas: -4"}));
  EXPECT_EQ(points[2].timestamp_ms, kStamp + 1);
  EXPECT_EQ(std::bit_cast<uint64_t>(points[2].value), 0x7ff0000000000002u);
  EXPECT_THAT(requests.at(R"(__name__="m",a="c")").points,
              ElementsAre(DecodedPoint{
                  1, kStamp, start(),
                  "histogram count_float: 0.5 schema: 3 zero_threshold: 0.5 zero_count_float: 0 "
                  "positive_spans { offset: 1 length: 1 } positive_counts: 0.5"}));
}

TEST_P(RequestEncoderTest, BeginsANewRequestAfterEach) {
  const MetricNames metric(Info("m", MetricType::kGauge), 1);
  SeriesLabels labels;
  labels.Parse(R"(a="b")");
  for (int i = 0; i < 3; ++i) {
    encoder_.BeginSeries(labels, SeriesName{&metric});
    encoder_.AddSample(i, kStamp + i, 0);
    encoder_.EndSeries();
    const DecodedRequests requests = Finish();
    ASSERT_EQ(requests.size(), 1u);
    EXPECT_THAT(requests.at(R"(__name__="m",a="b")").points,
                ElementsAre(DecodedPoint{static_cast<double>(i), kStamp + i, 0}));
  }
}

TEST(StaleMarker, IsTheNaNThatReceiversKnow) {
  EXPECT_EQ(std::bit_cast<uint64_t>(StaleMarker()), 0x7ff0000000000002u);
  EXPECT_TRUE(std::isnan(StaleMarker()));
}

}  // namespace
}  // namespace spanmeter
