// Reading native histograms and created times through a registry.

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "registry/interrupting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr char kTraceId[] = "0123456789abcdef";
constexpr int64_t kStartMs = FakeClock::kStartWallNanos / kNanosPerMilli;
constexpr double kThreshold = 2.938735877055719e-39;

FamilyMetric Histogram(const std::string& name, bool classic) {
  FamilyMetric metric = {name, "", MetricType::kHistogram, {}};
  if (classic) metric.bounds = {1};
  metric.native = NativeHistogramOptions{
      .schema = 0, .max_buckets = 4, .min_reset_nanos = 10 * kNanosPerSecond};
  metric.classic = classic;
  return metric;
}

// A native histogram comes first, others of every kind after it.
class RegistryNativeVisitTest : public ::testing::Test {
 protected:
  void Create(GeneratorOptions options = {}) {
    options.stale_duration = 60 * kNanosPerSecond;
    registry_ = std::make_unique<Registry>(options, &clock_);
    FamilyOptions family;
    family.labels = {{"a", {}}};
    FamilyMetric failed = {"failed_total", "", MetricType::kCounter, {}};
    failed.joins = true;
    family.metrics = {Histogram("first", false),
                      {"calls_total", "", MetricType::kCounter, {}},
                      Histogram("both", true),
                      Histogram("native", false),
                      failed};
    family_ = registry_->AddFamily(family);
  }
  void Observe(const std::string& label, double value, double weight = 1, uint8_t metrics = 15) {
    batch_.BeginKey();
    batch_.AppendText(label);
    Update& update = batch_.Add(family_);
    update.metrics = metrics;
    update.values = {value, weight, value, value, 1};
    update.weight = weight;
    update.trace_id = kTraceId;
    registry_->Apply(&batch_);
    batch_.Clear();
  }
  CollectingSink Visit() {
    CollectingSink sink;
    EXPECT_TRUE(registry_->Visit(&sink));
    EXPECT_THAT(sink.repeated(), IsEmpty());
    return sink;
  }
  // The three histograms and the counter of each label set tell of the same observations.
  static void ExpectConsistent(const CollectingSink& sink) {
    for (const auto& [labels, calls] : sink.metrics().at("calls_total")) {
      for (const char* const name : {"first", "both", "native"}) {
        const CollectedSeries* series = sink.Find(name, labels);
        ASSERT_NE(series, nullptr) << name << labels;
        EXPECT_EQ(series->count(), calls.value) << name << labels;
        double count = series->native->zero_count;
        for (const auto& [index, n] : series->native->buckets) count += n;
        EXPECT_EQ(count, calls.value) << name << labels;
      }
    }
    EXPECT_THAT(sink.repeated(), IsEmpty());
  }

  FakeClock clock_;
  std::unique_ptr<Registry> registry_;
  FamilyId family_ = 0;
  UpdateBatch batch_;
};

TEST_F(RegistryNativeVisitTest, PresentsNativeHistogramsInEveryPlace) {
  Create();
  for (const double value : {0.0, 0.5, 3.0, 3.5}) Observe("x", value);
  Observe("x", 8, 2.5);
  const CollectingSink sink = Visit();
  ExpectConsistent(sink);
  for (const char* const name : {"first", "both", "native"}) {
    const CollectedSeries* series = sink.Find(name, R"(a="x")");
    ASSERT_NE(series, nullptr) << name;
    ASSERT_TRUE(series->native) << name;
    EXPECT_EQ(series->value, 27);
    EXPECT_EQ(series->created_ms, kStartMs);
    EXPECT_EQ(series->native->schema, 0);
    EXPECT_EQ(series->native->zero_threshold, kThreshold);
    EXPECT_EQ(series->native->zero_count, 1);
    EXPECT_THAT(series->native->buckets, ElementsAre(Pair(-1, 1), Pair(2, 2), Pair(3, 2.5)));
  }
  EXPECT_THAT(sink.Find("first", R"(a="x")")->cumulative, ElementsAre(6.5));
  EXPECT_THAT(sink.Find("both", R"(a="x")")->cumulative, ElementsAre(2, 6.5));
}

TEST_F(RegistryNativeVisitTest, TheInfinityBucketOfNativeOnlyHasTheNewestExemplar) {
  Create();
  for (const double value : {0.5, 8.0, 3.0}) Observe("x", value);
  const CollectingSink sink = Visit();
  for (const char* const name : {"first", "native"}) {
    const CollectedSeries* series = sink.Find(name, R"(a="x")");
    EXPECT_EQ(series->native->exemplars.size(), 3u) << name;
    ASSERT_EQ(series->exemplars.size(), 1u) << name;
    EXPECT_EQ(series->exemplars[0].value, 3) << name;
    EXPECT_EQ(series->exemplars[0].bucket, 0u) << name;
  }
  const CollectedSeries* both = sink.Find("both", R"(a="x")");
  EXPECT_THAT(both->native->exemplars, IsEmpty()) << "they are at the classic buckets";
  EXPECT_EQ(both->exemplars.size(), 2u);
}

TEST_F(RegistryNativeVisitTest, AllMetricsBelongToOneInstant) {
  Create();
  for (int i = 0; i < 300; ++i) Observe("k" + std::to_string(i), 0.5);
  int samples = 0;
  double value = 1;
  InterruptingSink sink([&](const std::string&) {
    // New buckets, wider ones, and histograms that start over.
    if (++samples % 20 == 0) {
      value = value > 1e9 ? 0.001 : value * 2;
      for (int i = 0; i < 300; ++i) Observe("k" + std::to_string(i), value, 0.5);
      clock_.Advance(kNanosPerSecond / 4);
    }
    return true;
  });
  // A histogram that starts over has a smaller count than the counter by its side: compare the
  // three with each other.
  EXPECT_TRUE(registry_->Visit(&sink));
  for (const auto& [labels, first] : sink.collected.metrics().at("first")) {
    for (const char* const name : {"both", "native"}) {
      const CollectedSeries* series = sink.collected.Find(name, labels);
      ASSERT_NE(series, nullptr) << name << labels;
      EXPECT_EQ(series->count(), first.count()) << name << labels;
      EXPECT_EQ(series->value, first.value) << name << labels;
      EXPECT_EQ(series->created_ms, first.created_ms) << name << labels;
      EXPECT_EQ(series->native->schema, first.native->schema) << name << labels;
      EXPECT_EQ(series->native->buckets, first.native->buckets) << name << labels;
    }
  }
  EXPECT_GT(samples, 1000);
  EXPECT_THAT(sink.collected.repeated(), IsEmpty());
}

TEST_F(RegistryNativeVisitTest, ExemplarsAreOfObservationsThatAreCounted) {
  Create();
  for (const double value : {0.25, 0.5, 1.0, 2.0}) Observe("x", value);
  InterruptingSink sink([&](const std::string& metric) {
    if (metric != "first") return true;
    // All histograms start over after they were noted.
    clock_.Advance(10 * kNanosPerSecond);
    Observe("x", 4);
    Observe("x", 0);
    Observe("x", 0.5);
    return true;
  });
  EXPECT_TRUE(registry_->Visit(&sink));
  const CollectedSeries* both = sink.collected.Find("both", R"(a="x")");
  EXPECT_THAT(both->cumulative, ElementsAre(3, 4));
  ASSERT_EQ(both->exemplars.size(), 2u);
  EXPECT_EQ(both->exemplars[0].value, 0.5);
  const CollectedSeries* native = sink.collected.Find("native", R"(a="x")");
  ASSERT_EQ(native->native->exemplars.size(), 1u) << "neither 4 nor 0 was counted when noted";
  EXPECT_EQ(native->native->exemplars[0].value, 0.5);
}

TEST_F(RegistryNativeVisitTest, CreatedTimesFollowWhatStartsOver) {
  Create();
  for (const double value : {0.25, 0.5, 1.0, 2.0}) Observe("x", value);
  clock_.Advance(12 * kNanosPerSecond);
  Observe("x", 0.5, 1, 31);
  clock_.Advance(kNanosPerSecond);
  Observe("x", 4, 1, 4);
  const CollectingSink sink = Visit();
  EXPECT_EQ(sink.Find("calls_total", R"(a="x")")->created_ms, kStartMs);
  EXPECT_EQ(sink.Find("failed_total", R"(a="x")")->created_ms, kStartMs + 12'000);
  EXPECT_EQ(sink.Find("first", R"(a="x")")->created_ms, kStartMs);
  EXPECT_EQ(sink.Find("both", R"(a="x")")->created_ms, kStartMs + 13'000);
  EXPECT_THAT(sink.Find("both", R"(a="x")")->cumulative, ElementsAre(0, 1));
}

TEST_F(RegistryNativeVisitTest, TheOverflowSeriesHasNativeHistogramsToo) {
  GeneratorOptions options;
  options.max_active_series = 1;
  Create(options);
  for (int i = 0; i < 10; ++i) Observe("k" + std::to_string(i), i < 4 ? 0.5 : 3);
  const CollectingSink sink = Visit();
  ExpectConsistent(sink);
  for (const char* const name : {"first", "both", "native"}) {
    const CollectedSeries* series = sink.Find(name, R"(metric_overflow="true")");
    ASSERT_NE(series, nullptr) << name;
    EXPECT_THAT(series->native->buckets, ElementsAre(Pair(-1, 4), Pair(2, 6))) << name;
    EXPECT_EQ(series->created_ms, kStartMs);
  }
}

TEST_F(RegistryNativeVisitTest, LimitsCountNativeAndClassicBuckets) {
  Create();
  Observe("x", 1);
  // A native one, a counter, two buckets with sum and count and a native one, another native one.
  EXPECT_EQ(registry_->GetStats().active_series, 1u + 1 + (2 + 2 + 1) + 1);
}

TEST_F(RegistryNativeVisitTest, ManyLabelSetsWithManyBucketsAreReadCompletely) {
  GeneratorOptions options;
  registry_ = std::make_unique<Registry>(options, &clock_);
  FamilyOptions family;
  family.labels = {{"a", {}}};
  FamilyMetric native = Histogram("native", false);
  native.native = NativeHistogramOptions{.schema = 8, .max_buckets = 0, .min_reset_nanos = 0};
  family.metrics = {{"size_total", "", MetricType::kCounter, {}},
                    {"calls_total", "", MetricType::kCounter, {}},
                    native};
  family_ = registry_->AddFamily(family);
  // More than one block of the reader's memory, in both lists.
  for (int i = 0; i < 40; ++i) {
    double value = 1;
    for (int n = 0; n < 400 + i; ++n, value *= 1.005) {
      Observe("k" + std::to_string(i), value, 1, 7);
    }
  }
  for (int i = 0; i < 20'000; ++i) Observe("few" + std::to_string(i), 1, 1, 7);
  const CollectingSink sink = Visit();
  for (int i = 0; i < 40; ++i) {
    const CollectedSeries* series = sink.Find("native", "a=\"k" + std::to_string(i) + "\"");
    ASSERT_NE(series, nullptr);
    EXPECT_EQ(series->native->buckets.size(), 400u + static_cast<size_t>(i));
    EXPECT_EQ(series->count(), 400 + i);
  }
  EXPECT_EQ(sink.metrics().at("native").size(), 20'040u);
}

}  // namespace
}  // namespace spanmeter
