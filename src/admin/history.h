// What the process did of late: points for curves over an hour, and counters' values over a minute
// for rates that do not jump.

#ifndef SPANMETER_ADMIN_HISTORY_H_
#define SPANMETER_ADMIN_HISTORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "spanmeter/clock.h"

namespace spanmeter {

// Not thread-safe.
class History {
 public:
  static constexpr int64_t kIntervalNanos = 10 * kNanosPerSecond;
  static constexpr size_t kPoints = 360;

  // Sums over all tenants.
  struct Totals {
    uint64_t spans = 0;
    uint64_t bytes = 0;
    uint64_t discarded = 0;
    uint64_t active_series = 0;
    double push_lag_seconds = 0;
    // Counters by a name of the caller's choice, whose rates will be asked for.
    std::vector<std::pair<std::string, uint64_t>> counters;
  };
  struct Point {
    int64_t time_ms = 0;
    double spans_per_second = 0;
    double bytes_per_second = 0;
    double discarded_per_second = 0;
    uint64_t active_series = 0;
    double push_lag_seconds = 0;
  };

  // Counters begin at zero now. `clock` must outlive this.
  explicit History(const Clock* clock);

  // Whether it is time for Record().
  bool IsDue() const;
  void Record(const Totals& totals);

  // At most kPoints, the oldest first.
  const std::deque<Point>& points() const { return points_; }

  // By how much the counter, which is at `now` now, grew per second over the last minute, or since
  // the start when that was later. One that is not known was zero until now.
  double Rate(std::string_view counter, uint64_t now) const;

 private:
  // Six intervals.
  static constexpr size_t kTicks = 7;
  struct Counter {
    std::array<uint64_t, kTicks> values = {};  // by tick modulo kTicks
    uint64_t first_tick = 0;
    uint64_t last_tick = 0;
  };
  // Counters are looked up by views.
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  const Clock* const clock_;
  uint64_t tick_ = 0;
  std::array<int64_t, kTicks> tick_nanos_ = {};
  std::unordered_map<std::string, Counter, Hash, std::equal_to<>> counters_;
  Totals last_;
  std::deque<Point> points_;
};

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_HISTORY_H_
