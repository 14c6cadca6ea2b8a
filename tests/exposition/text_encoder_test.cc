#include <array>
#include <clocale>
#include <limits>
#include <locale>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/exposition.h"

#include "exposition/chunk_output.h"
#include "exposition/render.h"

namespace spanmeter {
namespace {

constexpr ExpositionFormat kText = ExpositionFormat::kText;
constexpr ExpositionFormat kOpenMetrics = ExpositionFormat::kOpenMetrics;

MetricInfo LatencyInfo() {
  MetricInfo info = Info("latency", MetricType::kHistogram, "Seconds.");
  info.bounds = {0.002, 1, 2.5};
  return info;
}

Exemplar MakeExemplar(uint32_t bucket, double value, int64_t timestamp_ms) {
  Exemplar exemplar;
  exemplar.bucket = bucket;
  exemplar.value = value;
  exemplar.timestamp_ms = timestamp_ms;
  for (size_t i = 0; i < kTraceIdSize; ++i) {
    exemplar.trace_id[i] = static_cast<uint8_t>(0x10 * i + i);
  }
  return exemplar;
}

TEST(TextFormat, WritesEveryKindOfMetric) {
  const std::string body = Render(kText, [](SampleSink* sink) {
    sink->BeginMetric(Info("calls_total", MetricType::kCounter));
    sink->Number(R"(service="a")", 3, 1'700'000'000'000);
    sink->Number("", 0.5, 0);
    sink->BeginMetric(Info("target_info", MetricType::kGauge, ""));
    sink->Number(R"(job="x")", 1, 0);
    sink->BeginMetric(Info("odd", MetricType::kUntyped));
    sink->Number("", -1, 0);
    sink->BeginMetric(LatencyInfo());
    const std::array<double, 4> counts = {1, 1, 3, 7};
    const std::array<Exemplar, 1> exemplars = {MakeExemplar(1, 0.5, 1'700'000'000'123)};
    sink->Histogram(R"(service="a")", {counts, 12.25, exemplars}, 1'700'000'000'000);
    sink->Histogram("", {counts, 4, {}}, 0);
  });
  EXPECT_EQ(body,
            R"(# HELP calls_total Help.
# TYPE calls_total counter
calls_total{service="a"} 3
calls_total 0.5
# TYPE target_info gauge
target_info{job="x"} 1
# HELP odd Help.
# TYPE odd untyped
odd -1
# HELP latency Seconds.
# TYPE latency histogram
latency_bucket{service="a",le="0.002"} 1
latency_bucket{service="a",le="1"} 1
latency_bucket{service="a",le="2.5"} 3
latency_bucket{service="a",le="+Inf"} 7
latency_sum{service="a"} 12.25
latency_count{service="a"} 7
latency_bucket{le="0.002"} 1
latency_bucket{le="1"} 1
latency_bucket{le="2.5"} 3
latency_bucket{le="+Inf"} 7
latency_sum 4
latency_count 7
)");
}

TEST(OpenMetricsFormat, WritesEveryKindOfMetric) {
  const std::string body = Render(kOpenMetrics, [](SampleSink* sink) {
    sink->BeginMetric(Info("calls_total", MetricType::kCounter));
    sink->Number(R"(service="a")", 3, 1'700'000'000'000);
    sink->BeginMetric(Info("target_info", MetricType::kGauge, ""));
    sink->Number(R"(job="x")", 1, 0);
    sink->BeginMetric(Info("odd", MetricType::kUntyped));
    sink->Number("", -1, 0);
    sink->BeginMetric(Info("counted", MetricType::kCounter));
    sink->Number("", 2, 0);
    sink->BeginMetric(LatencyInfo());
    const std::array<double, 4> counts = {1, 1, 3, 7};
    const std::array<Exemplar, 2> exemplars = {MakeExemplar(1, 0.5, 1'700'000'000'123),
                                               MakeExemplar(3, 8, 1'700'000'001'000)};
    sink->Histogram(R"(service="a")", {counts, 12.25, exemplars}, 1'700'000'000'000);
  });
  EXPECT_EQ(body,
            R"(# HELP calls Help.
# TYPE calls counter
calls_total{service="a"} 3
# TYPE target_info gauge
target_info{job="x"} 1
# HELP odd Help.
# TYPE odd unknown
odd -1
# HELP counted Help.
# TYPE counted unknown
counted 2
# HELP latency Seconds.
# TYPE latency histogram
latency_bucket{service="a",le="0.002"} 1
latency_bucket{service="a",le="1.0"} 1 # {traceID="00112233445566778899aabbccddeeff"} 0.5 1700000000.123
latency_bucket{service="a",le="2.5"} 3
latency_bucket{service="a",le="+Inf"} 7 # {traceID="00112233445566778899aabbccddeeff"} 8 1700000001.000
latency_sum{service="a"} 12.25
latency_count{service="a"} 7
# EOF
)");
}

TEST(OpenMetricsFormat, CreatedSamplesWhenAskedFor) {
  EncoderOptions options;
  options.format = kOpenMetrics;
  options.created = true;
  const std::string body = Render(options, [](SampleSink* sink) {
    sink->BeginMetric(Info("calls_total", MetricType::kCounter, ""));
    sink->Number(R"(service="a")", 3, 1'700'000'000'001);
    sink->Number(R"(service="b")", 4, 0);
    MetricInfo latency = LatencyInfo();
    latency.bounds.clear();
    sink->BeginMetric(latency);
    const std::array<double, 1> counts = {1};
    sink->Histogram("", {counts, 1, {}}, 1'700'000'000'002);
    sink->BeginMetric(Info("size", MetricType::kGauge, ""));
    sink->Number("", 1, 1'700'000'000'003);
  });
  EXPECT_EQ(body,
            R"(# TYPE calls counter
calls_total{service="a"} 3
calls_created{service="a"} 1700000000.001
calls_total{service="b"} 4
# HELP latency Seconds.
# TYPE latency histogram
latency_bucket{le="+Inf"} 1
latency_sum 1
latency_count 1
latency_created 1700000000.002
# TYPE size gauge
size 1
# EOF
)");
}

TEST(TextFormat, CreatedSamplesAreForOpenMetricsOnly) {
  EncoderOptions options;
  options.created = true;
  const std::string body = Render(options, [](SampleSink* sink) {
    sink->BeginMetric(Info("calls_total", MetricType::kCounter, ""));
    sink->Number("", 3, 1'700'000'000'001);
  });
  EXPECT_EQ(body, "# TYPE calls_total counter\ncalls_total 3\n");
}

TEST(TextFormat, ExemplarLabelIsTheMetricsOwn) {
  const std::string body = Render(kOpenMetrics, [](SampleSink* sink) {
    MetricInfo info = LatencyInfo();
    info.exemplar_label = "trace_id";
    info.bounds.clear();
    sink->BeginMetric(info);
    const std::array<double, 1> counts = {1};
    const std::array<Exemplar, 1> exemplars = {MakeExemplar(0, 1, 5)};
    sink->Histogram("", {counts, 1, exemplars}, 0);
  });
  EXPECT_THAT(body,
              testing::HasSubstr(R"( # {trace_id="00112233445566778899aabbccddeeff"} 1 0.005)"));
}

TEST(TextFormat, EmptyRegistryIsAnEmptyBody) {
  EXPECT_EQ(Render(kText, [](SampleSink*) {}), "");
  EXPECT_EQ(Render(kOpenMetrics, [](SampleSink*) {}), "# EOF\n");
}

TEST(TextFormat, MetricWithoutSeriesIsNotMentioned) {
  const auto visit = [](SampleSink* sink) {
    sink->BeginMetric(Info("nothing_total", MetricType::kCounter));
    sink->BeginMetric(LatencyInfo());
  };
  EXPECT_EQ(Render(kText, visit), "");
  EXPECT_EQ(Render(kOpenMetrics, visit), "# EOF\n");
}

TEST(TextFormat, HelpIsEscapedAsEachFormatWants) {
  const auto visit = [](SampleSink* sink) {
    sink->BeginMetric(Info("a", MetricType::kGauge, "Say \"hi\" \\ \n# TYPE b counter"));
    sink->Number("", 1, 0);
  };
  EXPECT_EQ(Render(kText, visit),
            "# HELP a Say \"hi\" \\\\ \\n# TYPE b counter\n# TYPE a gauge\na 1\n");
  EXPECT_EQ(Render(kOpenMetrics, visit),
            "# HELP a Say \\\"hi\\\" \\\\ \\n# TYPE b counter\n# TYPE a gauge\na 1\n# EOF\n");
}

// Labels arrive escaped; nothing in them may be touched.
TEST(TextFormat, LabelBytesAreCopied) {
  std::string labels = "a=\"\\\"} 1\\n\\\\\",b=\"\xc3\xbc\xf0\x9f\x98\x80\",c=\"";
  labels += '\0';
  labels += '"';
  for (const ExpositionFormat format : {kText, kOpenMetrics}) {
    const std::string body = Render(format, [&labels](SampleSink* sink) {
      sink->BeginMetric(Info("a", MetricType::kGauge));
      sink->Number(labels, 1, 0);
    });
    EXPECT_THAT(body, testing::HasSubstr("a{" + labels + "} 1\n"));
  }
}

TEST(TextFormat, SpecialAndFractionalValues) {
  const std::string body = Render(kText, [](SampleSink* sink) {
    const double infinity = std::numeric_limits<double>::infinity();
    MetricInfo info = Info("h", MetricType::kHistogram, "");
    info.bounds = {1};
    sink->BeginMetric(info);
    const std::array<double, 2> counts = {2.5, 1e16};
    sink->Histogram("", {counts, infinity, {}}, 0);
    const std::array<double, 2> more = {0, 0.1};
    sink->Histogram("", {more, std::numeric_limits<double>::quiet_NaN(), {}}, 0);
  });
  EXPECT_EQ(body,
            "# TYPE h histogram\n"
            "h_bucket{le=\"1\"} 2.5\nh_bucket{le=\"+Inf\"} 1e+16\nh_sum +Inf\nh_count 1e+16\n"
            "h_bucket{le=\"1\"} 0\nh_bucket{le=\"+Inf\"} 0.1\nh_sum NaN\nh_count 0.1\n");
}

// A locale whose decimal point is a comma and that groups digits, whether the machine has one
// installed or not.
TEST(TextFormat, LocaleMakesNoDifference) {
  struct CommaNumbers : std::numpunct<char> {
    char do_decimal_point() const override { return ','; }
    char do_thousands_sep() const override { return '.'; }
    std::string do_grouping() const override { return "\3"; }
  };
  const auto visit = [](SampleSink* sink) {
    sink->BeginMetric(LatencyInfo());
    const std::array<double, 4> counts = {1, 1.5, 1000000, 123456789};
    const std::array<Exemplar, 1> exemplars = {MakeExemplar(1, 0.25, 1'700'000'000'123)};
    sink->Histogram("", {counts, 1234.5678, exemplars}, 0);
  };
  const std::string plain = Render(kOpenMetrics, visit);
  const std::locale before = std::locale::global(std::locale(std::locale(), new CommaNumbers));
  const std::string c_before = std::setlocale(LC_ALL, nullptr);
  for (const char* name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"}) {
    if (std::setlocale(LC_ALL, name) != nullptr) break;
  }
  const std::string german = Render(kOpenMetrics, visit);
  std::setlocale(LC_ALL, c_before.c_str());
  std::locale::global(before);
  EXPECT_EQ(german, plain);
  EXPECT_THAT(plain, testing::HasSubstr("latency_sum 1234.5678\n"));
}

struct Chunks {
  std::vector<std::string> chunks;
  size_t accept = std::numeric_limits<size_t>::max();  // further ones are refused

  ByteSink Sink() {
    return [this](std::string_view chunk) {
      chunks.emplace_back(chunk);
      return chunks.size() <= accept;
    };
  }
};

TEST(TextFormat, LargeBodiesComeInChunksOfBoundedSize) {
  Chunks received;
  const std::unique_ptr<Encoder> encoder = NewEncoder({}, received.Sink());
  std::string expected = "# TYPE a gauge\n";
  ASSERT_TRUE(encoder->BeginMetric(Info("a", MetricType::kGauge, "")));
  for (int i = 0; i < 100'000; ++i) {
    const std::string labels = "series=\"" + std::to_string(i) + "\"";
    ASSERT_TRUE(encoder->Number(labels, i, 0));
    expected += "a{" + labels + "} " + std::to_string(i) + "\n";
  }
  ASSERT_TRUE(encoder->Finish());
  ASSERT_GT(expected.size(), 4 * ChunkOutput::kChunkBytes);
  std::string body;
  for (size_t i = 0; i < received.chunks.size(); ++i) {
    EXPECT_LE(received.chunks[i].size(), ChunkOutput::kChunkBytes);
    if (i + 1 < received.chunks.size()) {
      EXPECT_GT(received.chunks[i].size(), ChunkOutput::kChunkBytes / 2);
    }
    body += received.chunks[i];
  }
  EXPECT_TRUE(body == expected);
}

TEST(TextFormat, OneSeriesMayBeLargerThanAChunk) {
  const std::string labels = "a=\"" + std::string(ChunkOutput::kChunkBytes, 'x') + "\"";
  const std::string body = Render(kText, [&labels](SampleSink* sink) {
    sink->BeginMetric(Info("small", MetricType::kGauge, std::string(300'000, 'h')));
    sink->Number("", 1, 0);
    sink->Number(labels, 2, 0);
    MetricInfo info = LatencyInfo();
    sink->BeginMetric(info);
    const std::array<double, 4> counts = {1, 2, 3, 4};
    sink->Histogram(labels, {counts, 5, {}}, 0);
    sink->Histogram("", {counts, 5, {}}, 0);
  });
  EXPECT_THAT(body, testing::StartsWith("# HELP small " + std::string(300'000, 'h') + "\n"));
  EXPECT_TRUE(body.find("\nsmall{" + labels + "} 2\n") != std::string::npos);
  EXPECT_TRUE(body.find("\nlatency_bucket{" + labels + ",le=\"2.5\"} 3\n") != std::string::npos);
  EXPECT_TRUE(body.ends_with("latency_sum 5\nlatency_count 4\n"));
}

class SinkThatGoesAway : public testing::TestWithParam<EncoderOptions> {};

TEST_P(SinkThatGoesAway, EndsTheVisitAndIsNotCalledAgain) {
  Chunks received;
  received.accept = 0;
  const std::unique_ptr<Encoder> encoder = NewEncoder(GetParam(), received.Sink());
  MetricInfo info = LatencyInfo();
  ASSERT_TRUE(encoder->BeginMetric(info));
  const std::array<double, 4> counts = {1, 2, 3, 4};
  // Labels that do not compress, so that output appears in every mode.
  uint64_t state = 1;
  int accepted = 0;
  constexpr int kMany = 200'000;
  for (; accepted < kMany; ++accepted) {
    state = state * 6364136223846793005U + 1442695040888963407U;
    if (!encoder->Histogram("a=\"" + std::to_string(state) + "\"", {counts, 5, {}}, 0)) break;
  }
  EXPECT_LT(accepted, kMany);
  EXPECT_EQ(received.chunks.size(), 1U);
}

std::vector<EncoderOptions> AllModes() {
  std::vector<EncoderOptions> modes;
  for (const ExpositionFormat format : {kText, kOpenMetrics, ExpositionFormat::kProtobuf}) {
    for (const bool gzip : {false, true}) modes.push_back({format, gzip, false});
  }
  return modes;
}

INSTANTIATE_TEST_SUITE_P(EveryMode, SinkThatGoesAway, testing::ValuesIn(AllModes()));

TEST(SinkThatGoesAwayAtTheEnd, FinishReportsIt) {
  for (const EncoderOptions& options : AllModes()) {
    Chunks received;
    received.accept = 0;
    const std::unique_ptr<Encoder> encoder = NewEncoder(options, received.Sink());
    ASSERT_TRUE(encoder->BeginMetric(Info("a", MetricType::kGauge)));
    ASSERT_TRUE(encoder->Number("", 1, 0));
    EXPECT_FALSE(encoder->Finish());
  }
}

}  // namespace
}  // namespace spanmeter
