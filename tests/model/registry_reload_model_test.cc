// Registries that follow each other, with limits, places of label values and relabelling, against a
// model of maps: after every step each has the same series with the same values.

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <ostream>
#include <random>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/registry.h"
#include "spanmeter/state_stream.h"

#include "model/reloading_model.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"
#include "support/state_bytes.h"

namespace spanmeter {
namespace {

constexpr std::string_view kKinds[] = {"ZERO", "ONE"};
constexpr int kSteps = 150;

// What reloads may change besides stale_duration, the order of the families and which there are.
struct Scenario {
  const char* name;
  bool series_limits = false;
  bool label_limits = false;
  bool relabelling = false;
  bool external_labels = false;
  bool histograms = false;
  // Whether the process ends and another one goes on, often with other options.
  bool restarts = false;
  uint64_t hash_mask = ~uint64_t{0};
};

// What differs between two maps, as text.
template <typename Value>
std::string Difference(const std::map<std::string, Value>& actual,
                       const std::map<std::string, Value>& expected) {
  std::ostringstream text;
  for (const auto& [name, value] : actual) {
    const auto found = expected.find(name);
    if (found != expected.end() && found->second == value) continue;
    text << name << " is " << value << "\n";
  }
  for (const auto& [name, value] : expected) {
    const auto found = actual.find(name);
    if (found != actual.end() && found->second == value) continue;
    text << name << " should be " << value << "\n";
  }
  return text.str();
}

void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

class RandomRun {
 public:
  RandomRun(const Scenario& scenario, unsigned seed)
      : scenario_(scenario), random_(seed), model_(options_) {
    histogram_ = MakeHistogram("latency", 0);
    if (scenario_.relabelling) rules_index_ = (3 * seed + 1) % rules_.size();
    ChangeOptions();
    model_.SetLimits(options_);
    auto registry = std::make_unique<Registry>(options_, &clock_, scenario_.hash_mask);
    const std::vector<ModelSpec> specs = Specs();
    model_.Follow(specs);
    Add(std::move(registry), specs);
  }

  // Stops at the first difference.
  void Go() {
    for (step_ = 0; step_ < kSteps && !::testing::Test::HasFailure(); ++step_) {
      clock_.Advance(static_cast<int64_t>(Below(12)) * kNanosPerSecond);
      Compare("after time passed");
      if (Below(8) == 0) Reload();
      if (scenario_.restarts && Below(6) == 0) Restart();
      Expire();
      ApplyBatch();
      Compare("after a batch");
    }
  }
  const ModelTally& tally() const { return model_.tally(); }
  const std::map<std::string, uint64_t>& most() const { return most_; }
  uint64_t restored() const { return restored_; }

 private:
  struct Generation {
    std::unique_ptr<Registry> registry;
    ReloadingModel::Generation families;
    bool is_shown;
  };

  unsigned Below(unsigned bound) { return static_cast<unsigned>(random_()) % bound; }
  template <typename T>
  T OneOf(std::initializer_list<T> values) {
    return values.begin()[Below(static_cast<unsigned>(values.size()))];
  }
  std::string Where(const std::string& when) const {
    return std::string(scenario_.name) + ", step " + std::to_string(step_) + ", " + when;
  }

  static FamilyMetric MakeHistogram(const std::string& name, unsigned variant) {
    FamilyMetric metric = {name, "", MetricType::kHistogram, {}};
    switch (variant) {
      case 0:
        metric.bounds = {0.25, 0.5, 1};
        break;
      case 1:
        metric.bounds = {0.5};
        break;
      case 2:
        metric.bounds = {0.25, 0.5, 1};
        metric.native = NativeHistogramOptions{.schema = 3, .max_buckets = 4};
        break;
      default:
        metric.classic = false;
        metric.native = NativeHistogramOptions{.schema = 3, .max_buckets = 100};
    }
    return metric;
  }

  // Each of these changes seldom enough that most families go on.
  void ChangeOptions() {
    GeneratorOptions& options = options_;
    options.stale_duration = OneOf({20, 40, 60}) * kNanosPerSecond;
    options.disable_collection = Below(6) == 0;
    if (scenario_.series_limits) {
      options.limiter_type = OneOf({LimiterType::kSeries, LimiterType::kEntity});
      options.max_active_series = OneOf<uint64_t>({0, 60, 150, 300});
      options.max_active_entities = OneOf<uint64_t>({0, 10, 20, 40});
    }
    if (scenario_.label_limits) {
      options.max_cardinality_per_label = OneOf<uint64_t>({0, 1, 2, 5, 12});
    }
    if (scenario_.external_labels && (generations_.empty() || Below(4) == 0)) {
      options.external_labels =
          OneOf<std::map<std::string, std::string>>({{},
                                                     {{"cluster", "c"}},
                                                     {{"cluster", "d"}, {"zone", "z"}},
                                                     {{"cluster", "e"}, {"zone", ""}}});
    }
    if (scenario_.relabelling && (generations_.empty() || Below(3) == 0)) {
      // In turn, so that all are tried.
      rules_index_ = (rules_index_ + 1) % rules_.size();
      options.relabel = rules_[rules_index_].rules;
      options.max_label_value_length = OneOf<uint64_t>({0, 3, 2048});
    }
    if (scenario_.histograms && Below(3) == 0) histogram_ = MakeHistogram("latency", Below(4));
    has_b_ = Below(6) != 0;
  }

  // The families that there are with the options of now.
  std::vector<ModelSpec> Specs() {
    ModelSpec spec;
    for (const auto& [name, value] : options_.external_labels) {
      if (!value.empty()) spec.external_labels.emplace(name, value);
    }
    spec.rules = rules_index_;
    if (rules_index_ != 0) spec.max_length = options_.max_label_value_length;
    std::vector<ModelSpec> specs(3, spec);
    specs[0].kind = ModelKind::kCalls;
    specs[0].has_b = has_b_;
    specs[0].histogram = histogram_;
    specs[1].kind = ModelKind::kEdges;
    specs[1].histogram = MakeHistogram("failure", 1);
    specs[1].histogram.joins = true;
    specs[2].kind = ModelKind::kInfo;
    std::rotate(specs.begin(), specs.begin() + Below(3), specs.end());
    if (Below(6) == 0) specs.pop_back();
    return specs;
  }

  static FamilyOptions FamilyOf(const ModelSpec& spec) {
    FamilyOptions family;
    switch (spec.kind) {
      case ModelKind::kCalls:
        family.labels = {{"a", {}}};
        if (spec.has_b) family.labels.push_back({"b", {}});
        family.labels.push_back({"kind", kKinds});
        family.metrics = {spec.histogram, {"calls_total", "", MetricType::kCounter, {}}};
        break;
      case ModelKind::kEdges:
        family.labels = {{"c", {}}, {"a", {}}};
        family.metrics = {{"request_total", "", MetricType::kCounter, {}},
                          {"failed_total", "", MetricType::kCounter, {}},
                          spec.histogram};
        family.metrics[1].joins = true;
        break;
      case ModelKind::kInfo:
        family.own_labels = true;
        family.metrics = {{"info", "", MetricType::kGauge, {}}};
        family.metrics[0].info = true;
    }
    return family;
  }

  // The model has followed already.
  void Add(std::unique_ptr<Registry> registry, const std::vector<ModelSpec>& specs) {
    for (const ModelSpec& spec : specs) registry->AddFamily(FamilyOf(spec));
    generations_.push_back({std::move(registry), model_.newest(), !options_.disable_collection});
  }

  void Reload() {
    ChangeOptions();
    Registry* const previous = generations_.back().registry.get();
    auto next = std::make_unique<Registry>(options_, previous);
    model_.SetLimits(options_);
    Compare("after other limits");
    if (Below(2) == 0) {
      // A request gets in between.
      Expire();
      ApplyBatch();
    }
    const std::vector<ModelSpec> specs = Specs();
    const std::vector<std::string> ended = model_.Follow(specs);
    Registry* const newest = next.get();
    Add(std::move(next), specs);
    ASSERT_EQ(newest->EndOtherFamilies(), ended) << Where("reload");
    Compare("after a reload");
    constexpr size_t kKept = 3;
    if (generations_.size() > kKept) generations_.erase(generations_.begin());
  }

  void Restart() {
    const std::string state = testing::StateBytes(
        clock_, [this](StateWriter* writer) { generations_.back().registry->Save(writer); });
    clock_.Advance(static_cast<int64_t>(Below(12)) * kNanosPerSecond);
    if (Below(2) == 0) ChangeOptions();
    const std::vector<ModelSpec> specs = Specs();
    auto next = std::make_unique<Registry>(options_, &clock_, scenario_.hash_mask);
    Registry* const restored = next.get();
    model_.Restart(options_, specs);
    // Nothing is left of former requests.
    generations_.clear();
    Add(std::move(next), specs);
    StateReader reader(&clock_, testing::ReadFrom(state));
    RestoredState result;
    ASSERT_TRUE(restored->Restore(&reader, &result)) << Where("restart") << reader.error();
    restored_ += result.label_sets;
    Compare("after a restart");
  }

  void Expire() {
    generations_.back().registry->Expire();
    model_.Expire(clock_.MonotonicNanos());
  }

  // Through the newest registry, or one that requests of before still use.
  void ApplyBatch() {
    const bool newest = Below(4) != 0;
    const size_t index =
        newest ? generations_.size() - 1 : Below(static_cast<unsigned>(generations_.size()));
    Generation& generation = generations_[index];
    ApplyResult expected;
    batch_.Clear();
    for (unsigned i = Below(40); i > 0; --i) {
      const unsigned family = Below(static_cast<unsigned>(generation.families.size()));
      ModelFamily* const updated = generation.families[family].get();
      const ModelUpdate update = AddUpdate(static_cast<FamilyId>(family), updated->spec);
      if (!model_.Apply(updated, update, clock_.MonotonicNanos(),
                        clock_.WallNanos() / kNanosPerMilli)) {
        ++expected.dropped[family];
      } else if (!updated->ended && index + 1 < generations_.size()) {
        model_.CountContinued();
      }
    }
    const ApplyResult result = generation.registry->Apply(&batch_);
    ASSERT_EQ(result.dropped, expected.dropped) << Where("batch");
  }

  ModelUpdate AddUpdate(FamilyId family, const ModelSpec& spec) {
    // Few of the values are common, many are rare, some are empty.
    std::string a = Below(8) == 0 ? "" : "v" + std::to_string(Below(1 + Below(60)));
    if (Below(40) == 0) a = "__cardinality_overflow__";
    const std::string other =
        Below(2) == 0 ? "" : std::string(1, static_cast<char>('a' + Below(3)));
    ModelUpdate update;
    const auto append = [&](const std::string& name, const std::string& value) {
      batch_.AppendText(value);
      if (!value.empty()) update.labels[name] = value;
    };
    // Sums of these are exact, whatever the order.
    update.latency = static_cast<double>(Below(12)) / 8;
    update.weight = Below(10) == 0 ? 0.5 * static_cast<double>(1 + Below(5)) : 1;
    batch_.BeginKey();
    if (spec.kind == ModelKind::kCalls) {
      append("a", a);
      if (spec.has_b) append("b", other);
      const auto kind = OneOf({0, 1, 1, 1, 7, -1});
      batch_.AppendEnum(kind);
      update.labels["kind"] =
          kind == 0 || kind == 1 ? std::string(kKinds[kind]) : std::to_string(kind);
      Update& applied = batch_.Add(family);
      applied.metrics = 3;
      applied.weight = update.weight;
      applied.values = {update.latency, update.weight};
    } else if (spec.kind == ModelKind::kEdges) {
      append("c", other);
      append("a", a);
      update.failed = Below(4) == 0;
      Update& applied = batch_.Add(family);
      applied.metrics = update.failed ? 7 : 1;
      applied.weight = update.weight;
      applied.values = {1, 1, update.latency};
    } else {
      if (!a.empty()) {
        batch_.AppendText("a");
        append("a", a);
      }
      batch_.AppendText("z");
      append("z", "z" + other);
      Update& applied = batch_.Add(family);
      applied.metrics = 1;
      applied.values = {1};
    }
    return update;
  }

  static std::map<std::string, std::string> Present(Registry* registry) {
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
        result[metric + "{" + labels] = text + ReloadingModel::Created(series.created_ms);
      }
    }
    return result;
  }
  static std::map<std::string, uint64_t> Numbers(const RegistryStats& stats) {
    std::map<std::string, uint64_t> numbers = {
        {"active series", stats.active_series},   {"active entities", stats.active_entities},
        {"series created", stats.series_created}, {"series expired", stats.series_expired},
        {"limited", stats.updates_limited},
    };
    for (const LabelStats& label : stats.labels) {
      numbers["values of " + label.name] = label.values;
      numbers["refusals of " + label.name] = label.refusals;
    }
    return numbers;
  }

  void Compare(const std::string& when) {
    const int64_t now = clock_.MonotonicNanos();
    for (const Generation& generation : generations_) {
      std::map<std::string, std::string> expected;
      if (generation.is_shown) expected = model_.Present(generation.families, now);
      ASSERT_EQ(Difference(Present(generation.registry.get()), expected), "") << Where(when);
    }
    const auto numbers = Numbers(generations_.back().registry->GetStats());
    ASSERT_EQ(Difference(numbers, model_.Stats()), "") << Where(when);
    for (const auto& [name, number] : numbers) most_[name] = std::max(most_[name], number);
  }

  const Scenario& scenario_;
  std::mt19937 random_;
  int step_ = 0;
  FakeClock clock_;
  GeneratorOptions options_;
  const std::vector<ModelRules> rules_ = MakeModelRules();
  size_t rules_index_ = 0;
  FamilyMetric histogram_;
  bool has_b_ = true;
  ReloadingModel model_;
  std::vector<Generation> generations_;  // the newest is the last
  UpdateBatch batch_;
  std::map<std::string, uint64_t> most_;  // of each number at any time
  uint64_t restored_ = 0;                 // label sets
};

class RegistryReloadModelTest : public ::testing::TestWithParam<Scenario> {};

TEST_P(RegistryReloadModelTest, EveryRegistryPresentsWhatTheModelPresents) {
  const Scenario& scenario = GetParam();
  ModelTally tally;
  uint64_t limited = 0;
  uint64_t restored = 0;
  for (unsigned seed = 1; seed <= 4; ++seed) {
    RandomRun run(scenario, seed);
    run.Go();
    ASSERT_FALSE(HasFailure()) << "seed " << seed;
    tally.lost += run.tally().lost;
    tally.continued += run.tally().continued;
    tally.taken_over += run.tally().taken_over;
    tally.ended += run.tally().ended;
    tally.folded += run.tally().folded;
    tally.dropped += run.tally().dropped;
    tally.overridden += run.tally().overridden;
    tally.relabelled += run.tally().relabelled;
    limited += run.most().at("limited");
    restored += run.restored();
  }
  // Whether the runs have met what they are for.
  EXPECT_GT(tally.taken_over, 30u);
  EXPECT_GT(tally.ended, 8u);
  // A restart leaves no registries behind which requests of before still use.
  EXPECT_GT(tally.continued, scenario.restarts ? 50u : 100u);
  EXPECT_GT(tally.lost, scenario.restarts ? 20u : 50u);
  EXPECT_EQ(restored > 500, scenario.restarts);
  EXPECT_EQ(limited > 500, scenario.series_limits);
  EXPECT_EQ(tally.folded > 500, scenario.label_limits);
  EXPECT_EQ(tally.dropped > 30, scenario.relabelling);
  EXPECT_EQ(tally.overridden > 30, scenario.relabelling && scenario.external_labels);
  EXPECT_EQ(tally.relabelled > 500, scenario.relabelling);
}

INSTANTIATE_TEST_SUITE_P(
    Scenarios, RegistryReloadModelTest,
    ::testing::Values(
        Scenario{.name = "families_and_their_order"},
        Scenario{.name = "series_and_entity_limits", .series_limits = true},
        Scenario{.name = "label_limits", .label_limits = true},
        Scenario{.name = "external_labels", .external_labels = true},
        Scenario{.name = "histograms_and_limits", .series_limits = true, .histograms = true},
        Scenario{.name = "relabelling", .relabelling = true},
        Scenario{.name = "relabelling_and_external_labels",
                 .relabelling = true,
                 .external_labels = true},
        Scenario{.name = "relabelling_and_limits", .series_limits = true, .relabelling = true},
        Scenario{.name = "relabelling_and_label_limits", .label_limits = true, .relabelling = true},
        Scenario{.name = "everything",
                 .series_limits = true,
                 .label_limits = true,
                 .relabelling = true,
                 .external_labels = true,
                 .histograms = true},
        Scenario{.name = "restarts", .restarts = true},
        Scenario{.name = "restarts_and_everything",
                 .series_limits = true,
                 .label_limits = true,
                 .relabelling = true,
                 .external_labels = true,
                 .histograms = true,
                 .restarts = true},
        Scenario{.name = "everything_with_equal_hashes",
                 .series_limits = true,
                 .label_limits = true,
                 .relabelling = true,
                 .external_labels = true,
                 .histograms = true,
                 .hash_mask = 0}),
    [](const auto& scenario) { return std::string(scenario.param.name); });

}  // namespace
}  // namespace spanmeter
