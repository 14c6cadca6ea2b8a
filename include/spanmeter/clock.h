// The time source of everything that ages, expires or is stamped. Injected, so that no test has to
// wait for time to pass.

#ifndef SPANMETER_CLOCK_H_
#define SPANMETER_CLOCK_H_

#include <cstdint>

namespace spanmeter {

// Thread-safe: every method may be called from any thread at any time.
class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds since the Unix epoch, for stamps that people and other systems read. May jump.
  virtual int64_t WallNanos() const = 0;

  // Nanoseconds since an arbitrary start, never decreasing. The only source for durations and ages.
  virtual int64_t MonotonicNanos() const = 0;
};

// The clock of the operating system.
class SystemClock final : public Clock {
 public:
  int64_t WallNanos() const override;
  int64_t MonotonicNanos() const override;
};

inline constexpr int64_t kNanosPerMilli = 1'000'000;
inline constexpr int64_t kNanosPerSecond = 1'000'000'000;

}  // namespace spanmeter

#endif  // SPANMETER_CLOCK_H_
