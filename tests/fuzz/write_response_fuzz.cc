// Fuzzes what a receiver of remote write answers. The input says what is appended when, and with
// which status and headers requests are answered, as a receiver or a proxy might. A plain book of
// what each answer means sees that no block is sent again after it arrived or was refused, or
// twice at a time, or before an earlier one of the same series; that a receiver is left alone
// for as long as it wants; and, in the end, that none is lost and all are counted once.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <snappy.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/write/v1.pb.h>
#include <prometheus/write/v2.pb.h>

#include "spanmeter/queue_storage.h"
#include "spanmeter/retry_after.h"

#include "fuzz/fuzz_input.h"
#include "fuzz/null_file.h"
#include "remote_write/metric_reader.h"
#include "remote_write/request_encoder.h"
#include "remote_write/send_loop.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::Check;
using testing::FuzzInput;

constexpr size_t kMaxBlocks = 200;
constexpr int64_t kMaxPauseSeconds = 600;
constexpr std::string_view kTenants[] = {"a", "b"};
constexpr int kStatuses[] = {200, 204, 202, 400, 415, 429, 500, 503, 404, 301, 413, 0, 599, 100};

// Keeps what is started until it is answered.
class FakeClient final : public HttpClient {
 public:
  void Start(HttpRequest request) override { started.push_back(std::move(request)); }
  std::vector<HttpResponse> Wait(int64_t /*timeout_nanos*/) override {
    return std::exchange(answers, {});
  }
  void CancelAll() override { started.clear(); }
  void Wake() override {}

  std::vector<HttpRequest> started;
  std::vector<HttpResponse> answers;
};

struct SentBlock {
  std::string tenant;
  uint64_t first_hash = 0;
  uint64_t last_hash = 0;
  uint64_t samples = 0;
  enum class State : uint8_t { kWaiting, kFlying, kDone } state = State::kWaiting;
};

struct Flight {
  HttpRequest request;
  bool is_1 = false;
  bool is_metadata = false;
  std::set<size_t> blocks;
  uint64_t samples = 0;
};

// A header Retry-After, and what it means at the start of the clock.
struct RetryAfter {
  std::string_view text;
  int64_t seconds;
};
constexpr RetryAfter kRetryAfter[] = {
    {"0", 0},  {"1", 1},    {"120", 120}, {"99999999999999999999", kMaxPauseSeconds},
    {"-5", 0}, {"soon", 0}, {"1.5", 0},   {"", 0}};
// One instant, a minute after the start of the clock, in the three forms of RFC 9110.
constexpr std::string_view kDates[] = {"Sat, 31 Jan 2026 12:01:00 GMT",
                                       "Saturday, 31-Jan-26 12:01:00 GMT",
                                       "Sat Jan 31 12:01:00 2026"};
constexpr int64_t kDateSeconds = FakeClock::kStartWallNanos / kNanosPerSecond + 60;

class Run {
 public:
  explicit Run(FuzzInput* input) : input_(*input) {
    options_.name = "receiver";
    options_.url = "http://receiver/write";
    options_.protobuf_message = static_cast<RemoteWriteProtocol>(input->Choose(3));
    QueueOptions& queue = options_.queue_config;
    queue.retry_on_http_429 = input->Flip();
    queue.max_samples_per_send = 1 + input->Choose(8);
    queue.max_shards = 1 + input->Choose(4);
    queue.batch_send_deadline = 0;
    queue.max_backoff = kNanosPerSecond;
    queue_ = storage_.Open(options_.name, QueueLimits(),
                           [](DropReason /*reason*/, const DroppedBlocks& /*dropped*/) {
                             Check(false, "the queue has dropped something");
                           });
    auto client = std::make_unique<FakeClient>();
    client_ = client.get();
    SendLoop::Parts parts;
    parts.queue = queue_;
    parts.client = std::move(client);
    parts.metadata = [](const std::string& /*tenant*/) {
      MetricInfo info;
      info.name = "calls_total";
      return std::vector{info};
    };
    parts.by_tenant = by_tenant_ = input->Flip();
    parts.metrics = &metrics_;
    parts.clock = &clock_;
    parts.logger = &logger_;
    loop_ = std::make_unique<SendLoop>(options_, std::move(parts));
  }

  void Play() {
    for (int i = 0; i < 300 && !input_.done(); ++i) {
      switch (input_.Choose(4)) {
        case 0:
          Append();
          break;
        case 1:
          clock_.Advance(static_cast<int64_t>(input_.Choose(64)) * kNanosPerSecond / 4);
          break;
        case 2:
        case 3:
          if (!flights_.empty()) AnswerAsChosen();
          break;
      }
      Step();
    }
    Finish();
  }

 private:
  void Append() {
    const std::string tenant(input_.Pick(kTenants));
    std::vector<Block> blocks;
    for (size_t i = input_.Choose(4) + 1; i > 0 && book_.size() < kMaxBlocks; --i) {
      SentBlock& sent = book_.emplace_back();
      sent.tenant = tenant;
      sent.samples = 1 + input_.Choose(3);
      sent.first_hash = input_.Choose(4);
      sent.last_hash = input_.Flip() ? sent.first_hash : std::numeric_limits<uint64_t>::max();
      Block& block = blocks.emplace_back(MakeBlock(sent));
      block.tenant = tenant;
      block.first_hash = sent.first_hash;
      block.last_hash = sent.last_hash;
    }
    if (!blocks.empty()) storage_.Append(tenant, ++stamp_ms_, {{queue_.get(), std::move(blocks)}});
  }
  // All of its samples have the block's number for a value.
  Block MakeBlock(const SentBlock& sent) const {
    MetricInfo info;
    info.name = "calls_total";
    const MetricNames metric(info, 1);
    SeriesLabels labels;
    labels.Parse("a=\"b\"");
    Block block;
    block.protocol =
        options_.protobuf_message == RemoteWriteProtocol::k1 ? Protocol::k1 : Protocol::k2;
    RequestEncoder encoder(block.protocol);
    encoder.BeginSeries(labels, {&metric, SeriesPart::kPlain});
    const int64_t now_ms = clock_.WallNanos() / kNanosPerMilli;
    for (uint64_t i = 0; i < sent.samples; ++i) {
      encoder.AddSample(static_cast<double>(book_.size() - 1), now_ms, 0);
    }
    encoder.EndSeries();
    block.counts = encoder.counts();
    block.oldest_ms = block.newest_ms = now_ms;
    block.body = encoder.Finish();
    return block;
  }

  void Step() {
    loop_->Step();
    for (HttpRequest& request : std::exchange(client_->started, {})) NoteStart(std::move(request));
  }

  template <typename Request>
  void ReadSamples(const std::string& body, Flight* flight) {
    Request request;
    Check(request.ParseFromString(body), "a body is no request");
    for (const auto& series : request.timeseries()) {
      for (const auto& sample : series.samples()) {
        flight->blocks.insert(static_cast<size_t>(sample.value()));
        ++flight->samples;
      }
    }
  }

  void NoteStart(HttpRequest request) {
    Flight flight;
    const std::string& type = request.headers["Content-Type"];
    flight.is_1 = type == "application/x-protobuf";
    std::string body;
    Check(snappy::Uncompress(request.body.data(), request.body.size(), &body), "a body is damaged");
    if (flight.is_1) {
      ReadSamples<prometheus::WriteRequest>(body, &flight);
    } else {
      ReadSamples<io::prometheus::write::v2::Request>(body, &flight);
    }
    if (options_.protobuf_message == RemoteWriteProtocol::k1) Check(flight.is_1, "version 2.0");
    if (options_.protobuf_message == RemoteWriteProtocol::k2) Check(!flight.is_1, "version 1.0");
    flight.is_metadata = flight.blocks.empty();
    if (flight.is_metadata) {
      Check(flight.is_1, "a request with nothing in it");
      for (const auto& [id, other] : flights_) Check(!other.is_metadata, "metadata twice");
    } else if (again_in_1_.empty()) {
      Check(clock_.MonotonicNanos() >= not_before_nanos_, "a receiver was not left alone");
    }
    uint64_t samples = 0;
    for (const size_t number : flight.blocks) {
      Check(number < book_.size(), "a block that nobody appended");
      SentBlock& block = book_[number];
      Check(block.state == SentBlock::State::kWaiting, "a block is sent twice");
      block.state = SentBlock::State::kFlying;
      samples += block.samples;
      if (again_in_1_.erase(number) > 0) Check(flight.is_1, "version 2.0 once more");
      if (by_tenant_) Check(request.headers["X-Scope-OrgID"] == block.tenant, "another tenant");
      for (size_t i = 0; i < number; ++i) {
        const SentBlock& earlier = book_[i];
        const bool overlap = earlier.tenant == block.tenant &&
                             earlier.first_hash <= block.last_hash &&
                             block.first_hash <= earlier.last_hash;
        Check(!overlap || earlier.state == SentBlock::State::kDone || flight.blocks.contains(i),
              "a block overtakes another one of the same series");
      }
    }
    Check(samples == flight.samples, "a block is sent in parts");
    flight.request = std::move(request);
    const uint64_t id = flight.request.id;
    Check(flights_.emplace(id, std::move(flight)).second, "an id is used twice");
  }

  void AnswerAsChosen() {
    auto at = flights_.begin();
    std::advance(at, input_.Choose(flights_.size()));
    HttpResponse response;
    response.status = input_.Pick(kStatuses);
    response.body = input_.Choose(4) == 3 ? input_.Text(255) : "";
    if (response.status == 0) response.error = "no answer";
    if (input_.Flip()) {
      for (const char* kind : {"samples", "histograms", "exemplars"}) {
        std::string count = "0";
        switch (input_.Choose(6)) {
          case 0:
          case 1:
            if (kind == std::string_view("samples")) count = std::to_string(at->second.samples);
            break;
          case 2:
            break;
          case 3:
            count = std::to_string(input_.Choose(20));
            break;
          case 4:
            count = input_.Text(25);
            break;
          case 5:
            continue;
        }
        const std::string header = "x-prometheus-remote-write-" + std::string(kind) + "-written";
        response.headers[header] = std::move(count);
      }
    }
    int64_t wanted_seconds = 0;
    switch (input_.Choose(5)) {
      case 3: {
        const RetryAfter retry_after = input_.Pick(kRetryAfter);
        response.headers["retry-after"] = retry_after.text;
        wanted_seconds = retry_after.seconds;
        break;
      }
      case 4:
        if (input_.Flip()) {
          response.headers["retry-after"] = input_.Pick(kDates);
          wanted_seconds = std::clamp<int64_t>(
              kDateSeconds - clock_.WallNanos() / kNanosPerSecond + 1, 0, kMaxPauseSeconds);
        } else {
          std::string text(input_.Text(40));
          const int64_t nanos = RetryAfterNanos(text, clock_.WallNanos());
          Check(nanos >= 0 && nanos <= kMaxPauseSeconds * kNanosPerSecond, "no pause");
          response.headers["retry-after"] = std::move(text);
        }
        break;
    }
    Answer(at, std::move(response), wanted_seconds);
  }

  // Writes down what the answer means, and gives it.
  void Answer(std::map<uint64_t, Flight>::iterator at, HttpResponse response,
              int64_t wanted_seconds) {
    const Flight flight = std::move(at->second);
    flights_.erase(at);
    response.id = flight.request.id;
    const bool is_auto = options_.protobuf_message == RemoteWriteProtocol::kAuto;
    const int status = response.status;
    std::optional<uint64_t> written;
    for (const auto& [name, value] : response.headers) {
      if (!name.ends_with("-written")) continue;
      if (!written) written = 0;
      if (name.find("samples") != std::string::npos) written = Number(value);
    }
    const bool is_ok = status / 100 == 2;
    const bool is_retried =
        status == 0 || status >= 500 || (status == 429 && options_.queue_config.retry_on_http_429);
    enum class Meaning : uint8_t { kArrived, kRefused, kRetry, kAgainIn1 } meaning;
    if (is_ok) {
      meaning = !flight.is_1 && is_auto && !written ? Meaning::kAgainIn1 : Meaning::kArrived;
    } else if (is_retried) {
      meaning = Meaning::kRetry;
    } else {
      meaning = Meaning::kRefused;
      if (!flight.is_1 && is_auto) {
        if (written) knows_2_ = true;
        if (status == 415 || (status == 400 && !knows_2_)) meaning = Meaning::kAgainIn1;
      }
    }
    if (is_ok && !flight.is_1 && written) knows_2_ = true;
    if (!flight.is_metadata) {
      switch (meaning) {
        case Meaning::kArrived:
          sent_samples_ += flight.samples;
          break;
        case Meaning::kRefused: {
          const uint64_t some = flight.is_1 ? 0 : std::min(written.value_or(0), flight.samples);
          sent_samples_ += some;
          refused_samples_ += flight.samples - some;
          break;
        }
        case Meaning::kRetry:
          not_before_nanos_ = std::max(not_before_nanos_,
                                       clock_.MonotonicNanos() + wanted_seconds * kNanosPerSecond);
          break;
        case Meaning::kAgainIn1:
          again_in_1_.insert(flight.blocks.begin(), flight.blocks.end());
          break;
      }
      const bool is_done = meaning == Meaning::kArrived || meaning == Meaning::kRefused;
      for (const size_t number : flight.blocks) {
        book_[number].state = is_done ? SentBlock::State::kDone : SentBlock::State::kWaiting;
      }
    }
    client_->answers.push_back(std::move(response));
    Step();
    Check(again_in_1_.empty(), "not tried in version 1.0");
  }

  // What a receiver says that it has written; nothing is 0.
  static uint64_t Number(const std::string& text) {
    const bool is_number =
        !text.empty() && text.size() < 20 &&
        std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
    return is_number ? std::stoull(text) : 0;
  }

  // From now on the receiver takes everything.
  void Finish() {
    for (size_t i = 0; i < 2 * kMaxBlocks + 10 && queue_->stats().blocks > 0; ++i) {
      clock_.Advance((kMaxPauseSeconds + 2) * kNanosPerSecond / (i < 20 ? 1 : 100));
      Step();
      while (!flights_.empty()) {
        HttpResponse response;
        response.status = 200;
        const uint64_t samples = flights_.begin()->second.samples;
        response.headers["x-prometheus-remote-write-samples-written"] = std::to_string(samples);
        Answer(flights_.begin(), std::move(response), 0);
      }
    }
    Check(queue_->stats().blocks == 0, "a block never gets to a receiver that takes everything");
    for (const SentBlock& block : book_) {
      Check(block.state == SentBlock::State::kDone, "a block is lost");
    }
    const auto metric = [this](const std::string& name, const std::string& label = "",
                               const std::string& value = "") {
      return ReadMetric(metrics_, queue_->stats(), clock_.WallNanos() / kNanosPerMilli,
                        "spanmeter_remote_storage_" + name, label, value);
    };
    Check(metric("samples_total") == static_cast<double>(sent_samples_), "samples_total");
    Check(metric("samples_dropped_total", "reason", "rejected") ==
              static_cast<double>(refused_samples_),
          "samples_dropped_total");
    uint64_t appended = 0;
    for (const SentBlock& block : book_) appended += block.samples;
    Check(sent_samples_ + refused_samples_ == appended, "the book does not add up");
  }

  FuzzInput& input_;
  RemoteWriteOptions options_;
  bool by_tenant_ = false;
  FakeClock clock_;
  const testing::NullFile null_;
  Logger logger_{{}, &clock_, null_.fd()};
  EndpointMetrics metrics_{"receiver", "http://receiver/write"};
  QueueStorage storage_{{}, {"remote_write", "remote write", "samples"}, &clock_, &logger_};
  std::shared_ptr<BlockQueue> queue_;
  FakeClient* client_ = nullptr;
  std::unique_ptr<SendLoop> loop_;
  int64_t stamp_ms_ = FakeClock::kStartWallNanos / kNanosPerMilli;

  std::deque<SentBlock> book_;
  std::map<uint64_t, Flight> flights_;
  std::set<size_t> again_in_1_;
  bool knows_2_ = false;
  int64_t not_before_nanos_ = 0;
  uint64_t sent_samples_ = 0;
  uint64_t refused_samples_ = 0;
};

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::testing::FuzzInput input(data, size);
  spanmeter::Run(&input).Play();
  return 0;
}
