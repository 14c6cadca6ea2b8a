#include "admin/answer_cache.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

class AnswerCacheTest : public ::testing::Test {
 protected:
  // Asks for an answer that takes so long to make.
  std::string Ask(const std::string& question, int64_t nanos = 0, const std::string& tenant = "t") {
    return cache_.Get(tenant, question, [&]() -> Json {
      ++made_;
      clock_.Advance(nanos);
      return {{"made", made_}};
    });
  }

  FakeClock clock_;
  AnswerCache cache_{&clock_};
  int made_ = 0;
};

TEST_F(AnswerCacheTest, AnAnswerSaysWhenItWasMade) {
  const int64_t now_ms = FakeClock::kStartWallNanos / kNanosPerMilli;
  EXPECT_EQ(Ask("q"), "{\"made\":1,\"computed_ms\":" + std::to_string(now_ms) + "}");
}

TEST_F(AnswerCacheTest, CheapAnswersAreKeptForFiveSeconds) {
  const std::string first = Ask("q");
  clock_.Advance(5 * kNanosPerSecond - 1);
  EXPECT_EQ(Ask("q"), first);
  EXPECT_EQ(made_, 1);
  clock_.Advance(1);
  EXPECT_NE(Ask("q"), first);
  EXPECT_EQ(made_, 2);
}

TEST_F(AnswerCacheTest, CostlyAnswersAreKeptForTwentyTimesTheirCost) {
  Ask("q", kNanosPerSecond);
  clock_.Advance(20 * kNanosPerSecond - 1);
  Ask("q");
  EXPECT_EQ(made_, 1);
  clock_.Advance(1);
  Ask("q", 10 * kNanosPerSecond);
  EXPECT_EQ(made_, 2);
  clock_.Advance(60 * kNanosPerSecond - 1);
  Ask("q");
  EXPECT_EQ(made_, 2);
  clock_.Advance(1);
  Ask("q");
  EXPECT_EQ(made_, 3);
}

TEST_F(AnswerCacheTest, QuestionsAndTenantsHaveTheirOwnAnswers) {
  Ask("q");
  Ask("r");
  Ask("q", 0, "u");
  EXPECT_EQ(made_, 3);
  Ask("q");
  Ask("r");
  Ask("q", 0, "u");
  EXPECT_EQ(made_, 3);
}

TEST_F(AnswerCacheTest, MemoryIsBounded) {
  const auto large = [&](int i, size_t bytes) {
    return cache_.Get("t", std::to_string(i), [&]() -> Json {
      ++made_;
      return {{"text", std::string(bytes, 'x')}};
    });
  };
  // Five answers of a MiB do not fit.
  for (int i = 0; i < 5; ++i) large(i, size_t{1} << 20);
  made_ = 0;
  for (int i = 4; i >= 2; --i) large(i, size_t{1} << 20);
  EXPECT_EQ(made_, 0);
  large(0, size_t{1} << 20);
  EXPECT_EQ(made_, 1);
  // What is too large by itself leaves the others alone.
  large(9, size_t{5} << 20);
  large(9, size_t{5} << 20);
  large(4, size_t{1} << 20);
  EXPECT_EQ(made_, 3);
}

TEST_F(AnswerCacheTest, TheTenantThatWasNotAskedForLongestGivesWay) {
  for (int i = 0; i < 16; ++i) Ask("q", 0, "t" + std::to_string(i));
  Ask("q", 0, "t0");
  EXPECT_EQ(made_, 16);
  Ask("q", 0, "another");
  Ask("q", 0, "t0");
  EXPECT_EQ(made_, 17);
  Ask("q", 0, "t1");
  EXPECT_EQ(made_, 18);
}

TEST_F(AnswerCacheTest, ATenantsAnswersAreMadeOneAtATime) {
  std::atomic<int> running{0};
  std::atomic<int> most{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 20; ++k) {
        cache_.Get("t", std::to_string(i * 100 + k), [&]() -> Json {
          most = std::max<int>(most, ++running);
          std::this_thread::yield();
          --running;
          return {{"x", 1}};
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(most, 1);
}

}  // namespace
}  // namespace spanmeter
