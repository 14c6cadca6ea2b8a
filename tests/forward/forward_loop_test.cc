#include "forward/forward_loop.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/queue_storage.h"

#include "forward/forward_fixture.h"
#include "support/fake_clock.h"
#include "support/log_file.h"

namespace spanmeter {
namespace {

using Outcome = ExportAnswer::Outcome;
using testing::ElementsAre;

constexpr int64_t kMs = kNanosPerMilli;

class ForwardLoopTest : public testing::Test {
 protected:
  ForwardLoopTest() {
    options_.name = "receiver";
    options_.max_concurrent_requests = 3;
    options_.queue_config.min_backoff = 100 * kMs;
    options_.queue_config.max_backoff = 1'000 * kMs;
  }

  void Begin() {
    queue_ = storage_.Open("receiver", QueueLimits(),
                           [this](DropReason reason, const DroppedBlocks& dropped) {
                             metrics_.CountDropped(reason, dropped);
                           });
    auto client = std::make_unique<FakeExportClient>();
    client_ = client.get();
    loop_ = std::make_unique<ForwardLoop>(
        options_, ForwardLoop::Parts{queue_, std::move(client), &metrics_, &clock_, &logger_});
  }
  void Queue(const std::string& body, uint64_t spans = 1, const std::string& tenant = "") {
    Block block;
    block.protocol = Protocol::kOtlp;
    block.tenant = tenant;
    block.first_hash = block.last_hash = ++hash_;
    block.counts.samples = spans;
    block.oldest_ms = block.newest_ms = clock_.WallNanos() / kMs;
    queue_->Append(block, std::make_shared<const std::string>(body), 0);
  }
  void Answer(Outcome outcome, int64_t wait_nanos = 0, uint64_t rejected = 0) {
    ExportAnswer answer;
    answer.outcome = outcome;
    answer.error = outcome == Outcome::kTaken ? "" : "because";
    answer.wait_nanos = wait_nanos;
    answer.rejected_spans = rejected;
    client_->Answer(std::move(answer));
  }
  std::vector<std::string> Open() const {
    std::vector<std::string> bodies;
    for (const ExportRequest& request : client_->open) bodies.push_back(*request.body);
    return bodies;
  }
  double Metric(const std::string& name, const std::string& label = "",
                const std::string& value = "") const {
    std::vector<prometheus::MetricFamily> families;
    metrics_.Append(queue_->stats(), clock_.WallNanos() / kMs, 0, &families);
    return ValueOf(families, "spanmeter_forward_" + name, label, value);
  }
  void Advance(int64_t nanos) { clock_.Advance(nanos); }

  ForwardOptions options_;
  FakeClock clock_;
  LogFile log_;
  Logger logger_{{}, &clock_, log_.fd()};
  ReceiverMetrics metrics_{"receiver"};
  QueueStorage storage_{{}, {"forward", "what is passed on", "spans"}, &clock_, &logger_};
  std::shared_ptr<BlockQueue> queue_;
  FakeExportClient* client_ = nullptr;
  std::unique_ptr<ForwardLoop> loop_;
  uint64_t hash_ = 0;
};

TEST_F(ForwardLoopTest, SendsSeveralRequestsAtATimeEachByItself) {
  Begin();
  for (const char* body : {"a", "b", "c", "d"}) Queue(body, 0);
  loop_->Step();
  EXPECT_THAT(Open(), ElementsAre("a", "b", "c"));
  Answer(Outcome::kTaken);
  loop_->Step();
  loop_->Step();
  EXPECT_THAT(Open(), ElementsAre("b", "c", "d"));
}

TEST_F(ForwardLoopTest, CountsWhatIsTaken) {
  Begin();
  Queue("four", 7);
  EXPECT_EQ(Metric("queue_spans"), 7);
  EXPECT_EQ(Metric("queue_bytes"), 4);
  loop_->Step();
  Answer(Outcome::kTaken, 0, 2);
  loop_->Step();
  EXPECT_EQ(Metric("spans_total"), 5);
  EXPECT_EQ(Metric("spans_rejected_total"), 2);
  EXPECT_EQ(Metric("requests_total"), 1);
  EXPECT_EQ(Metric("bytes_total"), 4);
  EXPECT_EQ(Metric("queue_requests"), 0);
  EXPECT_EQ(Metric("up"), 1);
  EXPECT_EQ(log_.Count("has rejected some"), 1);
  EXPECT_EQ(loop_->status().last_success_ms, clock_.WallNanos() / kMs);
}

TEST_F(ForwardLoopTest, TenantsGoAlongUnlessTheyAreNotTo) {
  for (const bool add : {true, false}) {
    options_.add_org_id_header = add;
    Begin();
    Queue("a", 1, "team");
    loop_->Step();
    ASSERT_EQ(client_->open.size(), 1U);
    EXPECT_EQ(client_->open.front().tenant, add ? "team" : "");
    Answer(Outcome::kTaken);
    loop_->Step();
  }
}

TEST_F(ForwardLoopTest, FailuresThatPassAreTriedAgainEachTimeLater) {
  Begin();
  Queue("a", 3);
  int64_t longest_nanos = 100 * kMs;
  for (int failures = 1; failures <= 6; ++failures) {
    loop_->Step();
    ASSERT_EQ(client_->open.size(), 1U) << failures;
    Answer(Outcome::kRetry);
    loop_->Step();
    EXPECT_EQ(Metric("requests_retried_total"), failures);
    EXPECT_EQ(Metric("spans_retried_total"), 3 * failures);
    EXPECT_EQ(Metric("up"), 0);
    // Not before half of what the number of failures asks for, and not after all of it.
    Advance(longest_nanos / 2 - 1);
    loop_->Step();
    EXPECT_EQ(client_->open.size(), 0U) << failures;
    Advance(longest_nanos - longest_nanos / 2 + 1);
    longest_nanos = std::min(2 * longest_nanos, 1'000 * kMs);
  }
  loop_->Step();
  Answer(Outcome::kTaken);
  loop_->Step();
  EXPECT_EQ(Metric("spans_total"), 3);
  EXPECT_EQ(Metric("up"), 1);
  EXPECT_EQ(Metric("spans_dropped_total"), 0);
  EXPECT_EQ(log_.Count("trying again"), 1);
  EXPECT_EQ(loop_->status().last_error, "because");
}

TEST_F(ForwardLoopTest, ReceiverSaysWhenToTryAgain) {
  Begin();
  Queue("a");
  loop_->Step();
  Answer(Outcome::kRetry, 30 * kNanosPerSecond);
  loop_->Step();
  Advance(30 * kNanosPerSecond - 1);
  loop_->Step();
  EXPECT_EQ(client_->open.size(), 0U);
  Advance(1);
  loop_->Step();
  EXPECT_EQ(client_->open.size(), 1U);
}

TEST_F(ForwardLoopTest, RequestsUnderWayTogetherFailOnceAndOneTriesAgain) {
  Begin();
  for (const char* body : {"a", "b", "c", "d"}) Queue(body);
  loop_->Step();
  for (int i = 0; i < 3; ++i) Answer(Outcome::kRetry);
  loop_->Step();
  Advance(100 * kMs);
  loop_->Step();
  EXPECT_EQ(client_->open.size(), 1U);
  Answer(Outcome::kTaken);
  loop_->Step();
  Advance(1);
  loop_->Step();
  EXPECT_EQ(client_->open.size(), 3U);
}

TEST_F(ForwardLoopTest, RequestThatNeverGetsThroughDoesNotHoldUpOthers) {
  Begin();
  Queue("bad");
  for (int i = 0; i < 10; ++i) Queue("good");
  uint64_t taken = 0;
  for (int i = 0; i < 100 && taken < 10; ++i) {
    loop_->Step();
    while (!client_->open.empty()) {
      const bool good = *client_->open.front().body == "good";
      taken += good ? 1 : 0;
      Answer(good ? Outcome::kTaken : Outcome::kRetry);
    }
    loop_->Step();
    while (!client_->open.empty()) Answer(Outcome::kRetry);
    Advance(100 * kMs);
  }
  EXPECT_GE(taken, 10U);
  EXPECT_EQ(Metric("queue_requests"), 1);
}

TEST_F(ForwardLoopTest, WhatIsRefusedIsDroppedAndCounted) {
  Begin();
  Queue("bad", 4);
  Queue("good");
  loop_->Step();
  Answer(Outcome::kRefused);
  Answer(Outcome::kTaken);
  loop_->Step();
  EXPECT_EQ(Metric("spans_dropped_total", "reason", "rejected"), 4);
  EXPECT_EQ(Metric("requests_dropped_total", "reason", "rejected"), 1);
  EXPECT_EQ(Metric("bytes_dropped_total", "reason", "rejected"), 3);
  EXPECT_EQ(Metric("queue_requests"), 0);
  EXPECT_EQ(Metric("spans_total"), 1);
  EXPECT_EQ(log_.Count("refuses spans"), 1);
}

TEST_F(ForwardLoopTest, CompressesWhatIsNotCompressed) {
  options_.compression = ForwardCompression::kGzip;
  Begin();
  Queue(std::string(10'000, 'x'));
  Queue("\x1f\x8b is compressed");
  loop_->Step();
  ASSERT_EQ(client_->open.size(), 2U);
  EXPECT_TRUE(IsGzip(*client_->open[0].body));
  EXPECT_LT(client_->open[0].body->size(), 200U);
  EXPECT_EQ(*client_->open[1].body, "\x1f\x8b is compressed");
}

TEST_F(ForwardLoopTest, HurriedLoopIsDoneWhenNothingIsLeft) {
  Begin();
  Queue("a");
  loop_->Hurry(clock_.MonotonicNanos() + kNanosPerSecond);
  EXPECT_FALSE(loop_->Done());
  loop_->Step();
  EXPECT_FALSE(loop_->Done());
  Answer(Outcome::kTaken);
  loop_->Step();
  EXPECT_TRUE(loop_->Done());
}

TEST_F(ForwardLoopTest, HurriedLoopDoesNotWaitForAReceiverThatFailsWhenTheDiskKeepsTheRest) {
  for (const bool spill : {false, true}) {
    options_.queue_config.spill = spill;
    Begin();
    Queue("a");
    loop_->Hurry(clock_.MonotonicNanos() + 10 * kNanosPerSecond);
    loop_->Step();
    Answer(Outcome::kRetry);
    loop_->Step();
    EXPECT_EQ(loop_->Done(), spill);
    Advance(2 * kNanosPerSecond);
    loop_->Step();
    while (!client_->open.empty()) Answer(Outcome::kTaken);
    loop_->Step();
  }
}

TEST_F(ForwardLoopTest, NothingIsWaitedForBeyondTheDeadline) {
  options_.queue_config.min_backoff = options_.queue_config.max_backoff = 60 * kNanosPerSecond;
  Begin();
  Queue("a");
  loop_->Hurry(clock_.MonotonicNanos() + 300 * kMs);
  loop_->Step();
  EXPECT_EQ(client_->last_timeout_nanos, 300 * kMs);
  Answer(Outcome::kRetry);
  loop_->Step();
  EXPECT_TRUE(loop_->Done());
}

TEST_F(ForwardLoopTest, WhatIsCancelledGoesBackToTheQueue) {
  Begin();
  Queue("a");
  loop_->Step();
  loop_->Cancel();
  EXPECT_EQ(client_->open.size(), 0U);
  EXPECT_EQ(Metric("queue_requests"), 1);
  loop_->Step();
  EXPECT_THAT(Open(), ElementsAre("a"));
}

}  // namespace
}  // namespace spanmeter
