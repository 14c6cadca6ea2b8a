#include "registry/series.h"

#include <cstring>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;

class SeriesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    metrics_ = {{"latency", "", MetricType::kHistogram, {1, 2}},
                {"calls_total", "", MetricType::kCounter, {}},
                {"info", "", MetricType::kGauge, {}}};
    layout_ = std::make_unique<SeriesLayout>(&metrics_, &clock_);
    series_ = layout_->New(42, "key", "labels", 1234);
  }
  void TearDown() override { layout_->Delete(series_); }

  uint32_t Observe(double value, double weight = 1) {
    Update update;
    update.metrics = 1;
    update.values[0] = value;
    update.weight = weight;
    return layout_->Apply(update, 0, series_);
  }
  void Mark(double value, char trace, int64_t wall_ms) {
    Update update;
    update.metrics = 1;
    update.values[0] = value;
    const std::string id(kTraceIdSize, trace);
    update.trace_id = id.data();
    layout_->ApplyExemplars(update, wall_ms, series_);
  }
  std::vector<double> Counts() {
    std::vector<double> counts(3);
    layout_->CopyCounts(*series_, 0, counts.data());
    return counts;
  }

  FakeClock clock_;
  std::vector<FamilyMetric> metrics_;
  std::unique_ptr<SeriesLayout> layout_;
  Series* series_ = nullptr;
};

TEST_F(SeriesTest, KeepsWhatItWasBornWith) {
  EXPECT_EQ(series_->hash(), 42u);
  EXPECT_EQ(series_->key(), "key");
  EXPECT_EQ(series_->labels(), "labels");
  EXPECT_EQ(series_->birth_ms(), 1234);
  EXPECT_EQ(series_->present(), 0);
}

TEST_F(SeriesTest, MetricsComeIntoBeingWithTheirFirstUpdate) {
  EXPECT_EQ(Observe(1), 5u) << "three buckets, sum and count";
  EXPECT_EQ(Observe(1), 0u);
  Update update;
  update.metrics = 6;
  update.values = {0, 2, 7};
  EXPECT_EQ(layout_->Apply(update, 5, series_), 2u);
  EXPECT_EQ(series_->present(), 7);
  EXPECT_EQ(series_->last_update_nanos(), 5);
  EXPECT_EQ(layout_->SeriesOf(7), 7u);
}

TEST_F(SeriesTest, UpperBoundsAreInclusive) {
  for (const double value : {0.0, 1.0, 1.0000001, 2.0, 2.0000001, 1e9}) Observe(value);
  EXPECT_THAT(Counts(), ElementsAre(2, 2, 2));
  EXPECT_DOUBLE_EQ(layout_->Value(*series_, 0), 6.0000002 + 1e9);
}

TEST_F(SeriesTest, CountersAddAndGaugesSet) {
  Update update;
  update.metrics = 6;
  update.values = {0, 2.5, 7};
  layout_->Apply(update, 0, series_);
  layout_->Apply(update, 0, series_);
  EXPECT_EQ(layout_->Value(*series_, 1), 5);
  EXPECT_EQ(layout_->Value(*series_, 2), 7);
}

TEST_F(SeriesTest, FractionalWeightsAreExactAndKeepWhatWasCounted) {
  Observe(0.5);
  Observe(1.5, 3);
  Observe(0.5, 0.25);
  Observe(5, 2.5);
  Observe(5);
  EXPECT_THAT(Counts(), ElementsAre(1.25, 3, 3.5));
  EXPECT_DOUBLE_EQ(layout_->Value(*series_, 0), 0.5 + 1.5 * 3 + 0.5 * 0.25 + 5 * 2.5 + 5);
}

TEST_F(SeriesTest, CountsPassThirtyTwoBitsWithoutLoss) {
  Observe(0.5, 4294967295.0);
  EXPECT_THAT(Counts(), ElementsAre(4294967295.0, 0, 0));
  Observe(0.5);
  Observe(0.5);
  EXPECT_THAT(Counts(), ElementsAre(4294967297.0, 0, 0));
}

TEST_F(SeriesTest, AWholeWeightThatDoesNotFitWidens) {
  Observe(0.5, 3);
  Observe(0.5, 4294967295.0);
  EXPECT_THAT(Counts(), ElementsAre(4294967298.0, 0, 0));
}

TEST_F(SeriesTest, EachBucketKeepsItsNewestExemplar) {
  Mark(5, 'a', 10);
  Mark(0.5, 'b', 11);
  Mark(0.7, 'c', 12);
  std::vector<Exemplar> exemplars;
  layout_->CopyExemplars(*series_, 0, &exemplars);
  ASSERT_EQ(exemplars.size(), 2u);
  EXPECT_EQ(exemplars[0].bucket, 0u);
  EXPECT_EQ(exemplars[0].value, 0.7);
  EXPECT_EQ(exemplars[0].timestamp_ms, 12);
  EXPECT_EQ(exemplars[0].trace_id[0], 'c');
  EXPECT_EQ(exemplars[1].bucket, 2u);
  EXPECT_EQ(exemplars[1].value, 5);
}

TEST(SeriesLayoutTest, MoreExemplarBucketsThanPlacesAreLeftOut) {
  std::vector<double> bounds;
  for (size_t i = 0; i < kMaxHistogramBounds; ++i) bounds.push_back(static_cast<double>(i));
  const std::vector<FamilyMetric> metrics = {{"a", "", MetricType::kHistogram, bounds},
                                             {"b", "", MetricType::kHistogram, bounds}};
  const FakeClock clock;
  const SeriesLayout layout(&metrics, &clock);
  Series* series = layout.New(1, "", "", 0);
  const std::string id(kTraceIdSize, 'x');
  for (size_t i = 0; i <= kMaxHistogramBounds; ++i) {
    Update update;
    update.metrics = 3;
    update.values = {static_cast<double>(i), static_cast<double>(i)};
    update.trace_id = id.data();
    layout.Apply(update, 0, series);
    layout.ApplyExemplars(update, 1, series);
  }
  std::vector<Exemplar> exemplars;
  layout.CopyExemplars(*series, 0, &exemplars);
  layout.CopyExemplars(*series, 1, &exemplars);
  EXPECT_EQ(exemplars.size(), 255u);
  layout.Delete(series);
}

TEST(SeriesLayoutTest, AHistogramWithoutBoundsHasOneBucket) {
  const std::vector<FamilyMetric> metrics = {{"a", "", MetricType::kHistogram, {}}};
  const FakeClock clock;
  const SeriesLayout layout(&metrics, &clock);
  Series* series = layout.New(1, "k", "l", 0);
  Update update;
  update.metrics = 1;
  update.values[0] = 3;
  for (const double weight : {1.0, 0.5}) {
    update.weight = weight;
    layout.Apply(update, 0, series);
  }
  double count = 0;
  layout.CopyCounts(*series, 0, &count);
  EXPECT_EQ(count, 1.5);
  EXPECT_EQ(layout.SeriesOf(1), 3u);
  layout.Delete(series);
}

}  // namespace
}  // namespace spanmeter
