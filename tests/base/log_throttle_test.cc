#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/log.h"

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

TEST(LogThrottle, LetsTheFirstEventThrough) {
  FakeClock clock;
  LogThrottle throttle(&clock, kNanosPerSecond);
  uint64_t suppressed = 99;
  EXPECT_TRUE(throttle.Allow(&suppressed));
  EXPECT_EQ(suppressed, 0u);
}

TEST(LogThrottle, CountsWhatItSwallowedUntilTheIntervalIsOver) {
  FakeClock clock;
  LogThrottle throttle(&clock, kNanosPerSecond);
  uint64_t suppressed = 0;
  ASSERT_TRUE(throttle.Allow(&suppressed));
  EXPECT_FALSE(throttle.Allow(&suppressed));
  clock.Advance(kNanosPerSecond - 1);
  EXPECT_FALSE(throttle.Allow(&suppressed));
  clock.Advance(1);
  EXPECT_TRUE(throttle.Allow(&suppressed));
  EXPECT_EQ(suppressed, 2u);
  clock.Advance(kNanosPerSecond);
  EXPECT_TRUE(throttle.Allow(&suppressed));
  EXPECT_EQ(suppressed, 0u);
}

TEST(LogThrottle, AllowsOneOfManyThreads) {
  FakeClock clock;
  LogThrottle throttle(&clock, kNanosPerSecond);
  std::atomic<int> allowed{0};
  std::atomic<uint64_t> reported{0};
  const auto hit = [&] {
    uint64_t suppressed = 0;
    if (throttle.Allow(&suppressed)) {
      allowed.fetch_add(1);
      reported.fetch_add(suppressed);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&hit] {
      for (int j = 0; j < 1'000; ++j) hit();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(allowed.load(), 1);
  clock.Advance(kNanosPerSecond);
  hit();
  EXPECT_EQ(allowed.load(), 2);
  EXPECT_EQ(reported.load(), 3'999u);
}

}  // namespace
}  // namespace spanmeter
