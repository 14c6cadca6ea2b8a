// From prometheus-cpp's collected families to a SampleSink.

#include <algorithm>
#include <cassert>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/exposition.h"

namespace spanmeter {
namespace {

using prometheus::ClientMetric;

MetricType TypeOf(prometheus::MetricType type) {
  switch (type) {
    case prometheus::MetricType::Counter:
      return MetricType::kCounter;
    case prometheus::MetricType::Gauge:
      return MetricType::kGauge;
    case prometheus::MetricType::Histogram:
      return MetricType::kHistogram;
    default:
      return MetricType::kUntyped;
  }
}

double NumberOf(const ClientMetric& metric, MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return metric.counter.value;
    case MetricType::kGauge:
      return metric.gauge.value;
    default:
      return metric.untyped.value;
  }
}

// Writes the labels as SampleSink wants them: sorted, escaped, no trailing comma.
void RenderLabels(std::vector<ClientMetric::Label> labels, std::string* out) {
  std::sort(labels.begin(), labels.end(),
            [](const auto& a, const auto& b) { return a.name < b.name; });
  out->clear();
  for (const ClientMetric::Label& label : labels) {
    if (!out->empty()) *out += ',';
    *out += label.name;
    *out += "=\"";
    for (const char c : label.value) {
      switch (c) {
        case '\\':
          *out += "\\\\";
          break;
        case '"':
          *out += "\\\"";
          break;
        case '\n':
          *out += "\\n";
          break;
        default:
          *out += c;
      }
    }
    *out += '"';
  }
}

}  // namespace

bool VisitFamilies(const std::vector<prometheus::MetricFamily>& families, SampleSink* sink) {
  std::string labels;
  std::vector<double> counts;
  for (const prometheus::MetricFamily& family : families) {
    if (family.metric.empty()) continue;
    MetricInfo info;
    info.name = family.name;
    info.help = family.help;
    info.type = TypeOf(family.type);
    if (info.type == MetricType::kHistogram) {
      // The last bucket is +Inf.
      for (const ClientMetric::Bucket& bucket : family.metric.front().histogram.bucket) {
        info.bounds.push_back(bucket.upper_bound);
      }
      info.bounds.pop_back();
    }
    if (!sink->BeginMetric(info)) return false;
    for (const ClientMetric& metric : family.metric) {
      RenderLabels(metric.label, &labels);
      if (info.type != MetricType::kHistogram) {
        if (!sink->Number(labels, NumberOf(metric, info.type), 0)) return false;
        continue;
      }
      assert(metric.histogram.bucket.size() == info.bounds.size() + 1);
      counts.clear();
      for (const ClientMetric::Bucket& bucket : metric.histogram.bucket) {
        counts.push_back(static_cast<double>(bucket.cumulative_count));
      }
      if (!sink->Histogram(labels, {counts, metric.histogram.sample_sum, {}}, 0)) return false;
    }
  }
  return true;
}

}  // namespace spanmeter
