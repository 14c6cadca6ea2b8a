#include "admin/history.h"

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

constexpr int64_t kStep = History::kIntervalNanos;

class HistoryTest : public ::testing::Test {
 protected:
  void Step(uint64_t spans, int64_t nanos = kStep) {
    clock_.Advance(nanos);
    History::Totals totals;
    totals.spans = spans;
    totals.bytes = spans * 100;
    totals.active_series = spans + 1;
    totals.discarded = spans / 10;
    totals.push_lag_seconds = 2.5;
    totals.counters = {{"spans", spans}};
    history_.Record(totals);
  }

  FakeClock clock_;
  History history_{&clock_};
};

TEST_F(HistoryTest, IsDueEveryTenSeconds) {
  EXPECT_FALSE(history_.IsDue());
  clock_.Advance(kStep - 1);
  EXPECT_FALSE(history_.IsDue());
  clock_.Advance(1);
  EXPECT_TRUE(history_.IsDue());
  history_.Record({});
  EXPECT_FALSE(history_.IsDue());
}

TEST_F(HistoryTest, APointSaysWhatHappenedSinceTheOneBefore) {
  Step(100);
  Step(400, 2 * kStep);
  ASSERT_EQ(history_.points().size(), 2u);
  EXPECT_EQ(history_.points()[0].spans_per_second, 10);
  EXPECT_EQ(history_.points()[0].bytes_per_second, 1000);
  EXPECT_EQ(history_.points()[0].discarded_per_second, 1);
  EXPECT_EQ(history_.points()[1].spans_per_second, 15);
  EXPECT_EQ(history_.points()[1].active_series, 401u);
  EXPECT_EQ(history_.points()[1].push_lag_seconds, 2.5);
  EXPECT_EQ(history_.points()[1].time_ms - history_.points()[0].time_ms, 20'000);
}

TEST_F(HistoryTest, KeepsAnHour) {
  for (uint64_t i = 1; i <= 365; ++i) Step(i * i * 10);
  EXPECT_EQ(history_.points().size(), 360u);
  EXPECT_EQ(history_.points().front().spans_per_second, 6 * 6 - 5 * 5);
  EXPECT_EQ(history_.points().back().spans_per_second, 365 * 365 - 364 * 364);
}

TEST_F(HistoryTest, ARateIsOverTheLastMinute) {
  for (uint64_t i = 1; i <= 20; ++i) Step(i * 100);
  // Another five seconds with 1000.
  clock_.Advance(kStep / 2);
  EXPECT_DOUBLE_EQ(history_.Rate("spans", 3000), (3000 - 1400) / 65.0);
}

TEST_F(HistoryTest, BeforeAMinuteARateIsSinceTheStart) {
  EXPECT_EQ(history_.Rate("spans", 50), 0);  // no time has passed
  clock_.Advance(5 * kNanosPerSecond);
  EXPECT_EQ(history_.Rate("spans", 50), 10);
  Step(50, 5 * kNanosPerSecond);
  clock_.Advance(10 * kNanosPerSecond);
  EXPECT_EQ(history_.Rate("spans", 50), 2.5);
}

TEST_F(HistoryTest, ACounterThatIsNewWasZeroBefore) {
  for (uint64_t i = 1; i <= 20; ++i) Step(100);
  EXPECT_EQ(history_.Rate("new", 120), 2);
  EXPECT_EQ(history_.Rate("spans", 100), 0);
}

TEST_F(HistoryTest, CountersThatGoBackAndWhatIsGoneHaveNoRate) {
  Step(1000);
  Step(500);
  EXPECT_EQ(history_.points()[1].spans_per_second, 0);
  for (int i = 0; i < 6; ++i) Step(500);
  EXPECT_EQ(history_.Rate("spans", 100), 0);
  // A counter that was left out for once begins anew.
  clock_.Advance(kStep);
  history_.Record({});
  EXPECT_EQ(history_.Rate("spans", 600), 10);
}

TEST_F(HistoryTest, TheWallClockDoesNotMatter) {
  Step(100);
  clock_.SetWallNanos(0);
  Step(200);
  EXPECT_EQ(history_.points()[1].spans_per_second, 10);
}

}  // namespace
}  // namespace spanmeter
