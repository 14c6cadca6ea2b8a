// A registry with random label sets, and a list of them to compute answers from naively.

#ifndef SPANMETER_TESTS_ADMIN_FILLED_REGISTRY_H_
#define SPANMETER_TESTS_ADMIN_FILLED_REGISTRY_H_

#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "spanmeter/registry.h"

#include "support/fake_clock.h"

namespace spanmeter {

class FilledRegistry {
 public:
  static constexpr uint64_t kSpanSeries = 3 + 2 + 1;  // two bounds, +Inf, count, sum, calls

  struct LabelSet {
    std::map<std::string, std::string> labels;
    double calls = 0;
    int64_t born_ms = 0;
    int64_t updated_ms = 0;
  };

  explicit FilledRegistry(GeneratorOptions options = {}) : registry(options, &clock) {
    const bool otel = options.naming == Naming::kOtel;
    service_label_ = otel ? "service_name" : "service";
    FamilyOptions family;
    family.labels = {{service_label_, {}}, {"span_name", {}}, {"zone", {}}};
    family.metrics = {
        {otel ? "traces_span_metrics_duration_milliseconds" : "traces_spanmetrics_latency",
         "Latency.",
         MetricType::kHistogram,
         {0.1, 1}},
        {otel ? "traces_span_metrics_calls_total" : "traces_spanmetrics_calls_total",
         "Calls.",
         MetricType::kCounter,
         {}}};
    span_family_ = registry.AddFamily(family);
    FamilyOptions info;
    info.own_labels = true;
    info.metrics = {{"traces_target_info", "Info.", MetricType::kGauge, {}}};
    info.metrics[0].info = true;
    info_family_ = registry.AddFamily(info);
  }

  // Counts a span of half a second. An empty zone is none.
  void Count(const std::string& service, const std::string& span_name, const std::string& zone) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText(service);
    batch.AppendText(span_name);
    batch.AppendText(zone);
    Update& update = batch.Add(span_family_);
    update.metrics = 3;
    update.values = {0.5, 1};
    registry.Apply(&batch);
    std::map<std::string, std::string> labels = {{service_label_, service},
                                                 {"span_name", span_name}};
    if (!zone.empty()) labels["zone"] = zone;
    Note(labels, &spans);
  }
  // Notes a resource with one attribute.
  void AddInfo(const std::string& name, const std::string& value) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText(name);
    batch.AppendText(value);
    Update& update = batch.Add(info_family_);
    update.metrics = 1;
    update.values = {1};
    registry.Apply(&batch);
    Note({{name, value}}, &infos);
  }

  // A thousand random spans over an hour and a half.
  void FillAtRandom(unsigned seed) {
    std::mt19937 random(seed);
    const auto pick = [&random](unsigned n) { return static_cast<unsigned>(random()) % n; };
    static const char* const kOdd[] = {"a\"b", "c\\d", "e\nf", "g,h=\"i\"", "\u202E", "<b>"};
    for (int i = 0; i < 1000; ++i) {
      clock.Advance(static_cast<int64_t>(pick(10'000)) * kNanosPerMilli);
      std::string service = "s" + std::to_string(pick(8));
      if (pick(5) == 0) service = kOdd[pick(6)];
      std::string zone = pick(3) == 0 ? "" : "z" + std::to_string(pick(4));
      Count(service, "op" + std::to_string(pick(1 + pick(20))), zone);
      if (pick(10) == 0) AddInfo("attribute_" + std::to_string(pick(5)), std::to_string(pick(9)));
    }
  }

  int64_t NowMs() const { return clock.WallNanos() / kNanosPerMilli; }

  FakeClock clock;
  Registry registry;
  std::map<std::map<std::string, std::string>, LabelSet> spans;
  std::map<std::map<std::string, std::string>, LabelSet> infos;

 private:
  void Note(const std::map<std::string, std::string>& labels,
            std::map<std::map<std::string, std::string>, LabelSet>* sets) {
    LabelSet& set = (*sets)[labels];
    if (set.calls == 0) set.born_ms = NowMs();
    set.labels = labels;
    ++set.calls;
    set.updated_ms = NowMs();
  }

  std::string service_label_;
  FamilyId span_family_ = 0;
  FamilyId info_family_ = 0;
};

// Nothing goes stale within the test.
inline GeneratorOptions LongLived() {
  GeneratorOptions options;
  options.stale_duration = int64_t{86'400} * kNanosPerSecond;
  return options;
}

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_ADMIN_FILLED_REGISTRY_H_
