// Series with native histograms, and metrics with a created time of their own.

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/series.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kBirthMs = FakeClock::kStartWallNanos / kNanosPerMilli;
constexpr NativeHistogramOptions kNative = {
    .schema = 0, .max_buckets = 2, .min_reset_nanos = kNanosPerSecond};

FamilyMetric Histogram(bool classic) {
  FamilyMetric metric = {"latency", "", MetricType::kHistogram, {}};
  if (classic) metric.bounds = {1, 2};
  metric.native = kNative;
  metric.classic = classic;
  return metric;
}

class SeriesNativeTest : public ::testing::Test {
 protected:
  void Create(std::vector<FamilyMetric> metrics) {
    metrics_ = std::move(metrics);
    layout_ = std::make_unique<SeriesLayout>(&metrics_, &clock_);
    series_ = layout_->New(42, "key", "labels", kBirthMs);
  }
  void TearDown() override { layout_->Delete(series_); }

  uint32_t Apply(uint8_t metrics, double value, double weight = 1) {
    Update update;
    update.metrics = metrics;
    update.values.fill(value);
    update.weight = weight;
    const std::string id(kTraceIdSize, 'x');
    update.trace_id = id.data();
    const uint32_t born = layout_->Apply(update, clock_.MonotonicNanos(), series_);
    layout_->ApplyExemplars(update, clock_.WallNanos() / kNanosPerMilli, series_);
    return born;
  }
  // "index:count ..." with the zero bucket before.
  std::string Native(size_t metric = 0) const {
    const NativeHistogram& native = layout_->Native(*series_, metric);
    std::vector<NativeBucket> buckets(native.size());
    native.CopyBuckets(buckets.data());
    std::string text = "zero:" + std::to_string(native.zero_count());
    for (const NativeBucket& bucket : buckets) {
      text += " " + std::to_string(bucket.index) + ":" + std::to_string(bucket.count);
    }
    return text;
  }
  std::vector<double> Counts(size_t metric = 0) const {
    std::vector<double> counts(layout_->metrics[metric].ClassicBuckets());
    layout_->CopyCounts(*series_, metric, counts.data());
    return counts;
  }
  std::vector<double> ExemplarValues(size_t metric = 0) const {
    std::vector<Exemplar> exemplars;
    layout_->CopyExemplars(*series_, metric, &exemplars);
    std::vector<double> values;
    for (const Exemplar& exemplar : exemplars) values.push_back(exemplar.value);
    return values;
  }

  // Two histograms count an observation of this weight and one more, then one starts over.
  void CheckStartingOver(double weight);

  FakeClock clock_;
  std::vector<FamilyMetric> metrics_;
  std::unique_ptr<SeriesLayout> layout_;
  Series* series_ = nullptr;
};

TEST_F(SeriesNativeTest, ANativeHistogramCountsAsOneSeries) {
  Create({Histogram(false), {"calls_total", "", MetricType::kCounter, {}}});
  EXPECT_EQ(Apply(3, 1), 2u);
  EXPECT_EQ(layout_->SeriesOf(1), 1u);
}

TEST_F(SeriesNativeTest, BothCountAsTheSumOfTheTwo) {
  Create({Histogram(true)});
  EXPECT_EQ(Apply(1, 1), 3u + 2 + 1) << "buckets, sum and count, the native one";
}

TEST_F(SeriesNativeTest, NativeOnlyHasNoClassicBuckets) {
  Create({Histogram(false)});
  Apply(1, 0.5);
  Apply(1, 3, 2.5);
  Apply(1, 0);
  EXPECT_THAT(Counts(), IsEmpty());
  EXPECT_EQ(Native(), "zero:1.000000 -1:1.000000 2:2.500000");
  EXPECT_EQ(layout_->Value(*series_, 0), 8);
}

TEST_F(SeriesNativeTest, BothCountTheSameObservations) {
  Create({Histogram(true)});
  Apply(1, 0.5);
  Apply(1, 3, 2.5);
  Apply(1, 0);
  EXPECT_THAT(Counts(), ElementsAre(2, 0, 2.5));
  EXPECT_EQ(Native(), "zero:1.000000 -1:1.000000 2:2.500000");
  EXPECT_EQ(layout_->Value(*series_, 0), 8);
}

TEST_F(SeriesNativeTest, SeveralHistogramsOfASeriesDoNotMix) {
  Create({Histogram(false), Histogram(true), Histogram(false)});
  Apply(1, 1);
  Apply(2, 2);
  Apply(4, 4);
  EXPECT_EQ(Native(0), "zero:0.000000 0:1.000000");
  EXPECT_EQ(Native(1), "zero:0.000000 1:1.000000");
  EXPECT_EQ(Native(2), "zero:0.000000 2:1.000000");
  EXPECT_THAT(Counts(1), ElementsAre(0, 1, 0));
  EXPECT_THAT(ExemplarValues(0), ElementsAre(1));
  EXPECT_THAT(ExemplarValues(1), ElementsAre(2));
  EXPECT_THAT(ExemplarValues(2), ElementsAre(4));
}

TEST_F(SeriesNativeTest, ExemplarsOfBothAreThoseOfTheClassicBuckets) {
  Create({Histogram(true)});
  for (const double value : {4.0, 8.0, 0.5}) Apply(1, value);
  EXPECT_THAT(ExemplarValues(), ElementsAre(0.5, 8));
}

TEST_F(SeriesNativeTest, ExemplarsOfNativeOnlyAreOfDifferentBucketsAtTheConfiguredSchema) {
  Create({Histogram(false)});
  // These two share a bucket once the buckets have become wider.
  for (const double value : {4.0, 8.0, 0.5, 7.5}) Apply(1, value);
  EXPECT_EQ(layout_->Native(*series_, 0).schema(), -2);
  EXPECT_THAT(ExemplarValues(), ElementsAre(4, 0.5, 7.5));
}

void SeriesNativeTest::CheckStartingOver(double weight) {
  Create({Histogram(true), Histogram(true)});
  Apply(3, 0.5, weight);
  Apply(3, 1.5);
  clock_.Advance(kNanosPerSecond);
  Apply(1, 9);
  EXPECT_EQ(Native(0), "zero:0.000000 4:1.000000");
  EXPECT_THAT(Counts(0), ElementsAre(0, 0, 1));
  EXPECT_EQ(layout_->Value(*series_, 0), 9);
  EXPECT_THAT(ExemplarValues(0), ElementsAre(9));
  EXPECT_EQ(layout_->CreatedMs(*series_, 0), kBirthMs + 1000);
  EXPECT_EQ(layout_->SeriesOf(series_->present()), 12u) << "it is there as before";
  // The other histogram is not concerned.
  EXPECT_THAT(Counts(1), ElementsAre(weight, 1, 0));
  EXPECT_THAT(ExemplarValues(1), ElementsAre(0.5, 1.5));
  EXPECT_EQ(layout_->CreatedMs(*series_, 1), kBirthMs);
  // Exemplars come back where they were.
  Apply(1, 9.5);
  Apply(1, 16, 0.5);
  Apply(1, 0.75);
  EXPECT_THAT(ExemplarValues(0), ElementsAre(0.75, 16));
}

TEST_F(SeriesNativeTest, AllOfAHistogramStartsOver) { CheckStartingOver(1); }

TEST_F(SeriesNativeTest, AllOfAHistogramWithFractionsStartsOver) { CheckStartingOver(0.5); }

TEST_F(SeriesNativeTest, NativeOnlyStartsOverWithItsExemplars) {
  Create({Histogram(false)});
  Apply(1, 0.5);
  Apply(1, 1.5);
  clock_.Advance(kNanosPerSecond);
  Apply(1, 9, 0.5);
  EXPECT_EQ(Native(), "zero:0.000000 4:0.500000");
  EXPECT_EQ(layout_->Value(*series_, 0), 4.5);
  EXPECT_THAT(ExemplarValues(), ElementsAre(9));
  EXPECT_EQ(layout_->CreatedMs(*series_, 0), kBirthMs + 1000);
}

TEST_F(SeriesNativeTest, TheCreatedTimeNeverStepsBack) {
  Create({Histogram(false)});
  Apply(1, 0.5);
  Apply(1, 1.5);
  clock_.Advance(kNanosPerSecond);
  clock_.SetWallNanos(kNanosPerSecond);
  Apply(1, 9);
  EXPECT_EQ(layout_->CreatedMs(*series_, 0), kBirthMs);
}

TEST_F(SeriesNativeTest, AMetricThatJoinsIsCreatedWhenItDoes) {
  FamilyMetric failed = {"failed_total", "", MetricType::kCounter, {}};
  failed.joins = true;
  FamilyMetric messaging = Histogram(false);
  messaging.joins = true;
  Create({{"calls_total", "", MetricType::kCounter, {}}, failed, messaging});
  Apply(1, 1);
  clock_.Advance(5 * kNanosPerSecond);
  Apply(3, 1);
  clock_.Advance(5 * kNanosPerSecond);
  Apply(7, 1);
  Apply(7, 1);
  EXPECT_EQ(layout_->CreatedMs(*series_, 0), kBirthMs);
  EXPECT_EQ(layout_->CreatedMs(*series_, 1), kBirthMs + 5000);
  EXPECT_EQ(layout_->CreatedMs(*series_, 2), kBirthMs + 10000);
}

TEST_F(SeriesNativeTest, AMetricThatIsThereFromTheBeginningHasTheSeriesBirth) {
  FamilyMetric failed = {"failed_total", "", MetricType::kCounter, {}};
  failed.joins = true;
  Create({failed, Histogram(true)});
  clock_.Advance(5 * kNanosPerSecond);  // between birth and first update nothing is said
  Apply(3, 1);
  EXPECT_EQ(layout_->CreatedMs(*series_, 0), kBirthMs);
  EXPECT_EQ(layout_->CreatedMs(*series_, 1), kBirthMs);
}

TEST_F(SeriesNativeTest, AJoiningNativeHistogramMayStartOverOnlyAfterItsTime) {
  FamilyMetric messaging = Histogram(false);
  messaging.joins = true;
  Create({{"calls_total", "", MetricType::kCounter, {}}, messaging});
  Apply(1, 1);
  clock_.Advance(kNanosPerSecond);
  for (const double value : {1.0, 2.0, 4.0}) Apply(3, value);
  EXPECT_EQ(Native(1), "zero:0.000000 0:1.000000 1:2.000000") << "wider instead";
}

TEST_F(SeriesNativeTest, ClassicFamiliesPayNothing) {
  Create({{"latency", "", MetricType::kHistogram, {1, 2}},
          {"calls_total", "", MetricType::kCounter, {}}});
  // The header, a counter, a sum, three counts of 4 and three places of 1 byte, rounded up.
  EXPECT_EQ(layout_->tail_offset, 56u + 8 + 8 + 16);
}

}  // namespace
}  // namespace spanmeter
