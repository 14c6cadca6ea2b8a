#include "forward/receiver.h"

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/queue_storage.h"

#include "forward/forward_fixture.h"
#include "otlp/test_gzip.h"
#include "support/fake_clock.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using testing::Gzip;
using testing::RequestBuilder;
using testing::SpanBuilder;

// Takes everything, as soon as it is let. Thread-safe.
class TakingClient final : public ExportClient {
 public:
  // What several clients leave behind, in the order of arrival.
  struct Book {
    std::mutex mutex;
    std::condition_variable changed;
    bool open = true;
    std::vector<ExportRequest> taken;

    ExportRequest Next(size_t index) {
      std::unique_lock<std::mutex> lock(mutex);
      changed.wait_for(lock, std::chrono::seconds(60), [&] { return taken.size() > index; });
      if (taken.size() <= index) return {};
      return taken[index];
    }
  };

  explicit TakingClient(Book* book) : book_(*book) {}

  void Start(ExportRequest request) override { waiting_.push_back(std::move(request)); }
  std::vector<ExportAnswer> Wait(int64_t timeout_nanos) override {
    std::unique_lock<std::mutex> lock(book_.mutex);
    book_.changed.wait_for(lock, std::chrono::nanoseconds(timeout_nanos),
                           [this] { return woken_ || (book_.open && !waiting_.empty()); });
    woken_ = false;
    std::vector<ExportAnswer> answers;
    if (!book_.open) return answers;
    for (ExportRequest& request : std::exchange(waiting_, {})) {
      answers.emplace_back().id = request.id;
      answers.back().outcome = ExportAnswer::Outcome::kTaken;
      book_.taken.push_back(std::move(request));
    }
    book_.changed.notify_all();
    return answers;
  }
  void CancelAll() override { waiting_.clear(); }
  void Wake() override {
    const std::lock_guard<std::mutex> lock(book_.mutex);
    woken_ = true;
    book_.changed.notify_all();
  }

 private:
  Book& book_;
  std::vector<ExportRequest> waiting_;
  bool woken_ = false;
};

class ReceiverTest : public ::testing::Test {
 protected:
  ReceiverTest() {
    options_.name = "receiver";
    const auto span = [](uint64_t n, std::string_view keep) {
      return SpanBuilder::WithIds(n).Name("name").Attribute("keep", keep);
    };
    RequestBuilder builder;
    builder.Resource().Scope().Span(span(1, "yes")).Span(span(2, "no")).Span(span(3, "yes"));
    mixed_ = builder.Encode();
    builder.Resource().Scope().Span(span(1, "yes")).Span(span(3, "yes"));
    kept_ = builder.Encode();
    builder.Resource().Scope().Span(span(4, "no"));
    none_ = builder.Encode();
  }

  void Open() {
    Receiver::Parts parts;
    parts.client = std::make_unique<TakingClient>(&book_);
    parts.storage = &storage_;
    parts.metrics = &metrics_;
    parts.clock = &clock_;
    parts.logger = &logger_;
    receiver_ = std::make_unique<Receiver>(options_, std::move(parts));
  }
  void UseFilter() {
    FilterPolicy policy;
    policy.include = FilterMatch{FilterMatch::Type::kStrict, {{"span.keep", "yes"}}};
    options_.filter_policies = {policy};
  }
  // Hands a request over: `received` is its message, or a gzip stream of it.
  void Hand(std::string_view received, std::string_view message, uint64_t spans) {
    TeeRequest request;
    request.received = {&received, 1};
    request.gzip = received != message;
    request.message = message;
    request.spans = spans;
    uint64_t reserved = 0;
    ASSERT_TRUE(receiver_->Reserve(request, &reserved));
    RequestBodies bodies(&request);
    receiver_->Queue(&bodies, reserved);
  }
  std::string Taken(size_t index) {
    const ExportRequest request = book_.Next(index);
    return request.body == nullptr ? "nothing" : *request.body;
  }
  double Metric(const std::string& name) const {
    std::vector<prometheus::MetricFamily> families;
    metrics_.Append(receiver_->queue_stats(), 0, 0, &families);
    return ValueOf(families, "spanmeter_forward_" + name);
  }
  static LogOptions OnlyErrors() {
    LogOptions options;
    options.level = LogLevel::kError;
    return options;
  }

  std::string mixed_;  // three spans
  std::string kept_;   // the two of them that the filter keeps
  std::string none_;   // one span, of which it keeps none
  ForwardOptions options_;
  FakeClock clock_;
  Logger logger_{OnlyErrors(), &clock_};
  ReceiverMetrics metrics_{"receiver"};
  QueueStorage storage_{{}, {"forward", "what is passed on", "spans"}, &clock_, &logger_};
  TakingClient::Book book_;
  std::unique_ptr<Receiver> receiver_;
};

TEST_F(ReceiverTest, CompressionIsAsReceivedUnlessItIsChosen) {
  const std::string compressed = Gzip(mixed_);
  size_t taken = 0;
  for (const auto compression : {ForwardCompression::kAsReceived, ForwardCompression::kNone}) {
    options_.compression = compression;
    Open();
    Hand(mixed_, mixed_, 3);
    EXPECT_EQ(Taken(taken++), mixed_);
    Hand(compressed, mixed_, 3);
    EXPECT_EQ(Taken(taken++), compression == ForwardCompression::kNone ? mixed_ : compressed);
  }
  options_.compression = ForwardCompression::kGzip;
  Open();
  Hand(mixed_, mixed_, 3);
  EXPECT_TRUE(IsGzip(Taken(taken++)));
  Hand(compressed, mixed_, 3);
  EXPECT_EQ(Taken(taken++), compressed);
}

TEST_F(ReceiverTest, FilterCutsSpans) {
  UseFilter();
  Open();
  Hand(none_, none_, 1);
  Hand(mixed_, mixed_, 3);
  EXPECT_EQ(Taken(0), kept_);
  const std::string compressed = Gzip(kept_);
  Hand(compressed, kept_, 2);
  EXPECT_EQ(Taken(1), compressed);  // nothing was cut out of it
  EXPECT_EQ(Metric("spans_filtered_total"), 2);
  EXPECT_EQ(Metric("spans_in_total"), 4);
}

TEST_F(ReceiverTest, WhatIsCutIsCompressedAgain) {
  UseFilter();
  Open();
  Hand(Gzip(mixed_), mixed_, 3);
  EXPECT_EQ(Taken(0), GzipCompressor().Compress(kept_));
  options_.compression = ForwardCompression::kNone;
  Open();
  Hand(Gzip(mixed_), mixed_, 3);
  EXPECT_EQ(Taken(1), kept_);
}

TEST_F(ReceiverTest, FilterOfRequestsKeepsThemWhole) {
  UseFilter();
  options_.filter_effect = ForwardFilterEffect::kRequests;
  Open();
  Hand(none_, none_, 1);
  const std::string compressed = Gzip(mixed_);
  Hand(compressed, mixed_, 3);
  EXPECT_EQ(Taken(0), compressed);
  EXPECT_EQ(Metric("spans_filtered_total"), 1);
  EXPECT_EQ(Metric("spans_in_total"), 3);
}

TEST_F(ReceiverTest, RequestsWithoutSpansStayBack) {
  Open();
  Hand("", "", 0);
  Hand(mixed_, mixed_, 3);
  EXPECT_EQ(Taken(0), mixed_);
}

TEST_F(ReceiverTest, RequiredReceiverHasRoomForWhatItLetIn) {
  options_.required = true;
  options_.queue_config.max_memory = 10'000;
  book_.open = false;
  Open();
  const std::string body(4'000, 'x');
  const std::string_view received = body;
  TeeRequest request;
  request.received = {&received, 1};
  request.message = received;
  request.spans = 1;
  uint64_t first = 0;
  uint64_t second = 0;
  uint64_t third = 0;
  EXPECT_TRUE(receiver_->Reserve(request, &first));
  EXPECT_TRUE(receiver_->Reserve(request, &second));
  EXPECT_FALSE(receiver_->Reserve(request, &third));
  EXPECT_EQ(Metric("refused_requests_total"), 1);
  RequestBodies bodies(&request);
  receiver_->Queue(&bodies, first);
  EXPECT_FALSE(receiver_->Reserve(request, &third));
  receiver_->Unreserve(second);
  EXPECT_TRUE(receiver_->Reserve(request, &third));
  receiver_->Queue(&bodies, third);
  EXPECT_EQ(Metric("queue_requests"), 2);
  EXPECT_EQ(Metric("spans_dropped_total"), 0);
}

TEST_F(ReceiverTest, RoomOfWhatTheFilterKeepsBackIsFreeAgain) {
  UseFilter();
  options_.required = true;
  options_.queue_config.max_memory = 1024;
  Open();
  for (int i = 0; i < 10; ++i) Hand(none_, none_, 1);
  EXPECT_EQ(Metric("spans_filtered_total"), 10);
}

TEST_F(ReceiverTest, OthersLetEverythingInAndDropTheOldest) {
  options_.queue_config.max_memory = 10'000;
  options_.max_concurrent_requests = 1;
  book_.open = false;
  Open();
  for (int i = 0; i < 5; ++i) {
    const std::string body(4'000, static_cast<char>('a' + i));
    Hand(body, body, 1);
  }
  EXPECT_LE(receiver_->queue_stats().bytes, 10'000U);
  EXPECT_EQ(Metric("spans_dropped_total"), 3);
  {
    const std::lock_guard<std::mutex> lock(book_.mutex);
    book_.open = true;
    book_.changed.notify_all();
  }
  // The one that was under way stays, and otherwise the newest.
  const std::string taken = Taken(0) + Taken(1);
  EXPECT_EQ(taken.size(), 8'000U);
  EXPECT_EQ(taken.back(), 'e');
}

}  // namespace
}  // namespace spanmeter
