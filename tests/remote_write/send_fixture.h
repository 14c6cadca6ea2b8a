// What the tests of sending share: a loop with a receiver whose answers the test chooses, a queue
// in memory, a clock that is moved by hand and a log that can be read.

#ifndef SPANMETER_TESTS_REMOTE_WRITE_SEND_FIXTURE_H_
#define SPANMETER_TESTS_REMOTE_WRITE_SEND_FIXTURE_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/log.h"
#include "spanmeter/queue_storage.h"

#include "remote_write/metric_reader.h"
#include "remote_write/request_encoder.h"
#include "remote_write/send_loop.h"
#include "support/fake_clock.h"
#include "support/log_file.h"

namespace spanmeter {

inline constexpr int64_t kStampMs = FakeClock::kStartWallNanos / kNanosPerMilli;
inline constexpr uint64_t kEveryHash = std::numeric_limits<uint64_t>::max();

// The headers with which a receiver of 2.0 says what it has written.
inline std::map<std::string, std::string> WrittenHeaders(const std::string& samples,
                                                         const std::string& histograms = "0",
                                                         const std::string& exemplars = "0") {
  return {{"x-prometheus-remote-write-samples-written", samples},
          {"x-prometheus-remote-write-histograms-written", histograms},
          {"x-prometheus-remote-write-exemplars-written", exemplars}};
}

// Keeps what is started until the test answers it. One thread.
class FakeHttpClient final : public HttpClient {
 public:
  void Start(HttpRequest request) override { open.push_back(std::move(request)); }
  std::vector<HttpResponse> Wait(int64_t timeout_nanos) override {
    last_timeout_nanos = timeout_nanos;
    return std::exchange(answers, {});
  }
  void CancelAll() override {
    open.clear();
    ++cancels;
  }
  void Wake() override {}

  std::deque<HttpRequest> open;  // in the order of their start
  std::vector<HttpResponse> answers;
  int64_t last_timeout_nanos = 0;
  int cancels = 0;
};

// Every block goes alone and at once unless a test changes the options.
class SendLoopTest : public testing::Test {
 protected:
  SendLoopTest() {
    options_.name = "receiver";
    options_.url = "http://receiver/write";
    options_.protobuf_message = RemoteWriteProtocol::k2;
    options_.queue_config.max_samples_per_send = 1;
    options_.queue_config.batch_send_deadline = 0;
    options_.queue_config.min_backoff = 100 * kNanosPerMilli;
    options_.queue_config.max_backoff = 1'000 * kNanosPerMilli;
  }

  void Begin() {
    queue_ = storage_.Open(options_.name, QueueLimits(),
                           [this](DropReason reason, const DroppedBlocks& dropped) {
                             metrics_.CountDropped(reason, dropped.counts);
                           });
    auto client = std::make_unique<FakeHttpClient>();
    client_ = client.get();
    SendLoop::Parts parts;
    parts.queue = queue_;
    parts.client = std::move(client);
    parts.metadata = [this](const std::string& tenant) {
      return tenant.empty() ? metadata_ : metadata_of_[tenant];
    };
    parts.by_tenant = by_tenant_;
    parts.metrics = &metrics_;
    parts.clock = &clock_;
    parts.logger = &logger_;
    loop_ = std::make_unique<SendLoop>(options_, std::move(parts));
  }

  void Append(std::vector<Block> blocks, const std::string& tenant = "") {
    for (Block& block : blocks) block.tenant = tenant;
    storage_.Append(tenant, ++stamp_, {{queue_.get(), std::move(blocks)}});
  }
  // A block of one sample, whose body only the test understands, for the given series.
  static Block Opaque(const std::string& body, uint64_t first_hash = 0,
                      uint64_t last_hash = kEveryHash) {
    Block block;
    block.first_hash = first_hash;
    block.last_hash = last_hash;
    block.counts.samples = 1;
    block.oldest_ms = kStampMs;
    block.newest_ms = kStampMs;
    block.body = body;
    return block;
  }
  // So many of different series: "0", "1" and so on.
  void AppendMany(int count, int first = 0) {
    std::vector<Block> blocks;
    for (int i = first; i < first + count; ++i) {
      blocks.push_back(
          Opaque(std::to_string(i), static_cast<uint64_t>(i), static_cast<uint64_t>(i)));
    }
    Append(std::move(blocks));
  }
  // A block with a real request in it: `samples` of one counter.
  static Block Real(int samples, Protocol protocol = Protocol::k2) {
    MetricInfo info;
    info.name = "calls_total";
    info.help = "Calls.";
    const MetricNames metric(info, 1);
    SeriesLabels labels;
    labels.Parse("a=\"b\"");
    RequestEncoder encoder(protocol);
    encoder.BeginSeries(labels, {&metric, SeriesPart::kPlain});
    for (int i = 0; i < samples; ++i) encoder.AddSample(i, kStampMs + i, 0);
    encoder.EndSeries();
    Block block;
    block.protocol = protocol;
    block.counts = encoder.counts();
    block.oldest_ms = kStampMs;
    block.newest_ms = kStampMs + samples - 1;
    block.body = encoder.Finish();
    return block;
  }

  void Step() { loop_->Step(); }
  // Answers the oldest request that is open, or one that was started after it.
  void Answer(int status, const std::map<std::string, std::string>& headers = {},
              const std::string& body = "", size_t index = 0) {
    ASSERT_LT(index, client_->open.size());
    HttpResponse response;
    response.id = client_->open[index].id;
    response.status = status;
    response.headers = headers;
    (status == 0 ? response.error : response.body) = body;
    response.seconds = 0.01;
    client_->answers.push_back(std::move(response));
    client_->open.erase(client_->open.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void AnswerAll(int status, const std::map<std::string, std::string>& headers = {}) {
    while (!client_->open.empty()) Answer(status, headers);
  }
  // The body of the only request that is open.
  std::string OpenBody() const {
    EXPECT_EQ(client_->open.size(), 1U);
    return client_->open.empty() ? "none" : client_->open.front().body;
  }
  std::vector<std::string> OpenBodies() const {
    std::vector<std::string> bodies;
    for (const HttpRequest& request : client_->open) bodies.push_back(request.body);
    return bodies;
  }
  size_t open() const { return client_->open.size(); }
  // What the next step waits at most: for a pause, or for answers.
  int64_t TimeoutMs() const { return client_->last_timeout_nanos / kNanosPerMilli; }

  // A metric of the receiver's, of which `reason` and the like may be asked for.
  double Metric(const std::string& name, const std::string& label = "",
                const std::string& value = "") const {
    return ReadMetric(metrics_, queue_->stats(), clock_.WallNanos() / kNanosPerMilli,
                      "spanmeter_remote_storage_" + name, label, value);
  }

  RemoteWriteOptions options_;
  bool by_tenant_ = false;
  std::vector<MetricInfo> metadata_;
  std::map<std::string, std::vector<MetricInfo>> metadata_of_;  // by tenant
  FakeClock clock_;
  LogFile log_;
  Logger logger_{{}, &clock_, log_.fd()};
  EndpointMetrics metrics_{"receiver", "http://receiver/write"};
  // The storage has a log of its own.
  LogFile storage_log_;
  Logger storage_logger_{{}, &clock_, storage_log_.fd()};
  QueueStorage storage_{{}, {"remote_write", "remote write", "samples"}, &clock_, &storage_logger_};
  std::shared_ptr<BlockQueue> queue_;
  FakeHttpClient* client_ = nullptr;
  std::unique_ptr<SendLoop> loop_;
  int64_t stamp_ = kStampMs;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_REMOTE_WRITE_SEND_FIXTURE_H_
