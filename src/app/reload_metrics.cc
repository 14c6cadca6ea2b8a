#include "app/reload_metrics.h"

#include <utility>

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

void ReloadMetrics::CountSuccess() {
  successes_->Increment();
  SetLoaded();
}

void ReloadMetrics::CountFailure(std::string problem) {
  failures_->Increment();
  last_successful_->Set(0);
  SetLast(false, std::move(problem));
}

ReloadMetrics::Last ReloadMetrics::last() const {
  const MutexLock lock(&mutex_);
  return last_;
}

void ReloadMetrics::SetLast(bool success, std::string problem) {
  const MutexLock lock(&mutex_);
  last_ = {clock_->WallNanos() / kNanosPerMilli, success, std::move(problem)};
}

void ReloadMetrics::SetLoaded() {
  SetLast(true, "");
  last_successful_->Set(1);
  last_success_seconds_->Set(static_cast<double>(clock_->WallNanos()) / kNanosPerSecond);
}

}  // namespace spanmeter
