// The read side of a registry: what a scrape encoder implements to receive metrics.

#ifndef SPANMETER_SAMPLE_SINK_H_
#define SPANMETER_SAMPLE_SINK_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/trace_id.h"

namespace spanmeter {

enum class MetricType : uint8_t { kCounter, kGauge, kHistogram, kUntyped };

// What is the same for all series of a metric.
struct MetricInfo {
  // The full name; a counter's ends in `_total`.
  std::string name;
  std::string help;
  MetricType type = MetricType::kCounter;
  // Histograms only: upper bounds, ascending, without +Inf.
  std::vector<double> bounds;
  // Histograms only: whether formats that carry native histograms present the classic buckets too.
  // False: every point is a native histogram, and has no bounds.
  bool classic = true;
  // Histograms only: whether there are native ones.
  bool native = false;
  // Label name of exemplars.
  std::string exemplar_label = "traceID";

  bool operator==(const MetricInfo&) const = default;
};

// One observation that stands for its bucket.
struct Exemplar {
  uint32_t bucket = 0;  // index into HistogramPoint::cumulative_counts
  double value = 0;
  int64_t timestamp_ms = 0;  // since the Unix epoch
  uint8_t trace_id[kTraceIdSize] = {};
};

// A bucket of a native histogram that is not empty.
struct NativeBucket {
  // Covers (2^((index-1) * 2^-schema), 2^(index * 2^-schema)].
  int32_t index = 0;
  double count = 0;
};

// A histogram with buckets of exponentially growing width
// (https://prometheus.io/docs/specs/native_histograms/). There are no negative observations.
struct NativeHistogramPoint {
  int32_t schema = 0;  // -4 to 8
  double zero_threshold = 0;
  double zero_count = 0;
  // Whether the histogram has started over since it came into being; its created time then says
  // when.
  bool started_over = false;
  std::span<const NativeBucket> buckets;  // ascending by index
  // In no order; `bucket` means nothing in them.
  std::span<const Exemplar> exemplars;
};

struct HistogramPoint {
  // One per bound and one for +Inf; counts of this bucket and all below. Whole numbers unless
  // sampled spans were weighted.
  std::span<const double> cumulative_counts;
  double sum = 0;
  // At most one per bucket, ascending by bucket.
  std::span<const Exemplar> exemplars;
  // The same observations as a native histogram, or null. Its counts add up to count(), but for the
  // rounding of fractions.
  const NativeHistogramPoint* native = nullptr;

  double count() const { return cumulative_counts.back(); }
};

// Receives metrics one after the other, each with all of its series. Directly after a metric, one
// of the same name may begin: it is the same metric, of which the following series have other
// bounds or exemplars.
//
// `labels` is the series' label set as the text format writes it between the braces: sorted by
// name, values escaped, no trailing comma: `client="a",server="b"`; empty when there are no labels.
// `created_ms` is when the series came into being or, a native histogram, started over, in ms since
// the Unix epoch; 0 = unknown.
// All views are valid for the length of the call. Every method returns false to end the visit (the
// reader has gone away).
class SampleSink {
 public:
  virtual ~SampleSink() = default;

  virtual bool BeginMetric(const MetricInfo& metric) = 0;
  // REQUIRES: the metric is a counter, a gauge or untyped.
  virtual bool Number(std::string_view labels, double value, int64_t created_ms) = 0;
  // REQUIRES: the metric is a histogram.
  virtual bool Histogram(std::string_view labels, const HistogramPoint& point,
                         int64_t created_ms) = 0;
  // The series came to its end since the last visit of this kind; only Registry::VisitEnded() says
  // so. `born_ms` is when its label set came into being.
  virtual bool Ended(std::string_view /*labels*/, int64_t /*born_ms*/) { return true; }
};

}  // namespace spanmeter

#endif  // SPANMETER_SAMPLE_SINK_H_
