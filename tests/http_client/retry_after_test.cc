#include "spanmeter/retry_after.h"

#include <cstdint>
#include <string>

#include <gtest/gtest.h>

#include "spanmeter/clock.h"

namespace spanmeter {
namespace {

// 2026-01-31T12:00:00Z and a quarter of a second.
constexpr int64_t kNow = int64_t{1'769'860'800} * kNanosPerSecond + kNanosPerSecond / 4;

int64_t Seconds(const std::string& text) {
  const int64_t nanos = RetryAfterNanos(text, kNow);
  EXPECT_EQ(nanos % kNanosPerSecond, 0);
  return nanos / kNanosPerSecond;
}

TEST(RetryAfter, TakesSeconds) {
  EXPECT_EQ(Seconds("0"), 0);
  EXPECT_EQ(Seconds("1"), 1);
  EXPECT_EQ(Seconds("007"), 7);
  EXPECT_EQ(Seconds("599"), 599);
}

TEST(RetryAfter, TakesTheDatesOfHttp) {
  // IMF-fixdate, and the two obsolete forms of RFC 9110, section 5.6.7.
  EXPECT_EQ(Seconds("Sat, 31 Jan 2026 12:01:00 GMT"), 61);
  EXPECT_EQ(Seconds("Saturday, 31-Jan-26 12:01:00 GMT"), 61);
  EXPECT_EQ(Seconds("Sat Jan 31 12:01:00 2026"), 61);
}

// Dates have no fractions: the named second must be over.
TEST(RetryAfter, ADateIsReachedWhenItsSecondIs) {
  EXPECT_EQ(Seconds("Sat, 31 Jan 2026 12:00:00 GMT"), 1);
  EXPECT_EQ(Seconds("Sat, 31 Jan 2026 12:00:01 GMT"), 2);
}

TEST(RetryAfter, ThePastIsNow) {
  EXPECT_EQ(Seconds("-1"), 0);
  EXPECT_EQ(Seconds("-99999999999999999999999"), 0);
  EXPECT_EQ(Seconds("Sat, 31 Jan 2026 11:59:58 GMT"), 0);
  EXPECT_EQ(Seconds("Thu, 01 Jan 1970 00:00:00 GMT"), 0);
}

TEST(RetryAfter, IsAtMostTenMinutes) {
  EXPECT_EQ(Seconds("600"), 600);
  EXPECT_EQ(Seconds("601"), 600);
  EXPECT_EQ(Seconds("9223372036854775807"), 600);
  EXPECT_EQ(Seconds("9223372036854775808"), 600);
  EXPECT_EQ(Seconds("99999999999999999999999"), 600);
  EXPECT_EQ(Seconds("Sun, 31 Jan 2036 12:00:00 GMT"), 600);
}

TEST(RetryAfter, EverythingElseSaysNothing) {
  for (const char* text : {"", " ", "soon", "1.5", "1e3", "0x10", "12 s", "+5", "NaN",
                           "Sat, 99 Jan 2026 12:00:00 GMT", "\xff\xfe"}) {
    EXPECT_EQ(Seconds(text), 0) << text;
  }
  EXPECT_EQ(Seconds(std::string(100'000, 'x')), 0);
}

}  // namespace
}  // namespace spanmeter
