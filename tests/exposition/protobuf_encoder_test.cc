#include "exposition/protobuf_encoder.h"

#include <array>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "exposition/parse_protobuf.h"
#include "exposition/render.h"

namespace spanmeter {
namespace {

constexpr ExpositionFormat kProtobuf = ExpositionFormat::kProtobuf;

TEST(ProtobufFormat, EmptyRegistryIsAnEmptyBody) {
  EXPECT_EQ(Render(kProtobuf, [](SampleSink*) {}), "");
  EXPECT_EQ(Render(kProtobuf,
                   [](SampleSink* sink) {
                     sink->BeginMetric(Info("nothing_total", MetricType::kCounter));
                   }),
            "");
}

TEST(ProtobufFormat, NumbersOfEveryType) {
  const auto families = ParseProtobuf(Render(kProtobuf, [](SampleSink* sink) {
    sink->BeginMetric(Info("calls_total", MetricType::kCounter, "All \\ calls\n\"here\"."));
    sink->Number(R"(a="1",service="x")", 3.5, 1'700'000'000'123);
    sink->Number("", std::numeric_limits<double>::infinity(), 0);
    sink->BeginMetric(Info("target_info", MetricType::kGauge));
    sink->Number(R"(job="x")", 0, 1'700'000'000'123);
    sink->BeginMetric(Info("odd", MetricType::kUntyped));
    sink->Number("", -1, 0);
  }));
  ASSERT_EQ(families.size(), 3U);

  const pb::MetricFamily& calls = families[0];
  EXPECT_EQ(calls.name(), "calls_total");
  EXPECT_EQ(calls.help(), "All \\ calls\n\"here\".");
  EXPECT_EQ(calls.type(), pb::COUNTER);
  ASSERT_EQ(calls.metric_size(), 2);
  ASSERT_EQ(calls.metric(0).label_size(), 2);
  EXPECT_EQ(calls.metric(0).label(0).name(), "a");
  EXPECT_EQ(calls.metric(0).label(0).value(), "1");
  EXPECT_EQ(calls.metric(0).label(1).name(), "service");
  EXPECT_EQ(calls.metric(0).label(1).value(), "x");
  EXPECT_EQ(calls.metric(0).counter().value(), 3.5);
  EXPECT_EQ(calls.metric(0).counter().start_timestamp().seconds(), 1'700'000'000);
  EXPECT_EQ(calls.metric(0).counter().start_timestamp().nanos(), 123'000'000);
  EXPECT_EQ(calls.metric(1).label_size(), 0);
  EXPECT_EQ(calls.metric(1).counter().value(), std::numeric_limits<double>::infinity());
  EXPECT_FALSE(calls.metric(1).counter().has_start_timestamp());

  EXPECT_EQ(families[1].type(), pb::GAUGE);
  ASSERT_EQ(families[1].metric_size(), 1);
  EXPECT_TRUE(families[1].metric(0).has_gauge());
  EXPECT_EQ(families[1].metric(0).gauge().value(), 0);
  EXPECT_EQ(families[2].type(), pb::UNTYPED);
  EXPECT_EQ(families[2].metric(0).untyped().value(), -1);
}

TEST(ProtobufFormat, LabelValuesAreUnescaped) {
  // Lengths that take two bytes.
  const std::string long_value(300, 'v');
  const std::string quotes(300, '"');
  std::string escaped;
  for (size_t i = 0; i < quotes.size(); ++i) escaped += "\\\"";
  std::string labels = R"(empty="",hostile="\"} 1\n\\",looks="a=\"b\",c=",nul=")";
  labels += '\0';
  labels += "\",long=\"" + long_value + "\",quotes=\"" + escaped + "\",utf8=\"\xc3\xbc\"";
  const auto families = ParseProtobuf(Render(kProtobuf, [&labels](SampleSink* sink) {
    sink->BeginMetric(Info("a", MetricType::kGauge));
    sink->Number(labels, 1, 0);
  }));
  ASSERT_EQ(families.size(), 1U);
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const pb::LabelPair& pair : families[0].metric(0).label()) {
    pairs.emplace_back(pair.name(), pair.value());
  }
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"empty", ""},           {"hostile", "\"} 1\n\\"},
      {"looks", "a=\"b\",c="}, {"nul", std::string(1, '\0')},
      {"long", long_value},    {"quotes", quotes},
      {"utf8", "\xc3\xbc"},
  };
  EXPECT_EQ(pairs, expected);
}

TEST(ProtobufFormat, HistogramsWithExemplars) {
  const auto families = ParseProtobuf(Render(kProtobuf, [](SampleSink* sink) {
    MetricInfo info = Info("latency", MetricType::kHistogram);
    info.bounds = {0.5, 1};
    info.exemplar_label = "trace_id";
    sink->BeginMetric(info);
    const std::array<double, 3> counts = {1, 300, 5'000'000'000};
    Exemplar exemplar;
    exemplar.bucket = 2;
    exemplar.value = 7.5;
    exemplar.timestamp_ms = 1'700'000'000'123;
    exemplar.trace_id[0] = 0xab;
    exemplar.trace_id[15] = 0x01;
    const std::array<Exemplar, 1> exemplars = {exemplar};
    sink->Histogram(R"(service="x")", {counts, 12.25, exemplars}, 1'700'000'000'000);
  }));
  ASSERT_EQ(families.size(), 1U);
  EXPECT_EQ(families[0].type(), pb::HISTOGRAM);
  ASSERT_EQ(families[0].metric_size(), 1);
  const pb::Metric& metric = families[0].metric(0);
  EXPECT_EQ(metric.label(0).value(), "x");
  const pb::Histogram& histogram = metric.histogram();
  EXPECT_EQ(histogram.sample_count(), 5'000'000'000U);
  EXPECT_EQ(histogram.sample_count_float(), 0);
  EXPECT_EQ(histogram.sample_sum(), 12.25);
  EXPECT_EQ(histogram.start_timestamp().seconds(), 1'700'000'000);
  ASSERT_EQ(histogram.bucket_size(), 3);
  EXPECT_EQ(histogram.bucket(0).cumulative_count(), 1U);
  EXPECT_EQ(histogram.bucket(0).upper_bound(), 0.5);
  EXPECT_FALSE(histogram.bucket(0).has_exemplar());
  EXPECT_EQ(histogram.bucket(1).cumulative_count(), 300U);
  EXPECT_EQ(histogram.bucket(2).cumulative_count(), 5'000'000'000U);
  EXPECT_EQ(histogram.bucket(2).upper_bound(), std::numeric_limits<double>::infinity());
  const pb::Exemplar& exemplar = histogram.bucket(2).exemplar();
  ASSERT_EQ(exemplar.label_size(), 1);
  EXPECT_EQ(exemplar.label(0).name(), "trace_id");
  EXPECT_EQ(exemplar.label(0).value(), "ab000000000000000000000000000001");
  EXPECT_EQ(exemplar.value(), 7.5);
  EXPECT_EQ(exemplar.timestamp().seconds(), 1'700'000'000);
  EXPECT_EQ(exemplar.timestamp().nanos(), 123'000'000);
}

TEST(ProtobufFormat, FractionalCountsGoToTheFloatFields) {
  const auto families = ParseProtobuf(Render(kProtobuf, [](SampleSink* sink) {
    MetricInfo info = Info("latency", MetricType::kHistogram);
    info.bounds = {1, 2};
    sink->BeginMetric(info);
    const std::array<double, 3> counts = {2, 2.5, 3e19};
    sink->Histogram("", {counts, 1, {}}, 0);
  }));
  const pb::Histogram& histogram = families.at(0).metric(0).histogram();
  EXPECT_EQ(histogram.bucket(0).cumulative_count(), 2U);
  EXPECT_EQ(histogram.bucket(0).cumulative_count_float(), 0);
  EXPECT_EQ(histogram.bucket(1).cumulative_count(), 3U);
  EXPECT_EQ(histogram.bucket(1).cumulative_count_float(), 2.5);
  EXPECT_EQ(histogram.bucket(2).cumulative_count(), 0U);
  EXPECT_EQ(histogram.bucket(2).cumulative_count_float(), 3e19);
  EXPECT_EQ(histogram.sample_count_float(), 3e19);
}

TEST(ProtobufFormat, LargeFamiliesAreSplitIntoMessagesOfBoundedSize) {
  constexpr int kSeries = 100'000;
  const std::string body = Render(kProtobuf, [](SampleSink* sink) {
    sink->BeginMetric(Info("calls_total", MetricType::kCounter));
    for (int i = 0; i < kSeries; ++i) sink->Number("s=\"" + std::to_string(i) + "\"", i, 0);
    sink->BeginMetric(Info("other", MetricType::kGauge));
    sink->Number("", 1, 0);
  });
  const auto families = ParseProtobuf(body);
  ASSERT_GT(families.size(), 3U);
  int next = 0;
  for (size_t f = 0; f + 1 < families.size(); ++f) {
    EXPECT_EQ(families[f].name(), "calls_total");
    EXPECT_EQ(families[f].help(), "Help.");
    EXPECT_EQ(families[f].type(), pb::COUNTER);
    EXPECT_LT(families[f].ByteSizeLong(), ProtobufEncoder::kMessageBytes + 1024);
    for (const pb::Metric& metric : families[f].metric()) {
      EXPECT_EQ(metric.label(0).value(), std::to_string(next));
      EXPECT_EQ(metric.counter().value(), next);
      ++next;
    }
  }
  EXPECT_EQ(next, kSeries);
  EXPECT_EQ(families.back().name(), "other");
}

}  // namespace
}  // namespace spanmeter
