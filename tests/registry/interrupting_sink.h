// A SampleSink that lets a test do something in the middle of a visit.

#ifndef SPANMETER_TESTS_REGISTRY_INTERRUPTING_SINK_H_
#define SPANMETER_TESTS_REGISTRY_INTERRUPTING_SINK_H_

#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "support/collecting_sink.h"

namespace spanmeter {

// Passes everything on and calls back at each sample, while the visit is under way.
class InterruptingSink final : public SampleSink {
 public:
  explicit InterruptingSink(std::function<bool(const std::string& metric)> at_sample)
      : at_sample_(std::move(at_sample)) {}

  bool BeginMetric(const MetricInfo& metric) override {
    metric_ = metric.name;
    return collected.BeginMetric(metric);
  }
  bool Number(std::string_view labels, double value, int64_t created_ms) override {
    collected.Number(labels, value, created_ms);
    return at_sample_(metric_);
  }
  bool Histogram(std::string_view labels, const HistogramPoint& point,
                 int64_t created_ms) override {
    collected.Histogram(labels, point, created_ms);
    return at_sample_(metric_);
  }

  CollectingSink collected;

 private:
  std::function<bool(const std::string& metric)> at_sample_;
  std::string metric_;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_REGISTRY_INTERRUPTING_SINK_H_
