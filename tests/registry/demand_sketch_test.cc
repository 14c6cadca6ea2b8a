#include "spanmeter/demand_sketch.h"

#include <cmath>
#include <memory>
#include <random>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

constexpr int64_t kWindow = 400;

TEST(DemandSketchTest, IsExactWhenNothingWasSeen) {
  EXPECT_EQ(DemandSketch(kWindow).Estimate(1'000'000), 0u);
}

TEST(DemandSketchTest, RepeatedSightingsCountOnce) {
  DemandSketch sketch(kWindow);
  std::mt19937_64 random(1);
  const uint64_t hash = random();
  for (int64_t now = 0; now < kWindow; ++now) sketch.Add(hash, now);
  EXPECT_EQ(sketch.Estimate(kWindow), 1u);
}

// The relative error of HyperLogLog with 1,024 registers is 3.25 % (standard deviation). Over 200
// independent sketches its root mean square must come close to that, at every size.
TEST(DemandSketchTest, StandardErrorIsThatOfTheAlgorithm) {
  std::mt19937_64 random(20260131);
  for (const int distinct : {50, 500, 2'000, 3'000, 10'000, 100'000}) {
    double sum_of_squares = 0;
    constexpr int kSketches = 200;
    for (int i = 0; i < kSketches; ++i) {
      DemandSketch sketch(kWindow);
      for (int n = 0; n < distinct; ++n) sketch.Add(random(), 0);
      const double error = static_cast<double>(sketch.Estimate(0)) / distinct - 1;
      sum_of_squares += error * error;
    }
    EXPECT_LT(std::sqrt(sum_of_squares / kSketches), 0.0375) << distinct;
  }
}

TEST(DemandSketchTest, SightingsFadeOutAfterTheWindow) {
  DemandSketch sketch(kWindow);
  std::mt19937_64 random(2);
  for (int i = 0; i < 100; ++i) sketch.Add(random(), 0);
  const uint64_t seen = sketch.Estimate(0);
  EXPECT_NEAR(static_cast<double>(seen), 100, 15);
  EXPECT_EQ(sketch.Estimate(kWindow), seen) << "within the window nothing fades";
  EXPECT_EQ(sketch.Estimate(kWindow + kWindow / 4), 0u);
}

TEST(DemandSketchTest, PartsAreReusedAfterALongSilence) {
  DemandSketch sketch(kWindow);
  std::mt19937_64 random(3);
  for (int i = 0; i < 100; ++i) sketch.Add(random(), 50);
  sketch.Add(random(), 1'000'050);
  EXPECT_EQ(sketch.Estimate(1'000'050), 1u);
}

}  // namespace
}  // namespace spanmeter
