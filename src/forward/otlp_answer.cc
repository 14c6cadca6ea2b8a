#include "forward/otlp_answer.h"

#include <algorithm>

#include "spanmeter/clock.h"
#include "spanmeter/wire_reader.h"

namespace spanmeter {

namespace {

constexpr std::string_view kRetryInfoType = "/google.rpc.RetryInfo";
constexpr int64_t kMaxSeconds = 600;

constexpr uint32_t Delimited(uint32_t field) { return WireTag(field, WireType::kLengthDelimited); }
constexpr uint32_t Varint(uint32_t field) { return WireTag(field, WireType::kVarint); }

// The last field with this tag, which is the one that counts; nothing when there is none, or the
// message is malformed.
std::optional<std::string_view> LastBytes(std::string_view message, uint32_t tag) {
  std::optional<std::string_view> found;
  WireReader reader(message);
  while (reader.NextField()) {
    if (reader.tag() == tag) {
      found = reader.ReadBytes();
    } else {
      reader.Skip();
    }
  }
  return reader.ok() ? found : std::nullopt;
}

uint64_t LastVarint(std::string_view message, uint32_t tag) {
  uint64_t value = 0;
  WireReader reader(message);
  while (reader.NextField()) {
    if (reader.tag() == tag) {
      value = reader.ReadVarint();
    } else {
      reader.Skip();
    }
  }
  return reader.ok() ? value : 0;
}

int64_t DurationNanos(std::string_view duration) {
  const auto seconds = static_cast<int64_t>(LastVarint(duration, Varint(1)));
  const auto nanos = static_cast<int64_t>(LastVarint(duration, Varint(2)));
  if (seconds < 0 || nanos < 0) return 0;
  if (seconds >= kMaxSeconds) return kMaxSeconds * kNanosPerSecond;
  return seconds * kNanosPerSecond + std::min(nanos, kNanosPerSecond - 1);
}

}  // namespace

PartialSuccess ReadPartialSuccess(std::string_view response) {
  const std::optional<std::string_view> partial = LastBytes(response, Delimited(1));
  if (!partial) return {};
  const auto rejected = static_cast<int64_t>(LastVarint(*partial, Varint(1)));
  return {static_cast<uint64_t>(std::max<int64_t>(rejected, 0)),
          std::string(LastBytes(*partial, Delimited(2)).value_or(""))};
}

std::optional<int64_t> ReadRetryDelay(std::string_view status) {
  std::optional<int64_t> delay;
  WireReader reader(status);
  while (reader.NextField()) {
    if (reader.tag() != Delimited(3)) {
      reader.Skip();
      continue;
    }
    const std::string_view any = reader.ReadBytes();
    if (!LastBytes(any, Delimited(1)).value_or("").ends_with(kRetryInfoType)) continue;
    const std::string_view retry_info = LastBytes(any, Delimited(2)).value_or("");
    delay = DurationNanos(LastBytes(retry_info, Delimited(1)).value_or(""));
  }
  return reader.ok() ? delay : std::nullopt;
}

std::string ReadStatusMessage(std::string_view status) {
  return std::string(LastBytes(status, Delimited(2)).value_or(""));
}

}  // namespace spanmeter
