#include "app/reload_metrics.h"

#include <prometheus/registry.h>

namespace spanmeter {

ReloadMetrics::ReloadMetrics(const Clock* clock, SelfMetrics* metrics) : clock_(clock) {
  prometheus::Registry& registry = metrics->registry();
  last_successful_ = &prometheus::BuildGauge()
                          .Name("spanmeter_config_last_reload_successful")
                          .Help("Whether the last attempt to read the configuration succeeded.")
                          .Register(registry)
                          .Add({});
  last_success_seconds_ =
      &prometheus::BuildGauge()
           .Name("spanmeter_config_last_reload_success_timestamp_seconds")
           .Help("When the configuration in force was read, in seconds since the Unix epoch.")
           .Register(registry)
           .Add({});
  auto& reloads = prometheus::BuildCounter()
                      .Name("spanmeter_config_reloads_total")
                      .Help("Attempts to read the configuration anew, by result.")
                      .Register(registry);
  successes_ = &reloads.Add({{"result", "success"}});
  failures_ = &reloads.Add({{"result", "failure"}});
  SetLoaded();
}

void ReloadMetrics::Count(bool success) {
  (success ? successes_ : failures_)->Increment();
  if (success) {
    SetLoaded();
  } else {
    last_successful_->Set(0);
  }
}

void ReloadMetrics::SetLoaded() {
  last_successful_->Set(1);
  last_success_seconds_->Set(static_cast<double>(clock_->WallNanos()) / kNanosPerSecond);
}

}  // namespace spanmeter
