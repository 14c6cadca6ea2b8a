#include "spanmeter/clock.h"

#include <time.h>

namespace spanmeter {

namespace {

int64_t ReadClock(clockid_t id) {
  timespec now = {};
  clock_gettime(id, &now);  // Cannot fail for the two clocks that this file names.
  return int64_t{now.tv_sec} * kNanosPerSecond + now.tv_nsec;
}

}  // namespace

int64_t SystemClock::WallNanos() const { return ReadClock(CLOCK_REALTIME); }
int64_t SystemClock::MonotonicNanos() const { return ReadClock(CLOCK_MONOTONIC); }

}  // namespace spanmeter
