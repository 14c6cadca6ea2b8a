#include "processors/histogram_metric.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace spanmeter {

std::vector<double> HistogramBounds(const std::vector<double>& configured) {
  std::vector<double> bounds = configured;
  std::erase(bounds, std::numeric_limits<double>::infinity());
  std::sort(bounds.begin(), bounds.end());
  return bounds;
}

FamilyMetric MakeHistogram(std::string name, std::string help, const std::vector<double>& bounds,
                           const GeneratorOptions& options) {
  FamilyMetric metric;
  metric.name = std::move(name);
  metric.help = std::move(help);
  metric.type = MetricType::kHistogram;
  metric.classic = options.generate_native_histograms != HistogramKind::kNative;
  if (metric.classic) metric.bounds = HistogramBounds(bounds);
  if (options.generate_native_histograms != HistogramKind::kClassic) {
    // More buckets than 32 bits can count are no other bound than none.
    constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
    NativeHistogramOptions native;
    native.schema = NativeSchema(options.native_histogram_bucket_factor);
    native.max_buckets =
        static_cast<uint32_t>(std::min(options.native_histogram_max_bucket_number, kMost));
    native.min_reset_nanos = options.native_histogram_min_reset_duration;
    metric.native = native;
  }
  return metric;
}

}  // namespace spanmeter
