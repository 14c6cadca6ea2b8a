// How the configuration in force came to be, on /metrics/self.

#ifndef SPANMETER_APP_RELOAD_METRICS_H_
#define SPANMETER_APP_RELOAD_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/gauge.h>

#include "spanmeter/clock.h"
#include "spanmeter/self_metrics.h"

namespace spanmeter {

// Thread-safe. The names of the gauges are like those of Prometheus's own.
class ReloadMetrics {
 public:
  // The configuration that the process starts with counts as loaded. Both must outlive this.
  ReloadMetrics(const Clock* clock, SelfMetrics* metrics);

  void Count(bool success);

 private:
  void SetLoaded();

  const Clock* const clock_;
  prometheus::Gauge* last_successful_;
  prometheus::Gauge* last_success_seconds_;
  prometheus::Counter* successes_;
  prometheus::Counter* failures_;
};

}  // namespace spanmeter

#endif  // SPANMETER_APP_RELOAD_METRICS_H_
