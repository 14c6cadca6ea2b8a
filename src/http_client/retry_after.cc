#include "spanmeter/retry_after.h"

#include <algorithm>
#include <charconv>
#include <ctime>

#include <curl/curl.h>

#include "spanmeter/clock.h"

namespace spanmeter {

namespace {

constexpr int64_t kMaxSeconds = 600;

}  // namespace

int64_t RetryAfterNanos(const std::string& text, int64_t wall_nanos) {
  int64_t seconds = 0;
  const char* const end = text.data() + text.size();
  const std::from_chars_result number = std::from_chars(text.data(), end, seconds);
  if (number.ec == std::errc::result_out_of_range) {
    seconds = text[0] == '-' ? 0 : kMaxSeconds;
  } else if (number.ec != std::errc() || number.ptr != end) {
    const time_t date = curl_getdate(text.c_str(), nullptr);
    if (date < 0) return 0;
    // A date has whole seconds: the one that it names has to be over.
    seconds = static_cast<int64_t>(date) - wall_nanos / kNanosPerSecond + 1;
  }
  return std::clamp<int64_t>(seconds, 0, kMaxSeconds) * kNanosPerSecond;
}

}  // namespace spanmeter
