#include "registry/native_exemplars.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class NativeExemplarsTest : public ::testing::Test {
 protected:
  void Set(double value, char trace = 'x', int64_t wall_ms = 0) {
    const std::string id(kTraceIdSize, trace);
    exemplars_.Set(id.data(), value, /*schema=*/0, wall_ms);
  }
  std::vector<Exemplar> Copy() const {
    std::vector<Exemplar> copied;
    exemplars_.Copy(&copied);
    return copied;
  }
  std::vector<double> Values() const {
    std::vector<double> values;
    for (const Exemplar& exemplar : Copy()) values.push_back(exemplar.value);
    return values;
  }

  NativeExemplars exemplars_;
};

TEST_F(NativeExemplarsTest, ThereAreNoneAtFirst) { EXPECT_THAT(Copy(), IsEmpty()); }

TEST_F(NativeExemplarsTest, KeepsWhatItIsGiven) {
  Set(1.5, 'a', 17);
  const std::vector<Exemplar> copied = Copy();
  ASSERT_EQ(copied.size(), 1u);
  EXPECT_EQ(copied[0].value, 1.5);
  EXPECT_EQ(copied[0].timestamp_ms, 17);
  EXPECT_EQ(copied[0].trace_id[0], 'a');
  EXPECT_EQ(copied[0].trace_id[15], 'a');
}

TEST_F(NativeExemplarsTest, TheNewestOfABucketReplacesTheOneBefore) {
  for (const double value : {1.5, 3.0, 6.0, 1.75}) Set(value);
  EXPECT_THAT(Values(), ElementsAre(3, 6, 1.75)) << "the newest stands last";
}

TEST_F(NativeExemplarsTest, ZerosHaveABucketOfTheirOwn) {
  for (const double value : {0.0, 1.0, 1e-300}) Set(value);
  EXPECT_THAT(Values(), ElementsAre(1, 1e-300));
}

TEST_F(NativeExemplarsTest, TheOldestOfTenMakesRoomForAnotherBucket) {
  double value = 1;
  for (int i = 0; i < 10; ++i, value *= 2) Set(value);
  EXPECT_THAT(Values(), ElementsAre(1, 2, 4, 8, 16, 32, 64, 128, 256, 512));
  Set(1024);
  Set(2);
  Set(2048);
  EXPECT_THAT(Values(), ElementsAre(8, 16, 32, 64, 128, 256, 512, 1024, 2, 2048));
}

// Against a list, the oldest first.
TEST_F(NativeExemplarsTest, AgreesWithAListForRandomBuckets) {
  std::mt19937 random(99);
  std::vector<double> list;
  for (int step = 0; step < 20'000; ++step) {
    // More buckets at some times than at others.
    const double value = std::ldexp(1, static_cast<int>(random() % (3 + step / 1000)));
    const auto same = std::find(list.begin(), list.end(), value);
    if (same != list.end()) {
      list.erase(same);
    } else if (list.size() == NativeExemplars::kMost) {
      list.erase(list.begin());
    }
    list.push_back(value);
    Set(value);
    ASSERT_EQ(Values(), list) << "step " << step;
  }
}

TEST_F(NativeExemplarsTest, CanBeFilledAgainAfterTheyWereCleared) {
  for (const double value : {1.0, 2.0, 4.0}) Set(value);
  exemplars_.Clear();
  EXPECT_THAT(Values(), IsEmpty());
  for (const double value : {4.0, 1.0}) Set(value);
  EXPECT_THAT(Values(), ElementsAre(4, 1));
}

}  // namespace
}  // namespace spanmeter
