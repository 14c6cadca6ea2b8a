#include "registry/limiter.h"

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

GeneratorOptions Limits(LimiterType type, uint64_t series, uint64_t entities) {
  GeneratorOptions options;
  options.limiter_type = type;
  options.max_active_series = series;
  options.max_active_entities = entities;
  return options;
}

TEST(LimiterTest, SeriesLimitAdmitsUpToExactlyTheLimit) {
  Limiter limiter(Limits(LimiterType::kSeries, 38, 1));
  EXPECT_TRUE(limiter.Admit(19, 1));
  EXPECT_TRUE(limiter.Admit(19, 2));
  EXPECT_TRUE(limiter.SeriesFull(1));
  EXPECT_FALSE(limiter.Admit(1, 3));
  EXPECT_EQ(limiter.active_series(), 38u);
  EXPECT_EQ(limiter.active_entities(), 2u);
  limiter.Release(19, 1);
  EXPECT_FALSE(limiter.SeriesFull(19));
  EXPECT_TRUE(limiter.Admit(19, 3));
}

TEST(LimiterTest, EntityLimitCountsAnEntityOnceAndAdmitsAllOfIt) {
  Limiter limiter(Limits(LimiterType::kEntity, 1, 1));
  EXPECT_TRUE(limiter.Admit(19, 7));
  EXPECT_TRUE(limiter.Admit(5, 7));
  EXPECT_FALSE(limiter.Admit(1, 8));
  EXPECT_EQ(limiter.active_series(), 24u);
  EXPECT_EQ(limiter.active_entities(), 1u);
  limiter.Release(19, 7);
  EXPECT_FALSE(limiter.Admit(1, 8)) << "the entity still has a label set";
  limiter.Release(5, 7);
  EXPECT_TRUE(limiter.Admit(1, 8));
  EXPECT_EQ(limiter.active_series(), 1u);
}

TEST(LimiterTest, WhatJoinsIsCountedPastTheLimit) {
  Limiter limiter(Limits(LimiterType::kSeries, 2, 0));
  EXPECT_TRUE(limiter.Admit(2, 1));
  limiter.Join(3);
  EXPECT_EQ(limiter.active_series(), 5u);
  EXPECT_FALSE(limiter.Admit(1, 2));
}

TEST(LimiterTest, ZeroIsNoLimit) {
  for (const LimiterType type : {LimiterType::kSeries, LimiterType::kEntity}) {
    Limiter limiter(Limits(type, 0, 0));
    for (uint64_t i = 0; i < 1000; ++i) EXPECT_TRUE(limiter.Admit(1000, i));
    EXPECT_FALSE(limiter.SeriesFull(1000));
  }
}

}  // namespace
}  // namespace spanmeter
