// Histograms that are added up over label sets, subtracted over time and asked for quantiles.

#ifndef SPANMETER_ADMIN_LATENCY_H_
#define SPANMETER_ADMIN_LATENCY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "spanmeter/label_set_walk.h"
#include "spanmeter/sample_sink.h"

namespace spanmeter {

// Observations by bucket: classic buckets where there are any, else native ones. Not thread-safe.
class LatencyDistribution {
 public:
  using Bounds = std::shared_ptr<const std::vector<double>>;

  // Adds what a label set has observed. `bounds` are its classic buckets'.
  void Add(const Bounds& bounds, const LabelSetValues::Metric& metric);
  // Adds what another one holds, unless its buckets are of another kind.
  void Add(const LatencyDistribution& other);
  // Takes away what was there before; what would be negative, because a histogram has started over,
  // is zero.
  void Subtract(const LatencyDistribution& before);

  double count() const;
  // The value below which the share `q` of the observations lies, interpolated as Prometheus does
  // it: linearly in classic buckets, of which the last one ends where the one before does, and
  // exponentially in native ones. Nothing without observations.
  std::optional<double> Quantile(double q) const;

 private:
  // Makes each native bucket 2^n as wide.
  void Widen(int32_t schema);
  void AddNative(int32_t schema, double zero_count, const std::vector<NativeBucket>& buckets,
                 double sign);
  double ClassicQuantile(double rank) const;
  double NativeQuantile(double rank) const;

  Bounds bounds_;  // null: no classic buckets
  std::vector<double> counts_;
  bool native_ = false;
  int32_t schema_ = 0;
  double zero_threshold_ = 0;
  double zero_count_ = 0;
  std::vector<NativeBucket> buckets_;  // ascending by index
};

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_LATENCY_H_
