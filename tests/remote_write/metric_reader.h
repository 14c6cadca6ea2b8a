// Looks values up among a receiver's metrics.

#ifndef SPANMETER_TESTS_REMOTE_WRITE_METRIC_READER_H_
#define SPANMETER_TESTS_REMOTE_WRITE_METRIC_READER_H_

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "remote_write/endpoint_metrics.h"

namespace spanmeter {

// The series of that name, and of the label's value if a label is given; nullptr if there is none.
inline const prometheus::ClientMetric* FindMetric(
    const std::vector<prometheus::MetricFamily>& families, const std::string& name,
    const std::string& label = "", const std::string& value = "") {
  for (const prometheus::MetricFamily& family : families) {
    if (family.name != name) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      bool found = label.empty();
      for (const auto& pair : metric.label) found |= pair.name == label && pair.value == value;
      if (found) return &metric;
    }
  }
  return nullptr;
}

// The value of a counter or gauge, or how often a histogram was told something. NaN, which equals
// nothing, when there is no such series.
inline double ReadMetric(const EndpointMetrics& metrics, const QueueStats& stats, int64_t now_ms,
                         const std::string& name, const std::string& label = "",
                         const std::string& value = "") {
  std::vector<prometheus::MetricFamily> families;
  metrics.Append(stats, now_ms, &families);
  const prometheus::ClientMetric* const metric = FindMetric(families, name, label, value);
  if (metric == nullptr) return std::numeric_limits<double>::quiet_NaN();
  return metric->counter.value + metric->gauge.value +
         static_cast<double>(metric->histogram.sample_count);
}

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_REMOTE_WRITE_METRIC_READER_H_
