#include "remote_write/send_loop.h"

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <snappy.h>
#include <string>
#include <vector>

#include <prometheus/write/v1.pb.h>

#include "remote_write/send_fixture.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;

const std::map<std::string, std::string> kWritten = WrittenHeaders("1");

// How many samples a request of version 1.0 brings.
int SamplesIn(const std::string& body) {
  std::string plain;
  EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
  prometheus::WriteRequest request;
  EXPECT_TRUE(request.ParseFromString(plain));
  int samples = 0;
  for (const auto& series : request.timeseries()) samples += series.samples_size();
  return samples;
}

TEST_F(SendLoopTest, SendsBlocksOfTheSameSeriesOneAfterTheOther) {
  options_.queue_config.max_shards = 10;
  Begin();
  Append({Opaque("first"), Opaque("second")});
  Step();
  Step();
  EXPECT_EQ(OpenBody(), "first");
  Answer(204, kWritten);
  Step();
  Step();
  EXPECT_EQ(OpenBody(), "second");
  Answer(204, kWritten);
  Step();
  EXPECT_EQ(queue_->stats().blocks, 0U);
  EXPECT_EQ(Metric("samples_total"), 2);
  EXPECT_EQ(Metric("queue_highest_sent_timestamp_seconds"), kStampMs / 1000.0);
  EXPECT_EQ(Metric("sent_batch_duration_seconds", "code", "204"), 2);
}

TEST_F(SendLoopTest, SendsMoreAtATimeWithEachSuccessWhileMoreWaits) {
  options_.queue_config.max_shards = 5;
  Begin();
  AppendMany(100);
  for (const size_t expected : {1, 2, 4, 5, 5}) {
    Step();
    EXPECT_EQ(open(), expected);
    EXPECT_EQ(Metric("shards"), expected);
    AnswerAll(204, kWritten);
    Step();
  }
  EXPECT_EQ(Metric("shards_max"), 5);
}

TEST_F(SendLoopTest, SendsNoMoreAtATimeWhenNothingWaits) {
  Begin();
  for (int i = 0; i < 5; ++i) {
    AppendMany(1, i);
    Step();
    AnswerAll(204, kWritten);
    Step();
    EXPECT_EQ(loop_->status().shards, 1U);
  }
}

TEST_F(SendLoopTest, BeginsCarefullyAfterAnIdleTime) {
  Begin();
  AppendMany(20);
  while (queue_->stats().blocks != 0) {
    Step();
    AnswerAll(204, kWritten);
    Step();
  }
  Step();
  AppendMany(20, 20);
  Step();
  EXPECT_EQ(open(), 1U);
}

TEST_F(SendLoopTest, HalvesWhatGoesAtATimeOnceForRequestsThatFailTogether) {
  Begin();
  AppendMany(100);
  while (open() < 8) {
    AnswerAll(204, kWritten);
    Step();
    Step();
  }
  ASSERT_EQ(open(), 8U);
  AnswerAll(503);
  Step();
  EXPECT_EQ(loop_->status().shards, 4U);
  EXPECT_EQ(Metric("samples_retried_total"), 8);
}

// The first pause is the shortest one, no matter how many requests met the failure.
TEST_F(SendLoopTest, CountsRequestsThatFailTogetherAsOneFailure) {
  Begin();
  AppendMany(100);
  while (open() < 8) {
    AnswerAll(204, kWritten);
    Step();
    Step();
  }
  AnswerAll(0);
  Step();
  Step();
  EXPECT_GE(TimeoutMs(), 50);
  EXPECT_LE(TimeoutMs(), 100);
}

TEST_F(SendLoopTest, LeavesAFailingReceiverAloneForLongerAndLonger) {
  Begin();
  Append({Opaque("a")});
  Step();
  for (const int64_t backoff_ms : {100, 200, 400, 800, 1000, 1000}) {
    AnswerAll(500);
    Step();
    Step();
    EXPECT_GE(TimeoutMs(), backoff_ms / 2);
    EXPECT_LE(TimeoutMs(), backoff_ms);
    EXPECT_EQ(open(), 0U);
    clock_.Advance(TimeoutMs() * kNanosPerMilli - 1);
    Step();
    EXPECT_EQ(open(), 0U);
    // The block waits by itself as well, not longer than that.
    clock_.Advance(backoff_ms * kNanosPerMilli);
    Step();
    ASSERT_EQ(open(), 1U);
  }
}

TEST_F(SendLoopTest, PausesDifferFromEachOther) {
  std::set<int64_t> pauses;
  for (int i = 0; i < 20; ++i) {
    Begin();
    AppendMany(1, i);
    Step();
    AnswerAll(500);
    Step();
    Step();
    pauses.insert(client_->last_timeout_nanos);
    loop_->Cancel();
  }
  EXPECT_GT(pauses.size(), 5U);
}

TEST_F(SendLoopTest, ASuccessEndsTheRowOfFailures) {
  Begin();
  AppendMany(10);
  for (int i = 0; i < 4; ++i) {
    Step();
    ASSERT_EQ(open(), 1U);
    AnswerAll(500);
    Step();
    clock_.Advance(kNanosPerSecond);
  }
  Step();
  AnswerAll(204, kWritten);
  Step();
  Step();
  ASSERT_GE(open(), 1U);
  AnswerAll(500);
  Step();
  Step();
  EXPECT_LE(TimeoutMs(), 100);
}

TEST_F(SendLoopTest, LeavesTheReceiverAloneForAsLongAsItWants) {
  struct {
    std::string retry_after;
    int64_t pause_ms;
  } const cases[] = {
      {"7", 7'000},
      {"Sat, 31 Jan 2026 12:00:30 GMT", 31'000},
      {"100000", 600'000},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(c.retry_after);
    for (const int status : {429, 503}) {
      clock_.SetWallNanos(FakeClock::kStartWallNanos);
      Begin();
      Append({Opaque("a")});
      Step();
      Answer(status, {{"retry-after", c.retry_after}});
      Step();
      clock_.Advance(c.pause_ms * kNanosPerMilli - 1);
      Step();
      EXPECT_EQ(open(), 0U);
      clock_.Advance(1);
      Step();
      EXPECT_EQ(open(), 1U);
      AnswerAll(204, kWritten);
      Step();
    }
  }
}

TEST_F(SendLoopTest, ARequestedPauseNeverShortensThePauseAfterAFailure) {
  Begin();
  Append({Opaque("a")});
  Step();
  Answer(503, {{"retry-after", "0"}});
  Step();
  Step();
  EXPECT_EQ(open(), 0U);
  EXPECT_GE(TimeoutMs(), 50);
}

TEST_F(SendLoopTest, SendsAgainWhatMayStillArriveAndDropsWhatNeverWill) {
  for (const int status : {0, 429, 500, 502, 503, 504, 599}) {
    SCOPED_TRACE(status);
    Begin();
    Append({Opaque("a")});
    Step();
    AnswerAll(status);
    Step();
    EXPECT_EQ(queue_->stats().blocks, 1U);
    clock_.Advance(kNanosPerSecond);
    Step();
    ASSERT_EQ(open(), 1U);
    AnswerAll(204, kWritten);
    Step();
  }
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 0);
  double refused = 0;
  for (const int status : {301, 302, 304, 400, 401, 403, 404, 408, 409, 413, 415, 422}) {
    SCOPED_TRACE(status);
    Begin();
    Append({Opaque("a")});
    Step();
    AnswerAll(status);
    Step();
    EXPECT_EQ(queue_->stats().blocks, 0U);
    EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), ++refused);
    EXPECT_EQ(Metric("samples_failed_total"), refused);
  }
}

TEST_F(SendLoopTest, DropsWhatIsAnsweredWith429WhenConfiguredSo) {
  options_.queue_config.retry_on_http_429 = false;
  Begin();
  Append({Opaque("a")});
  Step();
  AnswerAll(429, {{"retry-after", "100"}});
  Step();
  EXPECT_EQ(queue_->stats().blocks, 0U);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "rejected"), 1);
  Append({Opaque("b")});
  Step();
  EXPECT_EQ(open(), 1U);
}

TEST_F(SendLoopTest, LogsRefusalsOnceAMinuteInOneLineThatDoesNoHarm) {
  Begin();
  for (int i = 0; i < 3; ++i) {
    AppendMany(1, i);
    Step();
    Answer(400, {}, "out of order\n\x1b[31m" + std::string(5000, 'x'));
    Step();
  }
  EXPECT_EQ(log_.Count("refuses samples"), 1);
  EXPECT_EQ(log_.Count("\n"), 1);
  EXPECT_EQ(log_.Count("\x1b"), 0);
  EXPECT_THAT(log_.text(), HasSubstr("HTTP 400: out of order"));
  EXPECT_LT(log_.text().size(), 1000U);
  clock_.Advance(60 * kNanosPerSecond);
  AppendMany(1, 3);
  Step();
  Answer(400);
  Step();
  EXPECT_THAT(log_.text(), HasSubstr("more=2"));
}

TEST_F(SendLoopTest, TellsWhatToDoAboutARedirectThatIsNotFollowed) {
  Begin();
  Append({Opaque("a")});
  Step();
  AnswerAll(302);
  Step();
  EXPECT_THAT(log_.text(), HasSubstr("set url to where it leads"));
}

TEST_F(SendLoopTest, LogsFailuresOnceAMinuteAndKeepsTheLastOne) {
  Begin();
  Append({Opaque("a")});
  EXPECT_EQ(loop_->status().last_error, "");
  for (int i = 0; i < 5; ++i) {
    Step();
    Answer(0, {}, "connection refused");
    Step();
    clock_.Advance(kNanosPerSecond);
  }
  EXPECT_EQ(log_.Count("trying again"), 1);
  EXPECT_EQ(loop_->status().last_error, "connection refused");
  EXPECT_EQ(loop_->status().last_error_ms, kStampMs + 4'000);
  EXPECT_EQ(loop_->status().last_success_ms, 0);
  EXPECT_EQ(Metric("sent_batch_duration_seconds", "code", "0"), 5);
  Step();
  AnswerAll(204, kWritten);
  Step();
  EXPECT_EQ(loop_->status().last_success_ms, kStampMs + 5'000);
}

TEST_F(SendLoopTest, ABlockThatTheReceiverNeverTakesKeepsNoOtherBack) {
  Begin();
  AppendMany(50);
  std::set<std::string> arrived;
  for (int i = 0; i < 1000 && arrived.size() < 49; ++i) {
    Step();
    while (open() > 0) {
      const std::string body = client_->open.front().body;
      if (body == "0") {
        Answer(500);
      } else {
        arrived.insert(body);
        Answer(204, kWritten);
      }
    }
    Step();
    clock_.Advance(20 * kNanosPerMilli);
  }
  EXPECT_EQ(arrived.size(), 49U);
  // 20 s of them would be enough for one after the other; this tells starving from failing.
  EXPECT_LT(clock_.MonotonicNanos() - FakeClock::kStartMonotonicNanos, 10 * kNanosPerSecond);
  EXPECT_EQ(queue_->stats().blocks, 1U);
}

TEST_F(SendLoopTest, CountsWhatWasDamagedInTheStorageAndGoesOn) {
  options_.protobuf_message = RemoteWriteProtocol::k1;
  Begin();
  Append({Opaque("no request of 2.0"), Real(3)});
  Step();
  ASSERT_EQ(open(), 1U);
  EXPECT_EQ(Metric("samples_dropped_total", "reason", "corrupt"), 1);
  EXPECT_EQ(log_.Count("damaged"), 1);
  AnswerAll(200);
  Step();
  EXPECT_EQ(Metric("samples_total"), 3);
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

// What was put together with it is as good as ever.
TEST_F(SendLoopTest, DropsOnlyTheBlockThatWasDamaged) {
  for (const auto version : {RemoteWriteProtocol::k1, RemoteWriteProtocol::k2}) {
    options_.protobuf_message = version;
    options_.queue_config.max_samples_per_send = 100;
    Begin();
    const auto protocol = loop_->protocol();
    const double sent = Metric("samples_total");
    const double dropped = Metric("samples_dropped_total", "reason", "corrupt");
    Append({Real(3, protocol), Opaque("no request"), Real(4, protocol)});
    Step();
    ASSERT_EQ(open(), 1U);
    EXPECT_EQ(Metric("samples_dropped_total", "reason", "corrupt"), dropped + 1);
    AnswerAll(204, WrittenHeaders("7"));
    Step();
    EXPECT_EQ(Metric("samples_total"), sent + 7);
    EXPECT_EQ(queue_->stats().blocks, 0U);
    EXPECT_EQ(open(), 0U);
  }
}

TEST_F(SendLoopTest, NamesTheTenantWhenConfiguredSo) {
  by_tenant_ = true;
  options_.queue_config.max_samples_per_send = 100;
  options_.queue_config.max_shards = 10;
  Begin();
  Append({Opaque("a")}, "team-a");
  Append({Opaque("b")}, "team-b");
  for (const std::string tenant : {"team-a", "team-b"}) {
    Step();
    ASSERT_EQ(open(), 1U);
    EXPECT_EQ(client_->open.front().headers.at("X-Scope-OrgID"), tenant);
    AnswerAll(204, kWritten);
    Step();
  }
}

TEST_F(SendLoopTest, DoesNotNameTheTenantOtherwise) {
  Begin();
  Append({Opaque("a")}, "team-a");
  Step();
  ASSERT_EQ(open(), 1U);
  EXPECT_EQ(client_->open.front().headers.count("X-Scope-OrgID"), 0U);
}

TEST_F(SendLoopTest, WaitsForAFullRequestOnlyWhileThereIsTime) {
  options_.queue_config.batch_send_deadline = 5 * kNanosPerSecond;
  options_.queue_config.max_samples_per_send = 100;
  Begin();
  Append({Opaque("a")});
  Step();
  EXPECT_EQ(open(), 0U);
  loop_->Hurry(kNeverNanos);
  Step();
  EXPECT_EQ(open(), 1U);
}

TEST_F(SendLoopTest, ASecondIsTheLongestStep) {
  Begin();
  Step();
  EXPECT_EQ(TimeoutMs(), 1000);
}

TEST_F(SendLoopTest, NoStepLastsBeyondTheDeadline) {
  Begin();
  Append({Opaque("a")});
  loop_->Hurry(clock_.MonotonicNanos() + 30 * kNanosPerMilli);
  Step();
  EXPECT_EQ(open(), 1U);
  EXPECT_EQ(TimeoutMs(), 30);
  clock_.Advance(40 * kNanosPerMilli);
  Step();
  EXPECT_EQ(TimeoutMs(), 0);
}

TEST_F(SendLoopTest, IsDoneWhenNothingIsLeft) {
  Begin();
  Append({Opaque("a"), Opaque("b")});
  loop_->Hurry(kNeverNanos);
  for (int i = 0; i < 2; ++i) {
    Step();
    EXPECT_FALSE(loop_->Done());
    AnswerAll(204, kWritten);
    Step();
  }
  EXPECT_TRUE(loop_->Done());
}

// This queue is in memory: what does not arrive now is lost.
TEST_F(SendLoopTest, KeepsTryingAtTheEndWhatIsNowhereElse) {
  Begin();
  Append({Opaque("a")});
  loop_->Hurry(kNeverNanos);
  for (int i = 0; i < 5; ++i) {
    Step();
    ASSERT_EQ(open(), 1U);
    AnswerAll(503);
    Step();
    EXPECT_FALSE(loop_->Done());
    clock_.Advance(kNanosPerSecond);
  }
}

TEST_F(SendLoopTest, DoesNotWaitForAPauseThatIsLongerThanTheTimeLeft) {
  Begin();
  Append({Opaque("a")});
  Step();
  AnswerAll(503, {{"retry-after", "120"}});
  Step();
  const int64_t now = clock_.MonotonicNanos();
  loop_->Hurry(now + 119 * kNanosPerSecond);
  EXPECT_TRUE(loop_->Done());
  loop_->Hurry(now + 121 * kNanosPerSecond);
  EXPECT_FALSE(loop_->Done());
}

TEST_F(SendLoopTest, GivesBackWhatIsUnderWayAtTheEnd) {
  Begin();
  AppendMany(3);
  Step();
  ASSERT_EQ(OpenBody(), "0");
  loop_->Cancel();
  EXPECT_EQ(client_->cancels, 1);
  size_t there = 0;
  for (int i = 0; i < 3; ++i) {
    int64_t next_nanos = 0;
    there += queue_->Take({100, 0, false}, &next_nanos).blocks.size();
  }
  EXPECT_EQ(there, 3U);
}

// Whatever the receiver answers in whatever order: each block arrives at least once or is refused,
// and those of one series arrive in their order.
TEST_F(SendLoopTest, LosesNothingAndKeepsTheOrderOfEachSeries) {
  constexpr int kSeries = 8;
  constexpr int kBlocks = 200;
  for (uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    options_.name = "receiver " + std::to_string(seed);
    Begin();
    std::vector<std::pair<uint64_t, uint64_t>> ranges;
    std::array<int, kSeries> last_arrived;
    last_arrived.fill(-1);
    std::vector<int> settled(kBlocks, 0);
    std::vector<Block> blocks;
    for (int i = 0; i < kBlocks; ++i) {
      uint64_t first = random() % kSeries;
      uint64_t last = random() % kSeries;
      if (first > last) std::swap(first, last);
      ranges.emplace_back(first, last);
      blocks.push_back(Opaque(std::to_string(i), first, last));
    }
    Append(std::move(blocks));
    int steps = 0;
    while (queue_->stats().blocks != 0) {
      ASSERT_LT(++steps, 100'000);
      Step();
      const size_t answers = open() == 0 ? 0 : random() % (open() + 1);
      for (size_t i = 0; i < answers; ++i) {
        const size_t index = random() % open();
        const int block = std::stoi(client_->open[index].body);
        const uint32_t kind = random() % 10;
        if (kind < 6) {
          ++settled[block];
          for (uint64_t series = ranges[block].first; series <= ranges[block].second; ++series) {
            EXPECT_LT(last_arrived[series], block);
            last_arrived[series] = block;
          }
          Answer(204, kWritten, "", index);
        } else if (kind == 6) {
          ++settled[block];
          Answer(400, {}, "", index);
        } else {
          Answer(kind == 7 ? 0 : 503, {}, "", index);
        }
      }
      Step();
      clock_.Advance(static_cast<int64_t>(random() % 300) * kNanosPerMilli);
    }
    EXPECT_EQ(std::count(settled.begin(), settled.end(), 1), kBlocks);
  }
}

// Also when it was there from the first request on, with which the others are put together.
TEST_F(SendLoopTest, ABlockThatIsNeverTakenKeepsNoOtherBackFromTheStart) {
  options_.queue_config.max_samples_per_send = 100;
  options_.protobuf_message = RemoteWriteProtocol::k1;
  Begin();
  std::vector<Block> blocks;
  for (uint64_t i = 0; i < 6; ++i) {
    Block block = Real(i == 3 ? 50 : 1, Protocol::k1);
    block.first_hash = i;
    block.last_hash = i;
    blocks.push_back(std::move(block));
  }
  Append(std::move(blocks));
  for (int i = 0; i < 600 && queue_->stats().blocks > 1; ++i) {
    Step();
    while (open() > 0) {
      Answer(SamplesIn(client_->open.front().body) >= 50 ? 500 : 204);
    }
    Step();
    clock_.Advance(kNanosPerSecond);
  }
  EXPECT_EQ(queue_->stats().blocks, 1U);
}

}  // namespace
}  // namespace spanmeter
