// Native histograms in every format.

#include <array>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "exposition/parse_protobuf.h"
#include "exposition/render.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

constexpr int64_t kCreatedMs = 1'700'000'000'250;

Exemplar MakeExemplar(uint8_t first_byte, double value, int64_t timestamp_ms) {
  Exemplar exemplar;
  exemplar.value = value;
  exemplar.timestamp_ms = timestamp_ms;
  exemplar.trace_id[0] = first_byte;
  return exemplar;
}

// A histogram without classic buckets, and what belongs to it.
struct NativeOnly {
  NativeOnly() {
    native.schema = 3;
    native.zero_threshold = 0x1p-128;
  }

  std::string Render(const EncoderOptions& options) {
    return spanmeter::Render(options, [this](SampleSink* sink) {
      MetricInfo info = Info("latency", MetricType::kHistogram);
      info.classic = false;
      ASSERT_TRUE(sink->BeginMetric(info));
      double count = native.zero_count;
      for (const NativeBucket& bucket : buckets) count += bucket.count;
      native.buckets = buckets;
      native.exemplars = exemplars;
      const std::array<double, 1> counts = {count};
      const std::span<const Exemplar> all = exemplars;
      const HistogramPoint point = {counts, 12.25, all.last(all.empty() ? 0 : 1), &native};
      ASSERT_TRUE(sink->Histogram(R"(service="x")", point, kCreatedMs));
    });
  }
  pb::Histogram AsProtobuf() {
    EncoderOptions options;
    options.format = ExpositionFormat::kProtobuf;
    const auto families = ParseProtobuf(Render(options));
    EXPECT_EQ(families.at(0).type(), pb::HISTOGRAM);
    EXPECT_EQ(families.at(0).metric(0).label(0).value(), "x");
    return families.at(0).metric(0).histogram();
  }

  NativeHistogramPoint native;
  std::vector<NativeBucket> buckets;
  std::vector<Exemplar> exemplars;
};

std::vector<std::pair<int, unsigned>> SpansOf(const pb::Histogram& histogram) {
  std::vector<std::pair<int, unsigned>> spans;
  for (const pb::BucketSpan& span : histogram.positive_span()) {
    spans.emplace_back(span.offset(), span.length());
  }
  return spans;
}

TEST(NativeHistogramFormat, ProtobufHasSpansAndDeltas) {
  // The recorded session's first histogram, with its spans and deltas.
  NativeOnly sample;
  sample.native.zero_count = 2;
  sample.buckets = {{-79, 1}, {-53, 2}, {0, 1}, {1, 1}, {54, 1}};
  const pb::Histogram histogram = sample.AsProtobuf();
  EXPECT_EQ(histogram.sample_count(), 8u);
  EXPECT_EQ(histogram.sample_count_float(), 0);
  EXPECT_EQ(histogram.sample_sum(), 12.25);
  EXPECT_EQ(histogram.schema(), 3);
  EXPECT_EQ(histogram.zero_threshold(), 2.938735877055719e-39);
  EXPECT_EQ(histogram.zero_count(), 2u);
  EXPECT_EQ(histogram.zero_count_float(), 0);
  EXPECT_THAT(SpansOf(histogram), ElementsAre(Pair(-79, 1), Pair(25, 1), Pair(52, 2), Pair(52, 1)));
  EXPECT_THAT(histogram.positive_delta(), ElementsAre(1, 1, -1, 0, 0));
  EXPECT_EQ(histogram.positive_count_size(), 0);
  EXPECT_EQ(histogram.bucket_size(), 0);
  EXPECT_EQ(histogram.start_timestamp().seconds(), 1'700'000'000);
  EXPECT_EQ(histogram.start_timestamp().nanos(), 250'000'000);
}

TEST(NativeHistogramFormat, ProtobufHasFloatsWhenACountIsFractional) {
  NativeOnly sample;
  sample.native.schema = -2;
  sample.native.zero_count = 3;
  sample.buckets = {{-1, 2.25}, {0, 4}};
  const pb::Histogram histogram = sample.AsProtobuf();
  EXPECT_EQ(histogram.sample_count(), 0u);
  EXPECT_EQ(histogram.sample_count_float(), 9.25);
  EXPECT_EQ(histogram.schema(), -2);
  EXPECT_EQ(histogram.zero_count(), 0u);
  EXPECT_EQ(histogram.zero_count_float(), 3);
  EXPECT_THAT(SpansOf(histogram), ElementsAre(Pair(-1, 2)));
  EXPECT_EQ(histogram.positive_delta_size(), 0);
  EXPECT_THAT(histogram.positive_count(), ElementsAre(2.25, 4));
}

TEST(NativeHistogramFormat, ProtobufHasFloatsWhenFractionsAddUpToAWhole) {
  NativeOnly sample;
  sample.buckets = {{1, 2.5}, {2, 1.5}};
  const pb::Histogram histogram = sample.AsProtobuf();
  EXPECT_EQ(histogram.sample_count_float(), 4) << "by which readers know where the counts are";
  EXPECT_THAT(histogram.positive_count(), ElementsAre(2.5, 1.5));
}

TEST(NativeHistogramFormat, ProtobufHasFloatsWhenOnlyTheZeroCountIsFractional) {
  NativeOnly sample;
  sample.native.zero_count = 0.5;
  const pb::Histogram histogram = sample.AsProtobuf();
  EXPECT_EQ(histogram.sample_count_float(), 0.5);
  EXPECT_EQ(histogram.zero_count_float(), 0.5);
}

TEST(NativeHistogramFormat, ProtobufHasFloatsForCountsBeyondIntegers) {
  NativeOnly sample;
  sample.buckets = {{1, 3e19}};
  EXPECT_THAT(sample.AsProtobuf().positive_count(), ElementsAre(3e19));
  sample.buckets = {{1, 4e18}};
  EXPECT_THAT(sample.AsProtobuf().positive_delta(),
              ElementsAre(int64_t{4'000'000'000'000'000'000}));
}

TEST(NativeHistogramFormat, ProtobufHasAnEmptySpanWithoutBuckets) {
  NativeOnly sample;
  sample.native.zero_count = 7;
  const pb::Histogram histogram = sample.AsProtobuf();
  EXPECT_EQ(histogram.sample_count(), 7u);
  EXPECT_EQ(histogram.zero_count(), 7u);
  EXPECT_THAT(SpansOf(histogram), ElementsAre(Pair(0, 0)));
  EXPECT_EQ(histogram.positive_delta_size(), 0);
}

TEST(NativeHistogramFormat, ProtobufHasTheExemplarsApartFromBuckets) {
  NativeOnly sample;
  sample.buckets = {{1, 2}};
  sample.exemplars = {MakeExemplar(0xab, 1.0625, 1'700'000'000'123),
                      MakeExemplar(0xcd, 1.03125, 1'700'000'001'000)};
  const pb::Histogram histogram = sample.AsProtobuf();
  ASSERT_EQ(histogram.exemplars_size(), 2);
  EXPECT_EQ(histogram.exemplars(0).label(0).name(), "traceID");
  EXPECT_EQ(histogram.exemplars(0).label(0).value(), "ab000000000000000000000000000000");
  EXPECT_EQ(histogram.exemplars(0).value(), 1.0625);
  EXPECT_EQ(histogram.exemplars(0).timestamp().seconds(), 1'700'000'000);
  EXPECT_EQ(histogram.exemplars(0).timestamp().nanos(), 123'000'000);
  EXPECT_EQ(histogram.exemplars(1).label(0).value(), "cd000000000000000000000000000000");
}

TEST(NativeHistogramFormat, ProtobufOfManyBucketsIsRead) {
  NativeOnly sample;
  for (int i = 0; i < 1000; ++i) {
    // Spans of their own, far apart, with counts that make long deltas.
    sample.buckets.push_back({-200'000 + 400 * i, i % 2 == 0 ? 1e15 : 1});
  }
  const pb::Histogram histogram = sample.AsProtobuf();
  EXPECT_EQ(histogram.positive_span_size(), 1000);
  EXPECT_EQ(histogram.positive_delta_size(), 1000);
  std::map<int64_t, int64_t> counts;
  int64_t index = 0;
  int64_t count = 0;
  for (int i = 0; i < 1000; ++i) {
    index += histogram.positive_span(i).offset();
    count += histogram.positive_delta(i);
    counts[index++] = count;
  }
  for (const NativeBucket& bucket : sample.buckets) {
    ASSERT_EQ(counts[bucket.index], static_cast<int64_t>(bucket.count)) << bucket.index;
  }
}

TEST(NativeHistogramFormat, ProtobufOfBothHasClassicBucketsWithTheirExemplars) {
  const auto families = ParseProtobuf(Render(ExpositionFormat::kProtobuf, [](SampleSink* sink) {
    MetricInfo info = Info("latency", MetricType::kHistogram);
    info.bounds = {0.5};
    sink->BeginMetric(info);
    const std::array<double, 2> counts = {1, 3};
    Exemplar exemplar = MakeExemplar(0xab, 0.75, kCreatedMs);
    exemplar.bucket = 1;
    const std::array<Exemplar, 1> exemplars = {exemplar};
    const std::array<NativeBucket, 2> buckets = {{{-1, 1}, {0, 2}}};
    NativeHistogramPoint native;
    native.buckets = buckets;
    sink->Histogram("", {counts, 2, exemplars, &native}, 0);
  }));
  const pb::Histogram& histogram = families.at(0).metric(0).histogram();
  EXPECT_EQ(histogram.sample_count(), 3u);
  ASSERT_EQ(histogram.bucket_size(), 2);
  EXPECT_EQ(histogram.bucket(0).cumulative_count(), 1u);
  EXPECT_FALSE(histogram.bucket(0).has_exemplar());
  EXPECT_EQ(histogram.bucket(1).cumulative_count(), 3u);
  EXPECT_EQ(histogram.bucket(1).exemplar().value(), 0.75);
  EXPECT_THAT(SpansOf(histogram), ElementsAre(Pair(-1, 2)));
  EXPECT_THAT(histogram.positive_delta(), ElementsAre(1, 1));
  EXPECT_EQ(histogram.exemplars_size(), 0);
}

TEST(NativeHistogramFormat, ClassicHistogramsHaveNothingNativeInProtobuf) {
  const auto families = ParseProtobuf(Render(ExpositionFormat::kProtobuf, [](SampleSink* sink) {
    MetricInfo info = Info("latency", MetricType::kHistogram);
    sink->BeginMetric(info);
    const std::array<double, 1> counts = {1};
    sink->Histogram("", {counts, 2, {}}, 0);
  }));
  const pb::Histogram& histogram = families.at(0).metric(0).histogram();
  EXPECT_EQ(histogram.bucket_size(), 1);
  EXPECT_EQ(histogram.zero_threshold(), 0);
  EXPECT_EQ(histogram.positive_span_size(), 0);
}

TEST(NativeHistogramFormat, TextShowsTheBucketOfEverything) {
  NativeOnly sample;
  sample.native.zero_count = 0.5;
  sample.buckets = {{1, 2}};
  sample.exemplars = {MakeExemplar(1, 1, 0)};
  EXPECT_EQ(sample.Render({}),
            "# HELP latency Help.\n"
            "# TYPE latency histogram\n"
            "latency_bucket{service=\"x\",le=\"+Inf\"} 2.5\n"
            "latency_sum{service=\"x\"} 12.25\n"
            "latency_count{service=\"x\"} 2.5\n");
}

TEST(NativeHistogramFormat, OpenMetricsHasTheNewestExemplarAtTheBucketOfEverything) {
  NativeOnly sample;
  sample.buckets = {{1, 2}};
  sample.exemplars = {MakeExemplar(1, 1.03125, 1'700'000'000'000),
                      MakeExemplar(0xab, 1.0625, 1'700'000'000'123)};
  EncoderOptions options;
  options.format = ExpositionFormat::kOpenMetrics;
  options.created = true;
  EXPECT_EQ(sample.Render(options),
            "# HELP latency Help.\n"
            "# TYPE latency histogram\n"
            "latency_bucket{service=\"x\",le=\"+Inf\"} 2 "
            "# {traceID=\"ab000000000000000000000000000000\"} 1.0625 1700000000.123\n"
            "latency_sum{service=\"x\"} 12.25\n"
            "latency_count{service=\"x\"} 2\n"
            "latency_created{service=\"x\"} 1700000000.250\n"
            "# EOF\n");
}

}  // namespace
}  // namespace spanmeter
