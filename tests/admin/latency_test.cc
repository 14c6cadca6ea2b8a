#include "admin/latency.h"

#include <cmath>
#include <map>
#include <random>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

const LatencyDistribution::Bounds kBounds =
    std::make_shared<const std::vector<double>>(std::vector<double>{0.1, 0.2, 0.4});

LabelSetValues::Metric Classic(std::vector<double> counts) {
  LabelSetValues::Metric metric;
  metric.counts = std::move(counts);
  return metric;
}

LabelSetValues::Metric Native(int32_t schema, std::vector<NativeBucket> buckets, double zero = 0) {
  LabelSetValues::Metric metric;
  metric.native = true;
  metric.schema = schema;
  metric.zero_threshold = 0x1p-128;
  metric.zero_count = zero;
  metric.buckets = std::move(buckets);
  return metric;
}

LatencyDistribution Of(const LabelSetValues::Metric& metric) {
  LatencyDistribution distribution;
  distribution.Add(kBounds, metric);
  return distribution;
}

TEST(LatencyTest, NothingHasNoQuantile) {
  EXPECT_EQ(LatencyDistribution().Quantile(0.95), std::nullopt);
  EXPECT_EQ(Of(Classic({0, 0, 0, 0})).Quantile(0.95), std::nullopt);
  EXPECT_EQ(Of(Native(3, {})).Quantile(0.95), std::nullopt);
}

TEST(LatencyTest, ClassicBucketsAreInterpolatedLinearly) {
  // Ten up to 0.1 and ten up to 0.2: the 19th of 20 is at nine tenths of the second bucket.
  EXPECT_DOUBLE_EQ(*Of(Classic({10, 10, 0, 0})).Quantile(0.95), 0.19);
  EXPECT_DOUBLE_EQ(*Of(Classic({10, 10, 0, 0})).Quantile(0.25), 0.05);
  EXPECT_DOUBLE_EQ(*Of(Classic({0, 0, 4, 0})).Quantile(0.5), 0.3);
  // Beyond the last bound there is no telling.
  EXPECT_DOUBLE_EQ(*Of(Classic({1, 0, 0, 9})).Quantile(0.95), 0.4);
}

TEST(LatencyTest, WithoutAnyBoundThereIsNoTelling) {
  LatencyDistribution distribution;
  distribution.Add(std::make_shared<const std::vector<double>>(), Classic({5}));
  EXPECT_EQ(distribution.count(), 5);
  EXPECT_EQ(distribution.Quantile(0.95), std::nullopt);
}

TEST(LatencyTest, NativeBucketsAreInterpolatedExponentially) {
  // Schema 0: (1, 2] and (2, 4].
  EXPECT_DOUBLE_EQ(*Of(Native(0, {{1, 10}, {2, 10}})).Quantile(0.75), 2 * std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(*Of(Native(0, {{1, 10}})).Quantile(0.5), std::sqrt(2.0));
  EXPECT_DOUBLE_EQ(*Of(Native(1, {{1, 4}})).Quantile(1), std::sqrt(2.0));
  // Half of them took no time.
  EXPECT_LT(*Of(Native(0, {{1, 10}}, 10)).Quantile(0.5), 1e-30);
}

TEST(LatencyTest, LabelSetsAddUp) {
  LatencyDistribution sum = Of(Classic({1, 2, 3, 4}));
  sum.Add(kBounds, Classic({9, 8, 0, 0}));
  EXPECT_EQ(sum.count(), 27);
  EXPECT_DOUBLE_EQ(*sum.Quantile(10.0 / 27), 0.1);
}

TEST(LatencyTest, NativeBucketsOfDifferentWidthsMeetInTheWiderOnes) {
  // Whatever the order: of observations with known values.
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::map<int32_t, std::map<int32_t, double>> by_schema;
    std::map<int32_t, double> expected;  // at schema 0
    for (int i = 0; i < 50; ++i) {
      const double value = std::exp(static_cast<double>(random() % 1000) / 100 - 5);
      const auto schema = static_cast<int32_t>(random() % 4);
      const auto index = [value](int32_t s) {
        return static_cast<int32_t>(std::ceil(std::log2(value) * std::exp2(s)));
      };
      ++by_schema[schema][index(schema)];
      ++expected[index(0)];
    }
    by_schema[0];
    LatencyDistribution sum;
    std::vector<int32_t> order = {0, 1, 2, 3};
    std::shuffle(order.begin(), order.end(), random);
    for (const int32_t schema : order) {
      std::vector<NativeBucket> buckets;
      for (const auto& [index, count] : by_schema[schema]) buckets.push_back({index, count});
      LatencyDistribution other;
      other.Add(nullptr, Native(schema, buckets));
      sum.Add(other);
    }
    EXPECT_EQ(sum.count(), 50);
    double below = 0;
    for (const auto& [index, count] : expected) {
      below += count;
      // Just before the end of the bucket.
      EXPECT_NEAR(*sum.Quantile((below - 1e-9) / 50), std::exp2(index), 1e-6 * std::exp2(index));
    }
  }
}

TEST(LatencyTest, WhatWasThereBeforeIsTakenAway) {
  LatencyDistribution classic = Of(Classic({10, 10, 5, 0}));
  classic.Subtract(Of(Classic({10, 0, 5, 0})));
  EXPECT_EQ(classic.count(), 10);
  EXPECT_DOUBLE_EQ(*classic.Quantile(0.5), 0.15000000000000002);

  LatencyDistribution native = Of(Native(0, {{1, 4}, {2, 10}}));
  native.Subtract(Of(Native(1, {{1, 2}, {2, 2}})));  // (1, 2] in halves
  EXPECT_EQ(native.count(), 10);
  EXPECT_GT(*native.Quantile(0.01), 2);
}

TEST(LatencyTest, AHistogramThatStartedOverDoesNotBecomeNegative) {
  LatencyDistribution classic = Of(Classic({1, 1, 0, 0}));
  classic.Subtract(Of(Classic({10, 0, 0, 0})));
  EXPECT_EQ(classic.count(), 1);
  LatencyDistribution native = Of(Native(0, {{1, 1}}, 1));
  native.Subtract(Of(Native(0, {{1, 5}, {3, 5}}, 5)));
  EXPECT_EQ(native.count(), 0);
  EXPECT_EQ(native.Quantile(0.95), std::nullopt);
}

}  // namespace
}  // namespace spanmeter
