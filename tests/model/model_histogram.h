// A histogram so simple that it can be trusted: classic buckets that are counted one by one, native
// ones in a map, their indices by logarithm.

#ifndef SPANMETER_TESTS_MODEL_MODEL_HISTOGRAM_H_
#define SPANMETER_TESTS_MODEL_MODEL_HISTOGRAM_H_

#include <cmath>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "spanmeter/registry.h"

namespace spanmeter {

class ModelHistogram {
 public:
  // Observed values must not be so near to a bucket's bound that a logarithm errs.
  void Observe(const FamilyMetric& metric, double value, double weight, int64_t now_nanos,
               int64_t now_ms) {
    if (!exists) {
      exists = true;
      created_ms = now_ms;
      last_reset_nanos_ = now_nanos;
      if (metric.native) schema_ = metric.native->schema;
    }
    if (metric.native) ObserveNative(*metric.native, value, weight, now_nanos, now_ms);
    sum_ += value * weight;
    count_ += weight;
    for (const double bound : metric.bounds) {
      if (value <= bound) classic_[bound] += weight;
    }
  }

  // The numbers as text: sum, cumulative counts with +Inf, and what is native.
  std::string Present(const FamilyMetric& metric) const {
    std::string text = std::to_string(sum_);
    for (const double bound : metric.bounds) {
      const auto found = classic_.find(bound);
      text += " " + std::to_string(found == classic_.end() ? 0 : found->second);
    }
    text += " " + std::to_string(count_);
    if (metric.native) text += PresentNative(schema_, zero_, native_);
    return text;
  }
  static std::string PresentNative(int32_t schema, double zero,
                                   const std::map<int32_t, double>& buckets) {
    std::string text = " schema " + std::to_string(schema) + " zero " + std::to_string(zero);
    for (const auto& [index, count] : buckets) {
      text += " " + std::to_string(index) + ":" + std::to_string(count);
    }
    return text;
  }

  // What the limits count it as.
  static uint64_t Series(const FamilyMetric& metric) {
    return (metric.classic ? metric.bounds.size() + 3 : 0) + (metric.native ? 1 : 0);
  }

  bool exists = false;
  int64_t created_ms = 0;

 private:
  static int32_t Index(double value, int32_t schema) {
    return static_cast<int32_t>(std::ceil(std::log2(value) * std::exp2(schema)));
  }

  void ObserveNative(const NativeHistogramOptions& options, double value, double weight,
                     int64_t now_nanos, int64_t now_ms) {
    if (value == 0) {
      zero_ += weight;
      return;
    }
    if (!native_.contains(Index(value, schema_)) && native_.size() == options.max_buckets &&
        options.min_reset_nanos > 0 && now_nanos - last_reset_nanos_ >= options.min_reset_nanos) {
      *this = ModelHistogram();
      exists = true;
      created_ms = now_ms;
      last_reset_nanos_ = now_nanos;
      schema_ = options.schema;
    }
    native_[Index(value, schema_)] += weight;
    while (native_.size() > options.max_buckets) {
      --schema_;
      std::map<int32_t, double> wider;
      for (const auto& [index, count] : native_) {
        wider[static_cast<int32_t>(std::ceil(index / 2.0))] += count;
      }
      native_ = wider;
    }
  }

  double sum_ = 0;
  double count_ = 0;
  std::map<double, double> classic_;  // by upper bound, cumulative
  double zero_ = 0;
  int32_t schema_ = 0;
  std::map<int32_t, double> native_;
  int64_t last_reset_nanos_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_MODEL_MODEL_HISTOGRAM_H_
