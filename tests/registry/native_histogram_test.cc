#include "registry/native_histogram.h"

#include <cmath>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/clock.h"

#include "registry/native_buckets.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

using Buckets = std::vector<std::pair<int32_t, double>>;

Buckets BucketsOf(const NativeHistogram& histogram) {
  std::vector<NativeBucket> copied(histogram.size());
  histogram.CopyBuckets(copied.data());
  Buckets buckets;
  for (const NativeBucket& bucket : copied) buckets.emplace_back(bucket.index, bucket.count);
  return buckets;
}

class NativeHistogramTest : public ::testing::Test {
 protected:
  bool Observe(double value, double weight = 1) {
    return histogram_.Observe(value, weight, options_, now_);
  }

  NativeHistogramOptions options_ = {.schema = 0, .max_buckets = 100, .min_reset_nanos = 0};
  NativeHistogram histogram_{options_};
  int64_t now_ = 0;
};

TEST_F(NativeHistogramTest, IsEmptyAtFirst) {
  EXPECT_EQ(histogram_.size(), 0u);
  EXPECT_EQ(histogram_.schema(), 0);
  EXPECT_EQ(histogram_.zero_count(), 0);
}

TEST_F(NativeHistogramTest, HasTheBucketsThatWereObservedInAscendingOrder) {
  for (const double value : {3.0, 0.3, 1.0, 1000.0, 2.5, 0.3}) Observe(value);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(-1, 2), Pair(0, 1), Pair(2, 2), Pair(10, 1)));
}

TEST_F(NativeHistogramTest, ValuesUpToTheThresholdCountAsZero) {
  Observe(0);
  Observe(0x1p-128);
  Observe(1e-200);
  Observe(std::nextafter(0x1p-128, 1.0));
  Observe(-1);
  Observe(std::nan(""));
  EXPECT_EQ(histogram_.zero_count(), 5);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(-127, 1)));
}

TEST_F(NativeHistogramTest, WeightsAreExact) {
  Observe(1, 3);
  Observe(1, 0.25);
  Observe(4);
  Observe(1, 2.5);
  Observe(0, 1.5);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(0, 5.75), Pair(2, 1)));
  EXPECT_EQ(histogram_.zero_count(), 1.5);
}

TEST_F(NativeHistogramTest, CountsPassThirtyTwoBitsWithoutLoss) {
  Observe(1, 4294967295.0);
  Observe(4);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(0, 4294967295.0), Pair(2, 1)));
  Observe(1);
  Observe(1);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(0, 4294967297.0), Pair(2, 1)));
}

TEST_F(NativeHistogramTest, MergedCountsPassThirtyTwoBitsWithoutLoss) {
  options_.max_buckets = 2;
  Observe(3, 4294967295.0);
  Observe(8, 4294967294.0);
  Observe(16, 3);
  EXPECT_EQ(histogram_.schema(), -1);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(1, 4294967295.0), Pair(2, 4294967297.0)));
}

TEST_F(NativeHistogramTest, HalvesTheResolutionUntilTheBucketsFit) {
  // The recorded session: one schema down would not have been enough.
  options_.max_buckets = 4;
  for (const double value : {0.001, 0.003, 0.009, 0.027, 0.081, 0.243, 0.729, 2.187}) {
    EXPECT_FALSE(Observe(value));
  }
  EXPECT_EQ(histogram_.schema(), -2);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(-2, 2), Pair(-1, 2), Pair(0, 3), Pair(1, 1)));
}

TEST_F(NativeHistogramTest, TheZeroBucketIsNoneOfThoseThatAreBounded) {
  options_.max_buckets = 2;
  for (const double value : {0.0, 1.0, 2.0, 0.0}) Observe(value);
  EXPECT_EQ(histogram_.schema(), 0);
}

TEST_F(NativeHistogramTest, StaysAtTheLowestSchemaWhateverComes) {
  options_.max_buckets = 1;
  for (const double value : {1e-30, 1.0, 1e30}) Observe(value);
  EXPECT_EQ(histogram_.schema(), -4);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(-6, 1), Pair(0, 1), Pair(7, 1)));
}

TEST_F(NativeHistogramTest, IsBoundedEvenWithoutABound) {
  for (const uint32_t most : {0u, 1'000'000u}) {
    options_ = {.schema = 8, .max_buckets = most, .min_reset_nanos = 0};
    NativeHistogram histogram(options_);
    double value = 1e-30;
    for (int i = 0; i < 1000; ++i) {
      histogram.Observe(value, 1, options_, 0);
      value *= 1.01;
    }
    EXPECT_EQ(histogram.schema(), 8);
    EXPECT_EQ(histogram.size(), 1000u);
    double total = 1000;
    for (int i = 0; i < 5000; ++i) {
      histogram.Observe(value, 1, options_, 0);
      value *= 1.01;
      ++total;
      ASSERT_LE(histogram.size(), 1000u);
    }
    EXPECT_LT(histogram.schema(), 8);
    for (const auto& [index, count] : BucketsOf(histogram)) total -= count;
    EXPECT_EQ(total, 0);
  }
}

TEST_F(NativeHistogramTest, StartsOverWhenTheLastTimeIsLongEnoughAgo) {
  options_ = {.schema = 0, .max_buckets = 2, .min_reset_nanos = 100};
  histogram_.Start(1000);
  now_ = 1099;
  Observe(0, 0.5);
  Observe(1);
  Observe(2);
  EXPECT_FALSE(Observe(4)) << "too early: the buckets become wider";
  EXPECT_EQ(histogram_.schema(), -1);
  EXPECT_EQ(histogram_.size(), 2u);
  now_ = 1100;
  EXPECT_FALSE(Observe(4)) << "the bucket exists";
  EXPECT_TRUE(Observe(5, 7));
  EXPECT_EQ(histogram_.schema(), 0) << "as it was configured";
  EXPECT_EQ(histogram_.zero_count(), 0);
  EXPECT_THAT(BucketsOf(histogram_), ElementsAre(Pair(3, 7)));
}

TEST_F(NativeHistogramTest, TheTimeCountsFromTheLastStart) {
  options_ = {.schema = 0, .max_buckets = 1, .min_reset_nanos = 100};
  histogram_.Start(0);
  now_ = 100;
  Observe(1);
  EXPECT_TRUE(Observe(2));
  now_ = 199;
  EXPECT_FALSE(Observe(4));
  now_ = 200;
  EXPECT_TRUE(Observe(1e9));
}

TEST_F(NativeHistogramTest, NeverStartsOverWithoutATimeForIt) {
  options_ = {.schema = 0, .max_buckets = 1, .min_reset_nanos = 0};
  now_ = int64_t{1} << 60;
  Observe(1);
  EXPECT_FALSE(Observe(2));
}

// Against a map.
TEST_F(NativeHistogramTest, AgreesWithAMapForRandomObservations) {
  std::mt19937 random(4711);
  for (int round = 0; round < 60; ++round) {
    options_.schema = static_cast<int32_t>(random() % 13) - 4;
    options_.max_buckets = random() % 3 == 0 ? 0 : 1 + random() % 40;
    options_.min_reset_nanos = random() % 2 == 0 ? 0 : 500;
    NativeHistogram histogram(options_);
    std::map<int32_t, double> model;
    int32_t schema = options_.schema;
    double zero = 0;
    int64_t last_reset = 0;
    const size_t most = options_.max_buckets == 0 ? 1000 : options_.max_buckets;
    for (int64_t now = 0; now < 1500; ++now) {
      const double value =
          random() % 20 == 0 ? 0 : std::exp(std::normal_distribution<double>(-3, 2)(random));
      const double weight =
          random() % 10 == 0 && round % 2 == 0 ? 0.25 * static_cast<double>(1 + random() % 9) : 1;
      bool reset = false;
      if (value == 0) {
        zero += weight;
      } else {
        const bool is_new = !model.contains(NativeBucketIndex(value, schema));
        if (is_new && model.size() >= most && options_.min_reset_nanos != 0 &&
            now - last_reset >= options_.min_reset_nanos) {
          reset = true;
          model.clear();
          schema = options_.schema;
          zero = 0;
          last_reset = now;
        }
        model[NativeBucketIndex(value, schema)] += weight;
        while (model.size() > most && schema > -4) {
          --schema;
          std::map<int32_t, double> wider;
          for (const auto& [index, count] : model) {
            // The upper bound of the narrow bucket lies in the wide one.
            wider[static_cast<int32_t>(std::ceil(index / 2.0))] += count;
          }
          model = std::move(wider);
        }
      }
      ASSERT_EQ(histogram.Observe(value, weight, options_, now), reset);
      ASSERT_EQ(histogram.schema(), schema);
      ASSERT_EQ(histogram.zero_count(), zero);
      ASSERT_EQ(BucketsOf(histogram), Buckets(model.begin(), model.end()));
    }
  }
}

}  // namespace
}  // namespace spanmeter
