// A SampleSink that remembers what it is told, for tests.

#ifndef SPANMETER_TESTS_SUPPORT_COLLECTING_SINK_H_
#define SPANMETER_TESTS_SUPPORT_COLLECTING_SINK_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spanmeter/sample_sink.h"

namespace spanmeter {

// A native histogram as presented.
struct CollectedNative {
  int32_t schema = 0;
  double zero_threshold = 0;
  double zero_count = 0;
  std::map<int32_t, double> buckets;
  std::vector<Exemplar> exemplars;
};

// One series as presented.
struct CollectedSeries {
  double value = 0;                       // numbers; a histogram's sum
  std::vector<double> cumulative;         // histograms
  std::vector<Exemplar> exemplars;        // histograms
  std::optional<CollectedNative> native;  // histograms
  int64_t created_ms = 0;

  double count() const { return cumulative.empty() ? 0 : cumulative.back(); }
};

// Series by metric name and label text. `repeated` lists what came twice, which it never should.
class CollectingSink final : public SampleSink {
 public:
  bool BeginMetric(const MetricInfo& metric) override {
    if (metrics_.contains(metric.name)) repeated_.push_back(metric.name);
    current_ = &metrics_[metric.name];
    current_name_ = metric.name;
    return true;
  }
  bool Number(std::string_view labels, double value, int64_t created_ms) override {
    CollectedSeries* series = Add(labels);
    series->value = value;
    series->created_ms = created_ms;
    return true;
  }
  bool Histogram(std::string_view labels, const HistogramPoint& point,
                 int64_t created_ms) override {
    CollectedSeries* series = Add(labels);
    series->value = point.sum;
    series->cumulative.assign(point.cumulative_counts.begin(), point.cumulative_counts.end());
    series->exemplars.assign(point.exemplars.begin(), point.exemplars.end());
    if (point.native != nullptr) {
      CollectedNative& native = series->native.emplace();
      native.schema = point.native->schema;
      native.zero_threshold = point.native->zero_threshold;
      native.zero_count = point.native->zero_count;
      for (const NativeBucket& bucket : point.native->buckets) {
        if (!native.buckets.emplace(bucket.index, bucket.count).second) {
          repeated_.push_back(current_name_ + " bucket " + std::to_string(bucket.index));
        }
      }
      native.exemplars.assign(point.native->exemplars.begin(), point.native->exemplars.end());
    }
    series->created_ms = created_ms;
    return true;
  }

  bool Ended(std::string_view labels, int64_t born_ms) override {
    ended_.emplace_back(current_name_ + "{" + std::string(labels) + "}", born_ms);
    return true;
  }

  // What Registry::VisitEnded() presented: the series, and when it was born.
  const std::vector<std::pair<std::string, int64_t>>& ended() const { return ended_; }

  using Metric = std::map<std::string, CollectedSeries>;
  const std::map<std::string, Metric>& metrics() const { return metrics_; }
  const std::vector<std::string>& repeated() const { return repeated_; }

  // The series of `metric` with exactly these labels, or null.
  const CollectedSeries* Find(const std::string& metric, const std::string& labels) const {
    const auto found = metrics_.find(metric);
    if (found == metrics_.end()) return nullptr;
    const auto series = found->second.find(labels);
    return series == found->second.end() ? nullptr : &series->second;
  }

 private:
  CollectedSeries* Add(std::string_view labels) {
    const auto [it, inserted] = current_->try_emplace(std::string(labels));
    if (!inserted) repeated_.push_back(current_name_ + "{" + std::string(labels) + "}");
    return &it->second;
  }

  std::map<std::string, Metric> metrics_;
  Metric* current_ = nullptr;
  std::string current_name_;
  std::vector<std::string> repeated_;
  std::vector<std::pair<std::string, int64_t>> ended_;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_SUPPORT_COLLECTING_SINK_H_
