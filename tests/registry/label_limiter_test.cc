#include "registry/label_limiter.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;

constexpr int64_t kStale = 100;

class LabelLimiterTest : public ::testing::Test {
 protected:
  LabelLimiterTest() { limiter_.SetLimit(2, kStale); }

  // Whether the label `a` has no place for the value.
  bool Refuses(const std::string& value, int64_t now = 0) {
    const LabelValue labels[] = {{"a", value}};
    std::vector<bool> refused;
    return limiter_.Refuses(labels, now, &refused);
  }
  void Hold(const std::string& value, int64_t now = 0) {
    const LabelValue labels[] = {{"a", value}};
    limiter_.Hold(labels, now);
  }
  void Release(const std::string& value, int64_t last_seen) {
    const LabelValue labels[] = {{"a", value}};
    limiter_.Release(labels, last_seen);
  }

  LabelLimiter limiter_{kStale};
};

TEST_F(LabelLimiterTest, IsOffWithoutALimit) {
  EXPECT_TRUE(limiter_.enabled());
  limiter_.SetLimit(0, kStale);
  EXPECT_FALSE(limiter_.enabled());
}

TEST_F(LabelLimiterTest, ValuesHavePlacesUntilTheLimitAndThenOnlyKnownOnesHave) {
  EXPECT_FALSE(Refuses("1"));
  EXPECT_FALSE(Refuses("2"));
  EXPECT_TRUE(Refuses("3"));
  EXPECT_TRUE(Refuses("3"));
  EXPECT_FALSE(Refuses("1"));
  EXPECT_FALSE(Refuses("2"));
}

TEST_F(LabelLimiterTest, EachLabelHasPlacesOfItsOwnAndOnlyTheFullOneRefuses) {
  EXPECT_FALSE(Refuses("1"));
  EXPECT_FALSE(Refuses("2"));
  const LabelValue labels[] = {{"b", "1"}, {"a", "3"}, {"b", "2"}};
  std::vector<bool> refused;
  EXPECT_TRUE(limiter_.Refuses(labels, 0, &refused));
  EXPECT_THAT(refused, ElementsAre(false, true, false));
}

TEST_F(LabelLimiterTest, NoValueAndTheFoldedOneTakeNoPlace) {
  EXPECT_FALSE(Refuses(""));
  EXPECT_FALSE(Refuses(std::string(kCardinalityOverflow)));
  EXPECT_FALSE(Refuses("1"));
  EXPECT_FALSE(Refuses("2"));
  EXPECT_FALSE(Refuses(""));
  EXPECT_FALSE(Refuses(std::string(kCardinalityOverflow)));
}

TEST_F(LabelLimiterTest, AValueThatNobodySawForTheStaleDurationMakesRoom) {
  EXPECT_FALSE(Refuses("1", 0));
  EXPECT_FALSE(Refuses("2", 1));
  limiter_.Expire(kStale - 1);
  EXPECT_TRUE(Refuses("3", kStale - 1));
  limiter_.Expire(kStale);
  EXPECT_FALSE(Refuses("3", kStale));
  EXPECT_TRUE(Refuses("1", kStale));
}

TEST_F(LabelLimiterTest, BeingAskedForAgainKeepsAPlace) {
  EXPECT_FALSE(Refuses("1", 0));
  EXPECT_FALSE(Refuses("2", 0));
  EXPECT_FALSE(Refuses("1", kStale - 1));
  limiter_.Expire(kStale);
  EXPECT_FALSE(Refuses("3", kStale));
  EXPECT_TRUE(Refuses("4", kStale));
  EXPECT_FALSE(Refuses("1", kStale));
}

TEST_F(LabelLimiterTest, SeriesKeepThePlacesOfTheirValuesHoweverLongTheyLive) {
  EXPECT_FALSE(Refuses("1", 0));
  Hold("1");
  Hold("1");
  limiter_.Expire(10 * kStale);
  Release("1", 10 * kStale);
  limiter_.Expire(20 * kStale);
  EXPECT_FALSE(Refuses("2", 20 * kStale));
  EXPECT_TRUE(Refuses("3", 20 * kStale)) << "the other series still holds 1";
  Release("1", 20 * kStale);
  limiter_.Expire(21 * kStale - 1);
  EXPECT_TRUE(Refuses("3", 21 * kStale - 1)) << "its last update was not long enough ago";
  limiter_.Expire(21 * kStale);
  EXPECT_FALSE(Refuses("3", 21 * kStale));
}

TEST_F(LabelLimiterTest, WhatLivesHasItsPlaceBeyondALowerLimit) {
  for (const char* value : {"1", "2", "3"}) Hold(value);
  EXPECT_FALSE(Refuses("3"));
  EXPECT_TRUE(Refuses("4"));
  limiter_.SetLimit(1, kStale);
  EXPECT_FALSE(Refuses("2"));
  limiter_.SetLimit(4, kStale);
  EXPECT_FALSE(Refuses("4"));
}

TEST_F(LabelLimiterTest, TellsWhatWasRefusedAndHowMuchThereIsDemandFor) {
  for (int i = 0; i < 12; ++i) Refuses(std::to_string(i));
  Refuses("11");
  const std::vector<LabelStats> stats = limiter_.GetStats(0);
  ASSERT_EQ(stats.size(), 1u);
  EXPECT_EQ(stats[0].name, "a");
  EXPECT_EQ(stats[0].values, 2u);
  EXPECT_EQ(stats[0].refusals, 11u);
  EXPECT_EQ(stats[0].demand, 12u);
}

TEST_F(LabelLimiterTest, LabelsBeyondItsOwnBoundAreNotFollowed) {
  std::vector<bool> refused;
  for (size_t i = 0; i < LabelLimiter::kMaxLabels; ++i) {
    const std::string name = std::to_string(i);
    const LabelValue labels[] = {{name, "1"}};
    ASSERT_FALSE(limiter_.Refuses(labels, 0, &refused)) << i;
  }
  const LabelValue one_more[] = {{"one more", "1"}};
  EXPECT_TRUE(limiter_.Refuses(one_more, 0, &refused));
  EXPECT_EQ(limiter_.GetStats(0).size(), LabelLimiter::kMaxLabels);
  limiter_.Expire(kStale);
  EXPECT_FALSE(limiter_.Refuses(one_more, kStale, &refused));
}

}  // namespace
}  // namespace spanmeter
