#include "admin/history.h"

#include <algorithm>

namespace spanmeter {

namespace {

double PerSecond(uint64_t before, uint64_t now, int64_t nanos) {
  // Tenants take their counts with them when they go.
  if (now <= before || nanos <= 0) return 0;
  return static_cast<double>(now - before) * kNanosPerSecond / static_cast<double>(nanos);
}

}  // namespace

History::History(const Clock* clock) : clock_(clock) { tick_nanos_[0] = clock->MonotonicNanos(); }

bool History::IsDue() const {
  return clock_->MonotonicNanos() - tick_nanos_[tick_ % kTicks] >= kIntervalNanos;
}

void History::Record(const Totals& totals) {
  const int64_t now = clock_->MonotonicNanos();
  const int64_t nanos = now - tick_nanos_[tick_ % kTicks];
  ++tick_;
  tick_nanos_[tick_ % kTicks] = now;
  if (points_.size() == kPoints) points_.pop_front();
  Point& point = points_.emplace_back();
  point.time_ms = clock_->WallNanos() / kNanosPerMilli;
  point.spans_per_second = PerSecond(last_.spans, totals.spans, nanos);
  point.bytes_per_second = PerSecond(last_.bytes, totals.bytes, nanos);
  point.discarded_per_second = PerSecond(last_.discarded, totals.discarded, nanos);
  point.active_series = totals.active_series;
  point.push_lag_seconds = totals.push_lag_seconds;
  for (const auto& [name, value] : totals.counters) {
    const auto [found, is_new] = counters_.try_emplace(name);
    Counter& counter = found->second;
    if (is_new) counter.first_tick = tick_;
    counter.last_tick = tick_;
    counter.values[tick_ % kTicks] = value;
  }
  std::erase_if(counters_, [this](const auto& entry) { return entry.second.last_tick != tick_; });
  last_ = totals;
  last_.counters.clear();
}

double History::Rate(std::string_view counter, uint64_t now) const {
  const uint64_t oldest = tick_ < kTicks ? 0 : tick_ - (kTicks - 1);
  const auto found = counters_.find(counter);
  uint64_t before = 0;
  if (found != counters_.end() && found->second.first_tick <= oldest) {
    before = found->second.values[oldest % kTicks];
  }
  const int64_t nanos = clock_->MonotonicNanos() - tick_nanos_[oldest % kTicks];
  return nanos < kNanosPerSecond ? 0 : PerSecond(before, now, nanos);
}

}  // namespace spanmeter
