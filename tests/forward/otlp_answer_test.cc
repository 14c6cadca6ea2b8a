#include "forward/otlp_answer.h"

#include <string>

#include <gtest/gtest.h>

#include "spanmeter/clock.h"

#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using testing::WireWriter;

std::string RetryInfo(uint64_t seconds, uint64_t nanos) {
  WireWriter duration;
  duration.Varint(1, seconds);
  duration.Varint(2, nanos);
  WireWriter info;
  info.Bytes(1, duration.out());
  return info.out();
}

std::string StatusWith(const std::string& type, const std::string& detail) {
  WireWriter any;
  any.Bytes(1, type);
  any.Bytes(2, detail);
  WireWriter status;
  status.Varint(1, 8);
  status.Bytes(2, "too much");
  status.Bytes(3, any.out());
  return status.out();
}

constexpr char kRetryInfo[] = "type.googleapis.com/google.rpc.RetryInfo";

TEST(OtlpAnswerTest, ReadsRetryDelays) {
  EXPECT_EQ(ReadRetryDelay(StatusWith(kRetryInfo, RetryInfo(2, 5))), 2 * kNanosPerSecond + 5);
  EXPECT_EQ(ReadRetryDelay(StatusWith(kRetryInfo, "")), 0);
  EXPECT_EQ(ReadRetryDelay(StatusWith("type.googleapis.com/google.rpc.Help", RetryInfo(2, 0))),
            std::nullopt);
  EXPECT_EQ(ReadRetryDelay(""), std::nullopt);
  EXPECT_EQ(ReadRetryDelay("garbage"), std::nullopt);
}

TEST(OtlpAnswerTest, DelaysArePlausible) {
  EXPECT_EQ(ReadRetryDelay(StatusWith(kRetryInfo, RetryInfo(uint64_t{1} << 40, 0))),
            600 * kNanosPerSecond);
  const auto minus = [](int64_t value) { return static_cast<uint64_t>(value); };
  EXPECT_EQ(ReadRetryDelay(StatusWith(kRetryInfo, RetryInfo(minus(-1), 0))), 0);
  EXPECT_EQ(ReadRetryDelay(StatusWith(kRetryInfo, RetryInfo(0, uint64_t{1} << 60))),
            kNanosPerSecond - 1);
}

TEST(OtlpAnswerTest, ReadsTheMessageOfAStatus) {
  EXPECT_EQ(ReadStatusMessage(StatusWith(kRetryInfo, "")), "too much");
  EXPECT_EQ(ReadStatusMessage("garbage"), "");
}

TEST(OtlpAnswerTest, ReadsPartialSuccess) {
  WireWriter partial;
  partial.Varint(1, 300);
  partial.Bytes(2, "no room");
  WireWriter response;
  response.Bytes(1, partial.out());
  EXPECT_EQ(ReadPartialSuccess(response.out()).rejected_spans, 300U);
  EXPECT_EQ(ReadPartialSuccess(response.out()).message, "no room");
  EXPECT_EQ(ReadPartialSuccess("").rejected_spans, 0U);
  EXPECT_EQ(ReadPartialSuccess("garbage").rejected_spans, 0U);
  WireWriter negative;
  negative.Varint(1, ~uint64_t{0});
  WireWriter odd;
  odd.Bytes(1, negative.out());
  EXPECT_EQ(ReadPartialSuccess(odd.out()).rejected_spans, 0U);
}

}  // namespace
}  // namespace spanmeter
