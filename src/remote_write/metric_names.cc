#include "remote_write/metric_names.h"

#include <limits>

#include "spanmeter/number_text.h"

namespace spanmeter {

MetricNames::MetricNames(const MetricInfo& metric, uint64_t number)
    : serial(number),
      names({metric.name, metric.name + "_bucket", metric.name + "_count", metric.name + "_sum"}),
      help(metric.help),
      exemplar_label(metric.exemplar_label),
      type(MetadataType(metric.type)) {
  if (metric.type != MetricType::kHistogram || !metric.classic) return;
  for (const double bound : metric.bounds) bounds.push_back(BoundText(bound, false));
  bounds.push_back(BoundText(std::numeric_limits<double>::infinity(), false));
}

uint8_t MetadataType(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return 1;
    case MetricType::kGauge:
      return 2;
    case MetricType::kHistogram:
      return 3;
    case MetricType::kUntyped:
      break;
  }
  return 0;
}

}  // namespace spanmeter
