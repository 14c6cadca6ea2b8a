// What spanmeter says about itself, kept by prometheus-cpp's core library.

#ifndef SPANMETER_SELF_METRICS_H_
#define SPANMETER_SELF_METRICS_H_

#include <functional>
#include <memory>
#include <vector>

#include <prometheus/metric_family.h>
#include <prometheus/registry.h>

#include "spanmeter/mutex.h"

namespace spanmeter {

// Thread-safe. Each module registers its own families in `registry()` and keeps pointers to its
// children; values that exist elsewhere (a registry's sizes, the process) are asked for at each
// collection through a collector.
class SelfMetrics {
 public:
  using Collector = std::function<void(std::vector<prometheus::MetricFamily>*)>;

  SelfMetrics();
  SelfMetrics(const SelfMetrics&) = delete;
  SelfMetrics& operator=(const SelfMetrics&) = delete;

  prometheus::Registry& registry() { return *registry_; }

  // `collector` appends families; families of one name, from any source, are merged. Called from
  // the thread that collects. What it refers to must live as long as somebody collects.
  void AddCollector(Collector collector);

  // Everything, sorted by name.
  std::vector<prometheus::MetricFamily> Collect() const;

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  mutable Mutex mutex_;
  std::vector<Collector> collectors_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_SELF_METRICS_H_
