#include "spanmeter/log.h"

#include <array>
#include <cstdio>
#include <errno.h>
#include <limits>
#include <time.h>
#include <unistd.h>

#include "spanmeter/quote.h"

namespace spanmeter {

namespace {

// Longer texts are cut: a span name may be as long as a request, a log line should not.
constexpr size_t kMaxTextBytes = 2048;
constexpr std::string_view kCutMark = "...";

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warn", "error"};

// The part of `text` that is printed; sets *cut when it is not all of it.
std::string_view Cut(std::string_view text, bool* cut) {
  *cut = text.size() > kMaxTextBytes;
  if (!*cut) return text;
  size_t end = kMaxTextBytes;
  // Go back to a character boundary, at most three continuation bytes.
  for (int i = 0; i < 3 && (static_cast<uint8_t>(text[end]) & 0xC0) == 0x80; ++i) --end;
  return text.substr(0, end);
}

void AppendQuotedAndCut(std::string_view text, std::string* out) {
  bool cut = false;
  AppendQuoted(Cut(text, &cut), out);
  if (cut) out->insert(out->size() - 1, kCutMark);
}

// Whether logfmt can show `text` without quotes.
bool IsBareWord(std::string_view text) {
  if (text.empty() || text.size() > kMaxTextBytes) return false;
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

// "2026-01-31T12:00:00.123Z"
void AppendTimestamp(int64_t wall_nanos, std::string* out) {
  int64_t seconds = wall_nanos / kNanosPerSecond;
  int64_t nanos = wall_nanos % kNanosPerSecond;
  if (nanos < 0) {  // before 1970
    nanos += kNanosPerSecond;
    --seconds;
  }
  const time_t time = static_cast<time_t>(seconds);
  tm utc = {};
  gmtime_r(&time, &utc);
  char text[80];
  std::snprintf(text, sizeof(text), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", utc.tm_year + 1900,
                utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                static_cast<int>(nanos / kNanosPerMilli));
  out->append(text);
}

void AppendLogfmt(std::string_view key, std::string_view value, std::string* out) {
  out->append(key).push_back('=');
  if (IsBareWord(value)) {
    out->append(value);
  } else {
    AppendQuotedAndCut(value, out);
  }
}

void AppendJson(std::string_view key, std::string_view value, std::string* out) {
  AppendQuoted(key, out);
  out->push_back(':');
  AppendQuotedAndCut(value, out);
}

void WriteFully(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return;  // Nobody is left who could be told.
    }
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace

Logger::Logger(const LogOptions& options, const Clock* clock, int fd)
    : level_(options.level), format_(options.format), clock_(clock), fd_(fd) {}

void Logger::Debug(std::string_view message, Fields fields) const {
  Write(LogLevel::kDebug, message, fields);
}
void Logger::Info(std::string_view message, Fields fields) const {
  Write(LogLevel::kInfo, message, fields);
}
void Logger::Warn(std::string_view message, Fields fields) const {
  Write(LogLevel::kWarn, message, fields);
}
void Logger::Error(std::string_view message, Fields fields) const {
  Write(LogLevel::kError, message, fields);
}

void Logger::Write(LogLevel level, std::string_view message, Fields fields) const {
  if (!Enabled(level)) return;
  const bool json = format_ == LogFormat::kJson;
  const auto append = json ? AppendJson : AppendLogfmt;
  const char separator = json ? ',' : ' ';

  std::string timestamp;
  AppendTimestamp(clock_->WallNanos(), &timestamp);
  std::string line;
  if (json) line.push_back('{');
  append("ts", timestamp, &line);
  line.push_back(separator);
  append("level", kLevelNames[static_cast<size_t>(level)], &line);
  line.push_back(separator);
  append("msg", message, &line);
  for (const LogField& field : fields) {
    line.push_back(separator);
    append(field.key, field.value, &line);
  }
  if (json) line.push_back('}');
  line.push_back('\n');

  // A pipe may take a long line in two pieces.
  MutexLock lock(&write_mutex_);
  WriteFully(fd_, line);
}

LogThrottle::LogThrottle(const Clock* clock, int64_t interval_nanos)
    : clock_(clock),
      interval_nanos_(interval_nanos),
      next_nanos_(std::numeric_limits<int64_t>::min()) {}

bool LogThrottle::Allow(uint64_t* suppressed) {
  const int64_t now = clock_->MonotonicNanos();
  int64_t next = next_nanos_.load(std::memory_order_relaxed);
  // Of several threads that find the interval over, the exchange picks one.
  if (now < next || !next_nanos_.compare_exchange_strong(next, now + interval_nanos_,
                                                         std::memory_order_relaxed)) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  return true;
}

}  // namespace spanmeter
