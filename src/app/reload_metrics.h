// How the configuration in force came to be, on /metrics/self and the page.

#ifndef SPANMETER_APP_RELOAD_METRICS_H_
#define SPANMETER_APP_RELOAD_METRICS_H_

#include <cstdint>
#include <string>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include "spanmeter/clock.h"
#include "spanmeter/mutex.h"
#include "spanmeter/self_metrics.h"

namespace spanmeter {

// Thread-safe. The names of the gauges are like those of Prometheus's own.
class ReloadMetrics {
 public:
  // The configuration that the process starts with counts as loaded. Both must outlive this.
  ReloadMetrics(const Clock* clock, SelfMetrics* metrics);

  void CountSuccess();
  // `problem` says why the attempt failed.
  void CountFailure(std::string problem);

  // The last attempt; at first, the start.
  struct Last {
    int64_t time_ms = 0;  // since the Unix epoch
    bool success = true;
    std::string problem;
  };
  Last last() const;

 private:
  void SetLoaded();
  void SetLast(bool success, std::string problem);

  const Clock* const clock_;
  prometheus::Gauge* last_successful_;
  prometheus::Gauge* last_success_seconds_;
  prometheus::Counter* successes_;
  prometheus::Counter* failures_;

  mutable Mutex mutex_;
  Last last_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_APP_RELOAD_METRICS_H_
