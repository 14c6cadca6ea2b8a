#include "processors/histogram_metric.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::vector<double> kConfigured = {2, std::numeric_limits<double>::infinity(), 0.5};

TEST(HistogramMetric, IsClassicByDefault) {
  const FamilyMetric metric = MakeHistogram("latency", "Help.", kConfigured, {});
  EXPECT_EQ(metric.name, "latency");
  EXPECT_EQ(metric.help, "Help.");
  EXPECT_EQ(metric.type, MetricType::kHistogram);
  EXPECT_TRUE(metric.classic);
  EXPECT_FALSE(metric.native);
}

TEST(HistogramMetric, SortsBoundsAndLeavesInfinityOut) {
  EXPECT_THAT(MakeHistogram("a", "", kConfigured, {}).bounds, ElementsAre(0.5, 2));
  EXPECT_THAT(HistogramBounds({}), IsEmpty());
}

TEST(HistogramMetric, NativeHasNoBounds) {
  GeneratorOptions options;
  options.generate_native_histograms = HistogramKind::kNative;
  const FamilyMetric metric = MakeHistogram("a", "", kConfigured, options);
  EXPECT_FALSE(metric.classic);
  EXPECT_THAT(metric.bounds, IsEmpty());
  ASSERT_TRUE(metric.native);
  EXPECT_EQ(metric.native->schema, 3);
  EXPECT_EQ(metric.native->max_buckets, 100u);
  EXPECT_EQ(metric.native->min_reset_nanos, int64_t{15} * 60 * 1'000'000'000);
}

TEST(HistogramMetric, BothHasBoundsToo) {
  GeneratorOptions options;
  options.generate_native_histograms = HistogramKind::kBoth;
  options.native_histogram_bucket_factor = 2;
  options.native_histogram_max_bucket_number = uint64_t{1} << 40;
  options.native_histogram_min_reset_duration = 0;
  const FamilyMetric metric = MakeHistogram("a", "", kConfigured, options);
  EXPECT_TRUE(metric.classic);
  EXPECT_THAT(metric.bounds, ElementsAre(0.5, 2));
  ASSERT_TRUE(metric.native);
  EXPECT_EQ(metric.native->schema, 0);
  EXPECT_EQ(metric.native->max_buckets, 0xffffffffu);
  EXPECT_EQ(metric.native->min_reset_nanos, 0);
}

}  // namespace
}  // namespace spanmeter
