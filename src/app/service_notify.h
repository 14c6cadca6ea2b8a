// What the service manager is told: when spanmeter is ready, reloads, stops, and that it lives.

#ifndef SPANMETER_APP_SERVICE_NOTIFY_H_
#define SPANMETER_APP_SERVICE_NOTIFY_H_

#include <cstdint>
#include <limits>
#include <string>

#include "spanmeter/clock.h"

namespace spanmeter {

// The protocol of sd_notify(3). Without a service manager that asks for it, which is what the
// environment variable NOTIFY_SOCKET says, nothing is sent and nothing here has an effect. What
// cannot be delivered is not repeated: the manager then decides by what it missed.
//
// Used by one thread.
class ServiceNotify {
 public:
  // Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, so that a watchdog meant for another
  // process does not count. `clock` is not owned and must live longer.
  explicit ServiceNotify(const Clock* clock);
  ServiceNotify(const ServiceNotify&) = delete;
  ServiceNotify& operator=(const ServiceNotify&) = delete;

  // The start, or a reload, has come to its end. `status` is one line that people see in
  // `systemctl status`.
  void Ready(const std::string& status);
  // A reload begins; Ready() ends it.
  void Reloading();
  void Stopping();

  // Says "alive" if that is due. To be called where it proves something: by the main loop, after
  // it has done its round. A loop that hangs, or waits for a lock that is never released, does not
  // get here.
  void Beat();
  // How long until Beat() has something to say, 0 when it is due. Without a watchdog that never
  // happens.
  int64_t NanosUntilBeat() const;

 private:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  const Clock* const clock_;
  // Half of what the manager waits for, as sd_watchdog_enabled(3) recommends.
  int64_t beat_interval_nanos_ = 0;
  int64_t next_beat_nanos_ = kNever;
};

}  // namespace spanmeter

#endif  // SPANMETER_APP_SERVICE_NOTIFY_H_
