#include "otlp/ingest.h"

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/gauge.h>

#include "otlp/test_generator.h"
#include "otlp/test_gzip.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using testing::Gzip;
using ::testing::HasSubstr;
using testing::RequestBuilder;
using testing::SpanBuilder;
using testing::SumSink;
using testing::TestGenerator;

std::string RequestOf(int spans) {
  testing::LifelikeShape shape;
  shape.spans = spans;
  return testing::LifelikeRequest(shape);
}

class IngestTest : public ::testing::Test {
 protected:
  static constexpr IngestLimits kLimits = {1 << 20, 4 << 20};

  IngestReply Handle(std::string_view message, Ingest* ingest) {
    IngestRequest request;
    request.parts = {&message, 1};
    return ingest->Handle(request);
  }
  IngestReply Handle(std::string_view message) { return Handle(message, &ingest_); }

  TestGenerator test_;
  prometheus::Gauge in_flight_;
  Ingest ingest_{kLimits, &test_.tenants, &in_flight_};
};

TEST_F(IngestTest, CountsARequest) {
  EXPECT_EQ(IngestCode::kOk, Handle(RequestOf(100)).code);
  EXPECT_EQ(100, test_.Calls());
  EXPECT_EQ(0, in_flight_.Value());
}

TEST_F(IngestTest, AnEmptyRequestIsFine) {
  EXPECT_EQ(IngestCode::kOk, Handle("").code);
  EXPECT_EQ(IngestCode::kOk, ingest_.Handle(IngestRequest()).code);
  EXPECT_EQ(IngestCode::kOk, Handle(Gzip("")).code);
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(IngestTest, AMessageInPartsIsPutTogether) {
  const std::string plain = RequestOf(10);
  for (const std::string& message : {plain, Gzip(plain)}) {
    for (const size_t size : {size_t{1}, size_t{3}, size_t{1000}}) {
      std::vector<std::string_view> parts;
      for (size_t at = 0; at < message.size(); at += size) {
        parts.push_back(std::string_view(message).substr(at, size));
        parts.emplace_back();
      }
      IngestRequest request;
      request.parts = parts;
      EXPECT_EQ(IngestCode::kOk, ingest_.Handle(request).code);
    }
  }
  EXPECT_EQ(60, test_.Calls());
}

TEST_F(IngestTest, JsonIsCountedAsProtobufIs) {
  const std::string_view json = R"({"resourceSpans": [{"scopeSpans": [{"spans": [
      {"traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "a"},
      {"traceId": "00", "spanId": "eee19b7ec3c1b174", "name": "a"}]}]}]})";
  for (const bool compressed : {false, true}) {
    const std::string message = compressed ? Gzip(json) : std::string(json);
    const std::string_view part = message;
    IngestRequest request;
    request.parts = {&part, 1};
    request.encoding = IngestRequest::Encoding::kJson;
    const IngestReply reply = ingest_.Handle(request);
    EXPECT_EQ(IngestCode::kOk, reply.code) << reply.message;
    EXPECT_EQ(1U, reply.rejected_spans);
  }
  EXPECT_EQ(2, test_.Calls());
  // The Span message of 16, 8 and 1 bytes with their tags and lengths, as protobuf has it.
  SumSink size("traces_spanmetrics_size_total");
  test_.tenants.Visit(&size);
  EXPECT_EQ(2 * (18 + 10 + 3), size.sum());
}

TEST_F(IngestTest, WhatJsonIsTurnedIntoCountsInFlight) {
  const std::string json = R"({"resourceSpans": [{"a": ")" + std::string(100'000, 'x') + "\"}]}";
  const std::string_view part = json;
  IngestRequest request;
  request.parts = {&part, 1};
  request.encoding = IngestRequest::Encoding::kJson;
  double in_flight = 0;
  request.given_up = [&] {
    in_flight = in_flight_.Value();
    return false;
  };
  EXPECT_EQ(IngestCode::kOk, ingest_.Handle(request).code);
  EXPECT_GT(in_flight, 4 * 100'000);
  EXPECT_LT(in_flight, 6 * 100'000);
  EXPECT_EQ(0, in_flight_.Value());
}

TEST_F(IngestTest, CompressionIsWhatTheRequestSays) {
  const std::string plain = RequestOf(1);
  const std::string compressed = Gzip(plain);
  using Compression = IngestRequest::Compression;
  const auto code = [&](std::string_view message, Compression compression) {
    IngestRequest request;
    request.parts = {&message, 1};
    request.compression = compression;
    return ingest_.Handle(request).code;
  };
  EXPECT_EQ(IngestCode::kOk, code(plain, Compression::kNone));
  EXPECT_EQ(IngestCode::kOk, code(compressed, Compression::kGzip));
  EXPECT_EQ(IngestCode::kMalformed, code(plain, Compression::kGzip));
  EXPECT_EQ(IngestCode::kMalformed, code(compressed, Compression::kNone));
}

TEST_F(IngestTest, GzipIsInflated) {
  const std::string plain = RequestOf(500);
  const std::string compressed = Gzip(plain);
  ASSERT_LT(compressed.size(), plain.size() / 2);
  EXPECT_EQ(IngestCode::kOk, Handle(compressed).code);
  EXPECT_EQ(500, test_.Calls());
}

TEST_F(IngestTest, DamagedGzipIsMalformedAndNothingIsCounted) {
  const std::string compressed = Gzip(RequestOf(5));
  for (size_t size = 2; size < compressed.size(); ++size) {
    ASSERT_EQ(IngestCode::kMalformed, Handle(compressed.substr(0, size)).code) << size;
  }
  EXPECT_EQ(IngestCode::kMalformed, Handle(compressed + "x").code);
  EXPECT_EQ(IngestCode::kMalformed, Handle(compressed + compressed).code);
  std::string wrong_checksum = compressed;
  wrong_checksum[compressed.size() - 5] ^= 1;
  EXPECT_THAT(Handle(wrong_checksum).message, HasSubstr("corrupt or truncated gzip"));
  std::string wrong_size = compressed;
  wrong_size[compressed.size() - 4] ^= 1;
  EXPECT_EQ(IngestCode::kMalformed, Handle(wrong_size).code);
  wrong_size.replace(compressed.size() - 4, 4, std::string(4, '\0'));
  EXPECT_THAT(Handle(wrong_size).message, HasSubstr("larger than its gzip trailer says"));
  EXPECT_EQ(0, test_.Calls());
  EXPECT_EQ(0, in_flight_.Value());
}

TEST_F(IngestTest, RequestsOverTheSizeLimitAreRefused) {
  const auto of_size = [](size_t size) {
    // An unknown field that fills the request.
    testing::WireWriter writer;
    writer.Bytes(100, std::string(size - 5, 'x'));
    return writer.Take();
  };
  const std::string largest = of_size(kLimits.max_message_size);
  ASSERT_EQ(kLimits.max_message_size, largest.size());
  EXPECT_EQ(IngestCode::kOk, Handle(largest).code);
  EXPECT_EQ(IngestCode::kOk, Handle(Gzip(largest)).code);
  const std::string too_large = of_size(kLimits.max_message_size + 1);
  EXPECT_EQ(IngestCode::kTooLarge, Handle(too_large).code);
  EXPECT_EQ(IngestCode::kTooLarge, Handle(Gzip(too_large)).code);
  EXPECT_EQ(IngestCode::kTooLarge, Handle(Gzip(std::string(64 << 20, '\0'))).code);
  EXPECT_THAT(Handle(too_large).message, HasSubstr("max_message_size (1048576 bytes)"));
}

TEST_F(IngestTest, MalformedRequestsAreNotCountedInPart) {
  std::string request = RequestOf(100);
  request.pop_back();
  const IngestReply reply = Handle(request);
  EXPECT_EQ(IngestCode::kMalformed, reply.code);
  EXPECT_THAT(reply.message, HasSubstr("cannot decode the request: malformed protobuf at byte "));
  EXPECT_EQ(0, test_.Calls());
  // What the broken request left behind does not show up in the next one.
  EXPECT_EQ(IngestCode::kOk, Handle(RequestOf(3)).code);
  EXPECT_EQ(3, test_.Calls());
}

TEST_F(IngestTest, SpansWithInvalidIdsAreReportedAndTheOthersCounted) {
  RequestBuilder request;
  request.Resource({{"service.name", "a"}})
      .Scope()
      .Span(SpanBuilder::WithIds(1))
      .Span(SpanBuilder().TraceId("short"))
      .Span(SpanBuilder::WithIds(2));
  const IngestReply reply = Handle(request.Encode());
  EXPECT_EQ(IngestCode::kOk, reply.code);
  EXPECT_EQ(1u, reply.rejected_spans);
  EXPECT_EQ(
      "1 of 3 spans have invalid ids, the first: span 1 of scope_spans 0 of resource_spans 0: "
      "trace_id has 5 bytes instead of 16",
      reply.message);
  EXPECT_EQ(2, test_.Calls());
}

TEST_F(IngestTest, SpansThatAreNotToBecomeMetricsAreTakenAndChecked) {
  const std::string message = RequestOf(10);
  const std::string_view part = message;
  IngestRequest request;
  request.parts = {&part, 1};
  request.generate_metrics = false;
  EXPECT_EQ(IngestCode::kOk, ingest_.Handle(request).code);
  EXPECT_EQ(0, test_.Calls());

  const std::string_view broken = part.substr(0, part.size() - 1);
  request.parts = {&broken, 1};
  EXPECT_EQ(IngestCode::kMalformed, ingest_.Handle(request).code);
}

TEST_F(IngestTest, ARequestWhoseClientHasGivenUpIsNotCounted) {
  const std::string message = RequestOf(10);
  const std::string_view part = message;
  IngestRequest request;
  request.parts = {&part, 1};
  request.given_up = [] { return true; };
  EXPECT_EQ(IngestCode::kCancelled, ingest_.Handle(request).code);
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(IngestTest, RequestsBeyondTheBytesInFlightAreRefused) {
  const std::string held = RequestOf(50);
  const std::string small = RequestOf(10);
  const std::string compressed = Gzip(small);
  Ingest ingest({1 << 20, held.size() + small.size()}, &test_.tenants, &in_flight_);
  test_.clock.HoldNext();
  std::thread other([&] { EXPECT_EQ(IngestCode::kOk, Handle(held, &ingest).code); });
  test_.clock.WaitUntilHolding();
  EXPECT_EQ(static_cast<double>(held.size()), in_flight_.Value());

  EXPECT_EQ(IngestCode::kOk, Handle(small, &ingest).code);  // exactly at the limit
  EXPECT_EQ(IngestCode::kOverloaded, Handle(RequestOf(11), &ingest).code);
  // Compressed and decompressed bytes count together.
  EXPECT_EQ(IngestCode::kOverloaded, Handle(compressed, &ingest).code);
  EXPECT_EQ(static_cast<double>(held.size()), in_flight_.Value());

  test_.clock.Release();
  other.join();
  EXPECT_EQ(0, in_flight_.Value());
  EXPECT_EQ(60, test_.Calls());
  EXPECT_EQ(IngestCode::kOk, Handle(compressed, &ingest).code);
}

TEST_F(IngestTest, ARequestAloneIsAlwaysLetIn) {
  const std::string plain = RequestOf(10);
  Ingest ingest({plain.size(), plain.size()}, &test_.tenants, &in_flight_);
  EXPECT_EQ(IngestCode::kOk, Handle(Gzip(plain), &ingest).code);
  EXPECT_EQ(10, test_.Calls());
}

TEST_F(IngestTest, ARequestWithMoreUpdatesThanAreKeptIsCountedOnce) {
  // Short spans with a long service name: 60 bytes on the wire, over 2 KB in the pending updates.
  constexpr int kSpans = 20'000;
  RequestBuilder request;
  request.Resource({{"service.name", std::string(2000, 's')}}).Scope();
  for (int i = 0; i < kSpans; ++i) request.Span(SpanBuilder::WithIds(static_cast<uint64_t>(i)));
  Ingest ingest({16 << 20, 64 << 20}, &test_.tenants, &in_flight_);
  std::string message = request.Encode();
  DecodeScratch scratch;
  std::unique_ptr<GeneratorSession> session = test_.generator()->BorrowSession();
  session->StartRequest();
  DecodeTraces(message, session->attributes(), &scratch, session.get());
  ASSERT_TRUE(session->too_large());
  test_.generator()->ReturnSession(std::move(session));

  EXPECT_EQ(IngestCode::kOk, Handle(message, &ingest).code);
  EXPECT_EQ(kSpans, test_.Calls());

  message.pop_back();
  EXPECT_EQ(IngestCode::kMalformed, Handle(message, &ingest).code);
  EXPECT_EQ(kSpans, test_.Calls());
}

TEST_F(IngestTest, ConcurrentRequestsAreCountedExactly) {
  const std::string plain = RequestOf(64);
  const std::string compressed = Gzip(plain);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(IngestCode::kOk, Handle(t % 2 == 0 ? plain : compressed).code);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(4 * 50 * 64, test_.Calls());
  EXPECT_EQ(0, in_flight_.Value());
}

// Remembers what goes on, and what had been counted by then.
class FakeTee final : public RequestTee {
 public:
  explicit FakeTee(TestGenerator* test) : test_(test) {}

  std::unique_ptr<Passage> Enter(const TeeRequest& request) override {
    ++entered;
    if (full) return nullptr;
    return std::make_unique<FakePassage>(this, request);
  }

  struct Sent {
    std::string tenant;
    std::string received;
    std::string message;
    bool gzip;
    uint64_t spans;
    double counted_before;
  };
  bool full = false;
  int entered = 0;
  std::vector<Sent> sent;

 private:
  class FakePassage final : public Passage {
   public:
    FakePassage(FakeTee* tee, const TeeRequest& request) : tee_(tee), request_(request) {}
    void Send() override {
      std::string received;
      for (const std::string_view part : request_.received) received.append(part);
      tee_->sent.push_back({std::string(request_.tenant), received, std::string(request_.message),
                            request_.gzip, request_.spans, tee_->test_->Calls()});
    }

   private:
    FakeTee* const tee_;
    const TeeRequest& request_;
  };

  TestGenerator* const test_;
};

class IngestTeeTest : public ::testing::Test {
 protected:
  IngestReply Handle(std::string_view message, IngestRequest request = {}) {
    request.parts = {&message, 1};
    return ingest_.Handle(request);
  }

  TestGenerator test_;
  prometheus::Gauge in_flight_;
  FakeTee tee_{&test_};
  Ingest ingest_{{1 << 20, 4 << 20}, &test_.tenants, &in_flight_, &tee_};
};

TEST_F(IngestTeeTest, RequestsGoOnAsReceivedWhenTheyAreCounted) {
  const std::string plain = RequestOf(10);
  const std::string compressed = Gzip(plain);
  EXPECT_EQ(IngestCode::kOk, Handle(plain).code);
  IngestRequest request;
  request.tenants = {"team-a"};
  EXPECT_EQ(IngestCode::kOk, Handle(compressed, request).code);
  const std::string_view parts[] = {std::string_view(plain).substr(0, 100),
                                    std::string_view(plain).substr(100)};
  IngestRequest in_parts;
  in_parts.parts = parts;
  EXPECT_EQ(IngestCode::kOk, ingest_.Handle(in_parts).code);

  ASSERT_EQ(3U, tee_.sent.size());
  EXPECT_EQ(plain, tee_.sent[0].received);
  EXPECT_EQ(plain, tee_.sent[0].message);
  EXPECT_FALSE(tee_.sent[0].gzip);
  EXPECT_EQ(10U, tee_.sent[0].spans);
  EXPECT_EQ("", tee_.sent[0].tenant);
  EXPECT_EQ(10, tee_.sent[0].counted_before);
  EXPECT_EQ(compressed, tee_.sent[1].received);
  EXPECT_EQ(plain, tee_.sent[1].message);
  EXPECT_TRUE(tee_.sent[1].gzip);
  EXPECT_EQ("team-a", tee_.sent[1].tenant);
  EXPECT_EQ(20, tee_.sent[1].counted_before);
  EXPECT_EQ(plain, tee_.sent[2].received);
}

TEST_F(IngestTeeTest, WhatHasNoRoomThereIsRefusedBeforeItCounts) {
  tee_.full = true;
  const IngestReply reply = Handle(RequestOf(10));
  EXPECT_EQ(IngestCode::kOverloaded, reply.code);
  EXPECT_THAT(reply.message, HasSubstr("send it again"));
  EXPECT_EQ(0, test_.Calls());
  tee_.full = false;
  EXPECT_EQ(IngestCode::kOk, Handle(RequestOf(10)).code);
  EXPECT_EQ(10, test_.Calls());
  EXPECT_EQ(1U, tee_.sent.size());
}

TEST_F(IngestTeeTest, WhatIsNotToBeCountedGoesOnAllTheSame) {
  IngestRequest request;
  request.generate_metrics = false;
  EXPECT_EQ(IngestCode::kOk, Handle(RequestOf(10), request).code);
  ASSERT_EQ(1U, tee_.sent.size());
  EXPECT_EQ(0, tee_.sent[0].counted_before);
}

TEST_F(IngestTeeTest, WhatIsRefusedDoesNotGoOn) {
  EXPECT_EQ(IngestCode::kMalformed, Handle("\x7f").code);
  IngestRequest request;
  request.given_up = [] { return true; };
  EXPECT_EQ(IngestCode::kCancelled, Handle(RequestOf(1), request).code);
  EXPECT_EQ(0, tee_.entered);
}

TEST_F(IngestTeeTest, TextsThatAreNoTenantDoNotGoOn) {
  for (const std::vector<std::string_view>& tenants :
       {std::vector<std::string_view>{"a", "b"}, std::vector<std::string_view>{"with space"}}) {
    IngestRequest request;
    request.tenants = tenants;
    EXPECT_EQ(IngestCode::kOk, Handle(RequestOf(1), request).code);
    EXPECT_EQ("", tee_.sent.back().tenant);
  }
}

}  // namespace
}  // namespace spanmeter
