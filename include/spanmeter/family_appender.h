// Turns numbers into the families that a collector of SelfMetrics appends.

#ifndef SPANMETER_FAMILY_APPENDER_H_
#define SPANMETER_FAMILY_APPENDER_H_

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

namespace spanmeter {

// Appends families of one series each; the collection merges those of one name. Not thread-safe.
class FamilyAppender {
 public:
  using Labels = std::vector<prometheus::ClientMetric::Label>;

  // All series get the labels `common`. `families` must outlive the appender.
  FamilyAppender(Labels common, std::vector<prometheus::MetricFamily>* families)
      : common_(std::move(common)), families_(families) {}

  void Counter(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    Append(name, help, prometheus::MetricType::Counter, value, std::move(labels));
  }
  void Gauge(std::string_view name, std::string_view help, double value, Labels labels = {}) {
    Append(name, help, prometheus::MetricType::Gauge, value, std::move(labels));
  }

 private:
  void Append(std::string_view name, std::string_view help, prometheus::MetricType type,
              double value, Labels labels) {
    labels.insert(labels.end(), common_.begin(), common_.end());
    prometheus::ClientMetric metric;
    metric.label = std::move(labels);
    const bool counter = type == prometheus::MetricType::Counter;
    (counter ? metric.counter.value : metric.gauge.value) = value;
    families_->push_back({std::string(name), std::string(help), type, {std::move(metric)}});
  }

  const Labels common_;
  std::vector<prometheus::MetricFamily>* const families_;
};

}  // namespace spanmeter

#endif  // SPANMETER_FAMILY_APPENDER_H_
