#include "remote_write/collection_schedule.h"

#include <cstdint>
#include <set>
#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

// 2026-01-31T12:00:00Z
constexpr int64_t kNoonMs = 1'769'860'800'000;

TEST(CollectionSchedule, CollectsAtMultiplesOfTheInterval) {
  const CollectionSchedule schedule = {15'000, 0};
  EXPECT_EQ(schedule.LastDueMs(kNoonMs), kNoonMs);
  EXPECT_EQ(schedule.NextDueMs(kNoonMs), kNoonMs + 15'000);
  EXPECT_EQ(schedule.LastDueMs(kNoonMs + 14'999), kNoonMs);
  EXPECT_EQ(schedule.NextDueMs(kNoonMs + 14'999), kNoonMs + 15'000);
  EXPECT_EQ(schedule.LastDueMs(kNoonMs - 1), kNoonMs - 15'000);
}

TEST(CollectionSchedule, AnOffsetShiftsAllStamps) {
  const CollectionSchedule schedule = {15'000, 4'321};
  EXPECT_EQ(schedule.LastDueMs(kNoonMs + 4'321), kNoonMs + 4'321);
  EXPECT_EQ(schedule.LastDueMs(kNoonMs + 4'320), kNoonMs - 15'000 + 4'321);
  EXPECT_EQ(schedule.NextDueMs(kNoonMs + 4'320), kNoonMs + 4'321);
}

TEST(CollectionSchedule, TenantsKeepTheirOffset) {
  for (const int64_t interval_ms : {1, 1'000, 15'000, 86'400'000}) {
    const auto first = CollectionSchedule::ForTenant("shop", interval_ms);
    const auto again = CollectionSchedule::ForTenant("shop", interval_ms);
    EXPECT_EQ(first.offset_ms, again.offset_ms);
    EXPECT_EQ(first.interval_ms, interval_ms);
  }
}

TEST(CollectionSchedule, TenantsAreSpreadOverTheInterval) {
  constexpr int kTenants = 1'000;
  std::set<int64_t> tenths;
  int first_half = 0;
  for (int i = 0; i < kTenants; ++i) {
    const auto schedule = CollectionSchedule::ForTenant("tenant" + std::to_string(i), 15'000);
    ASSERT_GE(schedule.offset_ms, 0);
    ASSERT_LT(schedule.offset_ms, 15'000);
    tenths.insert(schedule.offset_ms / 1'500);
    if (schedule.offset_ms < 7'500) ++first_half;
  }
  EXPECT_EQ(tenths.size(), 10u);
  EXPECT_NEAR(first_half, 500, 80);  // five standard deviations
}

}  // namespace
}  // namespace spanmeter
