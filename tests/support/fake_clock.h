// A clock that stands still until a test moves it.

#ifndef SPANMETER_TESTS_SUPPORT_FAKE_CLOCK_H_
#define SPANMETER_TESTS_SUPPORT_FAKE_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "spanmeter/clock.h"

namespace spanmeter {

// Thread-safe.
class FakeClock final : public Clock {
 public:
  // 2026-01-31T12:00:00Z
  static constexpr int64_t kStartWallNanos = int64_t{1'769'860'800} * kNanosPerSecond;
  static constexpr int64_t kStartMonotonicNanos = int64_t{1'000} * kNanosPerSecond;

  explicit FakeClock(int64_t wall_nanos = kStartWallNanos) : wall_nanos_(wall_nanos) {}

  int64_t WallNanos() const override { return wall_nanos_.load(); }
  int64_t MonotonicNanos() const override { return monotonic_nanos_.load(); }

  // Lets time pass. REQUIRES: nanos >= 0.
  void Advance(int64_t nanos) {
    wall_nanos_.fetch_add(nanos);
    monotonic_nanos_.fetch_add(nanos);
  }

  // Sets the wall clock, as an administrator or NTP would; durations do not notice.
  void SetWallNanos(int64_t nanos) { wall_nanos_.store(nanos); }

 private:
  std::atomic<int64_t> wall_nanos_;
  std::atomic<int64_t> monotonic_nanos_{kStartMonotonicNanos};
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_SUPPORT_FAKE_CLOCK_H_
