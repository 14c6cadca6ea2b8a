// The registry against an implementation so simple that it can be trusted: maps, no shards, no
// hashes, no batches, everything looked at one update at a time.

#include <map>
#include <ostream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "model/model_histogram.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

constexpr int64_t kStale = 60 * kNanosPerSecond;
const std::vector<double> kBounds = {0.25, 0.5, 1};
constexpr char kOverflow[] = R"(metric_overflow="true")";

// What the model and the registry have in common.
struct Setting {
  GeneratorOptions options;
  FamilyMetric latency;  // of family 0
  FamilyMetric failure;  // the histogram of family 1
};

// One update in the model's terms. Family 0 has a histogram and calls, family 1 requests and
// failures with a histogram (which join later), family 2 is an info metric.
struct ModelUpdate {
  int family = 0;
  std::string a;
  std::string b;
  double latency = 0;
  double weight = 1;
  bool failed = false;
};

std::string Created(int64_t created_ms) { return " since " + std::to_string(created_ms); }

class ModelRegistry {
 public:
  explicit ModelRegistry(const Setting& setting) : setting_(setting) {}

  void Apply(const ModelUpdate& update, int64_t now, int64_t now_ms) {
    RemoveStale(now);
    const std::string labels = Labels(update);
    const auto key = std::make_pair(update.family, labels);
    auto found = sets_.find(key);
    if (found == sets_.end() && Admits(update, labels)) {
      found = sets_.emplace(key, Set()).first;
    }
    if (found == sets_.end()) {
      if (update.family == 2) return;
      found = sets_.emplace(std::make_pair(update.family, kOverflow), Set()).first;
      found->second.overflow = true;
    }
    Set& set = found->second;
    set.last_update = now;
    if (set.created_ms == 0) set.created_ms = now_ms;
    set.calls += update.family == 1 ? 1 : update.weight;
    if (update.family == 0) {
      set.histogram.Observe(setting_.latency, update.latency, update.weight, now, now_ms);
    }
    if (update.failed) {
      if (set.failed == 0) set.failed_created_ms = now_ms;
      ++set.failed;
      set.histogram.Observe(setting_.failure, update.latency, update.weight, now, now_ms);
    }
  }

  void RemoveStale(int64_t now) {
    std::erase_if(sets_, [now](const auto& s) { return now - s.second.last_update >= kStale; });
  }

  // What a visit has to present, as text.
  std::map<std::string, std::string> Present() const {
    std::map<std::string, std::string> result;
    for (const auto& [key, set] : sets_) {
      const auto& [family, labels] = key;
      const std::string birth = Created(set.created_ms);
      if (family == 0) {
        result["calls_total{" + labels] = std::to_string(set.calls) + birth;
        result["latency{" + labels] =
            set.histogram.Present(setting_.latency) + Created(set.histogram.created_ms);
      } else if (family == 1) {
        result["request_total{" + labels] = std::to_string(set.calls) + birth;
        if (set.failed > 0) {
          result["failed_total{" + labels] =
              std::to_string(set.failed) + Created(set.failed_created_ms);
          result["failure{" + labels] =
              set.histogram.Present(setting_.failure) + Created(set.histogram.created_ms);
        }
      } else {
        result["info{" + labels] = "1.000000" + birth;
      }
    }
    return result;
  }

  uint64_t ActiveSeries() const {
    uint64_t series = 0;
    for (const auto& [key, set] : sets_) {
      if (set.overflow) continue;
      series += 1 + (key.first == 0 ? ModelHistogram::Series(setting_.latency) : 0) +
                (key.first == 1 && set.failed > 0 ? FailureSeries() : 0);
    }
    return series;
  }
  uint64_t ActiveEntities() const {
    std::set<std::string> entities;
    for (const auto& [key, set] : sets_) {
      if (!set.overflow) entities.insert(key.second);
    }
    return entities.size();
  }

 private:
  struct Set {
    int64_t last_update = 0;
    int64_t created_ms = 0;
    double calls = 0;
    double failed = 0;
    int64_t failed_created_ms = 0;
    ModelHistogram histogram;
    bool overflow = false;
  };

  static std::string Labels(const ModelUpdate& update) {
    std::string labels;
    if (!update.a.empty()) labels += "a=\"" + update.a + "\"";
    if (!update.b.empty())
      labels += std::string(labels.empty() ? "" : ",") + "b=\"" + update.b + "\"";
    return labels;
  }

  // Of the metrics that join with a failure.
  uint64_t FailureSeries() const { return 1 + ModelHistogram::Series(setting_.failure); }

  bool Admits(const ModelUpdate& update, const std::string& labels) const {
    if (setting_.options.limiter_type == LimiterType::kSeries) {
      const uint64_t series = 1 +
                              (update.family == 0 ? ModelHistogram::Series(setting_.latency) : 0) +
                              (update.failed ? FailureSeries() : 0);
      const uint64_t most = setting_.options.max_active_series;
      return most == 0 || ActiveSeries() + series <= most;
    }
    if (setting_.options.max_active_entities == 0) return true;
    for (const auto& [key, set] : sets_) {
      if (!set.overflow && key.second == labels) return true;
    }
    return ActiveEntities() < setting_.options.max_active_entities;
  }

  const Setting setting_;
  std::map<std::pair<int, std::string>, Set> sets_;
};

struct Scenario {
  const char* name;
  LimiterType limiter;
  uint64_t max_series;
  uint64_t max_entities;
  uint64_t hash_mask;
  bool expire;  // remove what is stale now and then, or leave it to the look-ups
  HistogramKind histograms = HistogramKind::kClassic;
  uint32_t max_buckets = 0;
  int64_t min_reset_seconds = 0;
};

void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

class RegistryModelTest : public ::testing::TestWithParam<Scenario> {};

std::map<std::string, std::string> Present(Registry* registry) {
  CollectingSink sink;
  EXPECT_TRUE(registry->Visit(&sink));
  EXPECT_TRUE(sink.repeated().empty());
  std::map<std::string, std::string> result;
  for (const auto& [metric, all] : sink.metrics()) {
    for (const auto& [labels, series] : all) {
      std::string text = std::to_string(series.value);
      for (const double count : series.cumulative) text += " " + std::to_string(count);
      if (series.native) {
        text += ModelHistogram::PresentNative(series.native->schema, series.native->zero_count,
                                              series.native->buckets);
      }
      result[metric + "{" + labels] = text + Created(series.created_ms);
    }
  }
  return result;
}

FamilyMetric MakeHistogram(const std::string& name, const Scenario& scenario) {
  FamilyMetric metric = {name, "", MetricType::kHistogram, {}};
  metric.classic = scenario.histograms != HistogramKind::kNative;
  if (metric.classic) metric.bounds = kBounds;
  if (scenario.histograms != HistogramKind::kClassic) {
    metric.native =
        NativeHistogramOptions{.schema = 3,
                               .max_buckets = scenario.max_buckets,
                               .min_reset_nanos = scenario.min_reset_seconds * kNanosPerSecond};
  }
  return metric;
}

TEST_P(RegistryModelTest, PresentsWhatTheModelPresents) {
  const Scenario& scenario = GetParam();
  Setting setting;
  setting.latency = MakeHistogram("latency", scenario);
  setting.failure = MakeHistogram("failure", scenario);
  setting.failure.joins = true;
  GeneratorOptions& options = setting.options;
  options.stale_duration = kStale;
  options.limiter_type = scenario.limiter;
  options.max_active_series = scenario.max_series;
  options.max_active_entities = scenario.max_entities;
  FakeClock clock;
  Registry registry(options, &clock, scenario.hash_mask);
  ModelRegistry model(setting);

  FamilyOptions calls;
  calls.labels = {{"a", {}}, {"b", {}}};
  calls.metrics = {setting.latency, {"calls_total", "", MetricType::kCounter, {}}};
  FamilyOptions edges = calls;
  edges.metrics = {{"request_total", "", MetricType::kCounter, {}},
                   {"failed_total", "", MetricType::kCounter, {}},
                   setting.failure};
  edges.metrics[1].joins = true;
  FamilyOptions info;
  info.own_labels = true;
  info.metrics = {{"info", "", MetricType::kGauge, {}}};
  info.metrics[0].info = true;
  for (const FamilyOptions& family : {calls, edges, info}) registry.AddFamily(family);

  std::mt19937 random(20260131);
  UpdateBatch batch;
  for (int step = 0; step < 600; ++step) {
    batch.Clear();
    for (int i = static_cast<int>(random() % 40); i >= 0; --i) {
      ModelUpdate update;
      update.family = static_cast<int>(random() % 3);
      // Few of the values are common, many are rare, some are empty.
      update.a = random() % 8 == 0 ? "" : "v" + std::to_string(random() % (1 + random() % 60));
      update.b = random() % 2 == 0 ? "" : std::string(1, static_cast<char>('a' + random() % 3));
      update.failed = update.family == 1 && random() % 4 == 0;
      if (update.family != 2) {
        // Sums of these are exact, whatever the order.
        update.latency = static_cast<double>(random() % 12) / 8;
        update.weight = random() % 10 == 0 ? 0.5 * static_cast<double>(1 + random() % 5) : 1;
      }
      if (update.family == 2) {
        if (update.a.empty()) continue;
        update.b.clear();
      }
      batch.BeginKey();
      if (update.family == 2) {
        batch.AppendText("a");
        batch.AppendText(update.a);
      } else {
        batch.AppendText(update.a);
        batch.AppendText(update.b);
      }
      Update& applied = batch.Add(static_cast<FamilyId>(update.family));
      switch (update.family) {
        case 0:
          applied.metrics = 3;
          applied.weight = update.weight;
          applied.values = {update.latency, update.weight};
          break;
        case 1:
          applied.metrics = update.failed ? 7 : 1;
          applied.weight = update.weight;
          applied.values = {1, 1, update.latency};
          break;
        default:
          applied.metrics = 1;
          applied.values = {1};
      }
      model.Apply(update, clock.MonotonicNanos(), clock.WallNanos() / kNanosPerMilli);
    }
    // The model removes what is stale when it becomes so; the registry is asked to, or not.
    if (scenario.expire) registry.Expire();
    registry.Apply(&batch);
    ASSERT_EQ(Present(&registry), model.Present()) << "step " << step;
    if (scenario.expire) {
      const RegistryStats stats = registry.GetStats();
      ASSERT_EQ(stats.active_series, model.ActiveSeries()) << "step " << step;
      ASSERT_EQ(stats.active_entities, model.ActiveEntities()) << "step " << step;
      ASSERT_EQ(stats.series_created - stats.series_expired, stats.active_series);
    }
    clock.Advance(static_cast<int64_t>(random() % 12) * kNanosPerSecond);
    model.RemoveStale(clock.MonotonicNanos());
    ASSERT_EQ(Present(&registry), model.Present()) << "after step " << step;
  }
}

constexpr uint64_t kAllBits = ~uint64_t{0};
INSTANTIATE_TEST_SUITE_P(
    Scenarios, RegistryModelTest,
    ::testing::Values(
        Scenario{"no_limits", LimiterType::kSeries, 0, 0, kAllBits, true},
        Scenario{"no_limits_lazily_expired", LimiterType::kSeries, 0, 0, kAllBits, false},
        Scenario{"all_hashes_equal", LimiterType::kSeries, 0, 0, 0, true},
        Scenario{"few_hashes", LimiterType::kSeries, 0, 0, 0x7000000000000003, true},
        Scenario{"series_limit", LimiterType::kSeries, 100, 5, kAllBits, true},
        Scenario{"series_limit_and_equal_hashes", LimiterType::kSeries, 100, 5, 0, true},
        Scenario{"entity_limit", LimiterType::kEntity, 5, 20, kAllBits, true},
        Scenario{"entity_limit_and_few_hashes", LimiterType::kEntity, 5, 20, 0x3, true},
        Scenario{"native", LimiterType::kSeries, 0, 0, kAllBits, true, HistogramKind::kNative, 100},
        Scenario{"native_widening", LimiterType::kSeries, 0, 0, kAllBits, true,
                 HistogramKind::kNative, 4},
        Scenario{"native_starting_over", LimiterType::kSeries, 0, 0, kAllBits, false,
                 HistogramKind::kNative, 5, 20},
        Scenario{"native_and_series_limit", LimiterType::kSeries, 60, 0, kAllBits, true,
                 HistogramKind::kNative, 5, 10},
        Scenario{"both", LimiterType::kSeries, 0, 0, kAllBits, true, HistogramKind::kBoth, 4, 20},
        Scenario{"both_and_equal_hashes", LimiterType::kSeries, 0, 0, 0, true, HistogramKind::kBoth,
                 5, 10},
        Scenario{"both_and_series_limit", LimiterType::kSeries, 150, 0, kAllBits, true,
                 HistogramKind::kBoth, 4, 10},
        Scenario{"both_and_entity_limit", LimiterType::kEntity, 0, 15, kAllBits, true,
                 HistogramKind::kBoth, 4, 10}),
    [](const auto& scenario) { return std::string(scenario.param.name); });

}  // namespace
}  // namespace spanmeter
