#include "app/service_notify.h"

#include <algorithm>

#include <systemd/sd-daemon.h>

namespace spanmeter {

namespace {

constexpr int64_t kNanosPerMicro = 1000;

// The variables stay in the environment: the process starts no others.
void Send(const std::string& state) { sd_notify(/*unset_environment=*/0, state.c_str()); }

}  // namespace

ServiceNotify::ServiceNotify(const Clock* clock) : clock_(clock) {
  uint64_t timeout_micros = 0;
  if (sd_watchdog_enabled(/*unset_environment=*/0, &timeout_micros) <= 0) return;
  // More than a century, and added to a time of the clock still a time.
  constexpr auto kMaxMicros = static_cast<uint64_t>(kNever / 2 / kNanosPerMicro);
  beat_interval_nanos_ =
      static_cast<int64_t>(std::min(timeout_micros / 2, kMaxMicros)) * kNanosPerMicro;
  next_beat_nanos_ = clock_->MonotonicNanos();
}

void ServiceNotify::Ready(const std::string& status) {
  // A line feed would begin another assignment.
  std::string line = status;
  std::replace(line.begin(), line.end(), '\n', ' ');
  Send("READY=1\nSTATUS=" + line);
}

void ServiceNotify::Reloading() {
  // From version 253 on, systemd wants to know which READY=1 comes after which reload.
  Send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(clock_->MonotonicNanos() / kNanosPerMicro) +
       "\nSTATUS=reading the configuration");
}

void ServiceNotify::Stopping() { Send("STOPPING=1\nSTATUS=finishing requests and pushes"); }

void ServiceNotify::Beat() {
  const int64_t now = clock_->MonotonicNanos();
  if (now < next_beat_nanos_) return;
  next_beat_nanos_ = now + beat_interval_nanos_;
  Send("WATCHDOG=1");
}

int64_t ServiceNotify::NanosUntilBeat() const {
  if (next_beat_nanos_ == kNever) return kNever;
  return std::max<int64_t>(0, next_beat_nanos_ - clock_->MonotonicNanos());
}

}  // namespace spanmeter
