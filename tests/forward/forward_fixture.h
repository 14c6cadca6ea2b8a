// What the tests of passing on share: receivers whose answers the test chooses.

#ifndef SPANMETER_TESTS_FORWARD_FORWARD_FIXTURE_H_
#define SPANMETER_TESTS_FORWARD_FORWARD_FIXTURE_H_

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include <prometheus/metric_family.h>

#include "forward/export_client.h"

namespace spanmeter {

class FakeExportClient final : public ExportClient {
 public:
  void Start(ExportRequest request) override { open.push_back(std::move(request)); }
  std::vector<ExportAnswer> Wait(int64_t timeout_nanos) override {
    last_timeout_nanos = timeout_nanos;
    return std::exchange(answers, {});
  }
  void CancelAll() override { open.clear(); }
  void Wake() override { ++wakes; }

  // Answers the oldest open request.
  void Answer(ExportAnswer answer) {
    answer.id = open.front().id;
    open.pop_front();
    answers.push_back(std::move(answer));
  }

  std::deque<ExportRequest> open;
  std::vector<ExportAnswer> answers;
  int64_t last_timeout_nanos = 0;
  int wakes = 0;
};

// A metric's value: the sum of its series, of those with label=value where that is given.
inline double ValueOf(const std::vector<prometheus::MetricFamily>& families,
                      const std::string& name, const std::string& label = "",
                      const std::string& value = "") {
  double sum = 0;
  for (const prometheus::MetricFamily& family : families) {
    if (family.name != name) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      bool matches = label.empty();
      for (const auto& one : metric.label) {
        matches = matches || (one.name == label && one.value == value);
      }
      if (matches) sum += metric.counter.value + metric.gauge.value;
    }
  }
  return sum;
}

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_FORWARD_FORWARD_FIXTURE_H_
