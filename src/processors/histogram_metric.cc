#include "processors/histogram_metric.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace spanmeter {

std::vector<double> HistogramBounds(const std::vector<double>& configured) {
  std::vector<double> bounds = configured;
  std::erase(bounds, std::numeric_limits<double>::infinity());
  std::sort(bounds.begin(), bounds.end());
  return bounds;
}

void ValidateBuckets(const std::vector<double>& configured, const std::string& path,
                     std::vector<OptionProblem>* problems) {
  for (size_t i = 0; i < configured.size(); ++i) {
    const std::string element = path + "[" + std::to_string(i) + "]";
    if (std::isnan(configured[i]) || configured[i] == -std::numeric_limits<double>::infinity()) {
      problems->push_back({element, "a bucket's upper bound must be a number"});
    }
    const auto first = std::find(configured.begin(), configured.end(), configured[i]);
    const auto position = static_cast<size_t>(first - configured.begin());
    if (position < i) {
      problems->push_back({element, "is the same bound as histogram_buckets[" +
                                        std::to_string(position) + "]; leave one of them out"});
    }
  }
  const size_t bounds = HistogramBounds(configured).size();
  if (bounds > kMaxHistogramBounds) {
    problems->push_back({path, "has " + std::to_string(bounds) + " bounds; at most " +
                                   std::to_string(kMaxHistogramBounds) + " are possible"});
  }
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
