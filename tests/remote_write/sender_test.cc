#include "remote_write/sender.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "remote_write/send_fixture.h"

namespace spanmeter {
namespace {

// Waits for real. Answers at once with `status`, or never when that is kNever.
class WaitingClient final : public HttpClient {
 public:
  static constexpr int kNever = -1;

  explicit WaitingClient(int status) : status_(status) {}

  void Start(HttpRequest request) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    started_.push_back(request.body);
    if (status_ != kNever) {
      HttpResponse response;
      response.id = request.id;
      response.status = status_;
      response.headers = WrittenHeaders("1");
      answers_.push_back(std::move(response));
    }
    changed_.notify_all();
  }
  std::vector<HttpResponse> Wait(int64_t timeout_nanos) override {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait_for(lock, std::chrono::nanoseconds(timeout_nanos),
                      [this] { return woken_ || !answers_.empty(); });
    woken_ = false;
    return std::exchange(answers_, {});
  }
  void CancelAll() override {}
  void Wake() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    woken_ = true;
    changed_.notify_all();
  }

  // Waits until so many requests were started.
  void AwaitStarted(size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    ASSERT_TRUE(changed_.wait_for(lock, std::chrono::seconds(60),
                                  [this, count] { return started_.size() >= count; }));
  }

 private:
  const int status_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool woken_ = false;
  std::vector<std::string> started_;
  std::vector<HttpResponse> answers_;
};

class SenderTest : public testing::Test {
 protected:
  void Begin(int status) {
    options_.name = "receiver";
    options_.queue_config.max_samples_per_send = 1;
    queue_ = storage_.Open("receiver", QueueLimits(), [](DropReason, const DroppedBlocks&) {});
    auto client = std::make_unique<WaitingClient>(status);
    client_ = client.get();
    SendLoop::Parts parts;
    parts.queue = queue_;
    parts.client = std::move(client);
    parts.metadata = [](const std::string&) { return std::vector<MetricInfo>(); };
    parts.metrics = &metrics_;
    parts.clock = &clock_;
    parts.logger = &logger_;
    sender_ = std::make_unique<Sender>(options_, std::move(parts));
  }
  void Append(int blocks) {
    std::vector<Block> all(static_cast<size_t>(blocks));
    for (Block& block : all) {
      block.counts.samples = 1;
      block.oldest_ms = block.newest_ms = clock_.WallNanos() / kNanosPerMilli;
      block.body = "body";
    }
    storage_.Append("", ++stamp_, {{queue_.get(), std::move(all)}});
    sender_->Wake();
  }
  int64_t InMs(int64_t ms) const { return clock_.MonotonicNanos() + ms * kNanosPerMilli; }

  RemoteWriteOptions options_;
  SystemClock clock_;
  LogFile log_;
  Logger logger_{{}, &clock_, log_.fd()};
  EndpointMetrics metrics_{"receiver", "http://receiver/write"};
  QueueStorage storage_{{}, {"remote_write", "remote write", "samples"}, &clock_, &logger_};
  std::shared_ptr<BlockQueue> queue_;
  WaitingClient* client_ = nullptr;
  std::unique_ptr<Sender> sender_;
  int64_t stamp_ = 0;
};

TEST_F(SenderTest, SendsWhatIsAppendedAndTheRestBeforeItEnds) {
  Begin(204);
  Append(5);
  client_->AwaitStarted(5);
  Append(20);
  sender_->BeginStop(InMs(60'000));
  sender_->Stop();
  EXPECT_EQ(queue_->stats().blocks, 0U);
  EXPECT_GT(sender_->status().last_success_ms, 0);
}

TEST_F(SenderTest, AReceiverThatNeverAnswersCannotHoldUpTheEnd) {
  Begin(WaitingClient::kNever);
  Append(3);
  client_->AwaitStarted(1);
  const int64_t begin = clock_.MonotonicNanos();
  sender_->BeginStop(InMs(50));
  sender_->Stop();
  const int64_t took = clock_.MonotonicNanos() - begin;
  EXPECT_GE(took, 50 * kNanosPerMilli);
  EXPECT_LT(took, 800 * kNanosPerMilli);
  EXPECT_EQ(queue_->stats().blocks, 3U);
}

TEST_F(SenderTest, AReceiverThatFailsIsTriedUntilTheDeadline) {
  options_.queue_config.min_backoff = kNanosPerMilli;
  options_.queue_config.max_backoff = 2 * kNanosPerMilli;
  Begin(503);
  Append(1);
  sender_->BeginStop(InMs(100));
  sender_->Stop();
  client_->AwaitStarted(3);
  EXPECT_EQ(queue_->stats().blocks, 1U);
}

TEST_F(SenderTest, EndsAtOnceWithoutBeingAskedToStop) {
  Begin(WaitingClient::kNever);
  Append(1);
  client_->AwaitStarted(1);
  const int64_t begin = clock_.MonotonicNanos();
  sender_.reset();
  EXPECT_LT(clock_.MonotonicNanos() - begin, 500 * kNanosPerMilli);
  EXPECT_EQ(queue_->stats().blocks, 1U);
}

}  // namespace
}  // namespace spanmeter
