// Structured log lines on standard error: one line an event, as logfmt or JSON.

#ifndef SPANMETER_LOG_H_
#define SPANMETER_LOG_H_

#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "spanmeter/clock.h"
#include "spanmeter/mutex.h"
#include "spanmeter/options.h"

namespace spanmeter {

// One key of a log line. Keys are snake_case literals; values may hold any bytes: they are escaped.
struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, int64_t v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, uint64_t v) : key(k), value(std::to_string(v)) {}
  LogField(std::string_view k, int v) : key(k), value(std::to_string(v)) {}

  std::string_view key;
  std::string value;
};

// Thread-safe; the lines of several threads never mix. Times are UTC with milliseconds. Texts
// longer than 2 KiB are cut. Bytes that are not valid UTF-8 are shown as U+FFFD, control characters
// and others that would act on a terminal as escapes.
//
//   ts=2026-01-31T12:00:00.123Z level=info msg="listening" address=0.0.0.0:4317
//   {"ts":"2026-01-31T12:00:00.123Z","level":"info","msg":"listening","address":"0.0.0.0:4317"}
class Logger {
 public:
  using Fields = std::initializer_list<LogField>;

  // `clock` stamps the lines and must outlive the logger. `fd` is not closed.
  Logger(const LogOptions& options, const Clock* clock, int fd = 2);

  void Debug(std::string_view message, Fields fields = {}) const;
  void Info(std::string_view message, Fields fields = {}) const;
  void Warn(std::string_view message, Fields fields = {}) const;
  void Error(std::string_view message, Fields fields = {}) const;

  bool Enabled(LogLevel level) const { return level >= level_.load(std::memory_order_relaxed); }
  void SetLevel(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

 private:
  void Write(LogLevel level, std::string_view message, Fields fields) const;

  std::atomic<LogLevel> level_;
  const LogFormat format_;
  const Clock* const clock_;
  const int fd_;
  // Held during write(2) only; it guards no field, but keeps a line that takes two writes in one
  // piece.
  mutable Mutex write_mutex_;
};

// Lets one event through per interval and counts the others, for log lines that traffic can cause.
// Thread-safe.
class LogThrottle {
 public:
  // `clock` must outlive the throttle.
  LogThrottle(const Clock* clock, int64_t interval_nanos);

  // Says whether to log now. If so, *suppressed is how many events were swallowed since the last
  // line.
  bool Allow(uint64_t* suppressed);

 private:
  const Clock* const clock_;
  const int64_t interval_nanos_;
  std::atomic<int64_t> next_nanos_;
  std::atomic<uint64_t> suppressed_{0};
};

}  // namespace spanmeter

#endif  // SPANMETER_LOG_H_
