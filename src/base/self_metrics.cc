#include "spanmeter/self_metrics.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>

namespace spanmeter {

SelfMetrics::SelfMetrics() : registry_(std::make_shared<prometheus::Registry>()) {}

void SelfMetrics::AddCollector(Collector collector) {
  MutexLock lock(&mutex_);
  collectors_.push_back(std::move(collector));
}

std::vector<prometheus::MetricFamily> SelfMetrics::Collect() const {
  std::vector<prometheus::MetricFamily> families = registry_->Collect();
  std::vector<Collector> collectors;
  {
    MutexLock lock(&mutex_);
    collectors = collectors_;
  }
  // Outside of the lock: a collector may take locks of its own module.
  for (const Collector& collector : collectors) collector(&families);

  std::map<std::string, prometheus::MetricFamily> by_name;
  for (prometheus::MetricFamily& family : families) {
    const auto [it, is_new] = by_name.try_emplace(family.name);
    if (is_new) {
      it->second = std::move(family);
    } else {
      std::move(family.metric.begin(), family.metric.end(), std::back_inserter(it->second.metric));
    }
  }

  families.clear();
  families.reserve(by_name.size());
  for (auto& [name, family] : by_name) {
    // Registered but without children yet, for instance.
    if (!family.metric.empty()) families.push_back(std::move(family));
  }
  return families;
}

}  // namespace spanmeter
