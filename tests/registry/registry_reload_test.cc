// Registries that follow each other, and the limit of values per label.

#include <functional>
#include <map>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::string_view kKinds[] = {"ZERO", "ONE"};

// Does something in the middle of a visit.
class ReloadingSink final : public SampleSink {
 public:
  explicit ReloadingSink(std::function<void()> reload) : reload_(std::move(reload)) {}

  bool BeginMetric(const MetricInfo&) override {
    reload_();
    return true;
  }
  bool Number(std::string_view, double, int64_t) override { return true; }
  bool Histogram(std::string_view labels, const HistogramPoint&, int64_t) override {
    labels_ = labels;
    return true;
  }
  const std::string& labels() const { return labels_; }

 private:
  const std::function<void()> reload_;
  std::string labels_;
};

class RegistryReloadTest : public ::testing::Test {
 protected:
  RegistryReloadTest() { options_.stale_duration = 60 * kNanosPerSecond; }

  static FamilyOptions Calls() {
    FamilyOptions calls;
    calls.labels = {{"a", {}}, {"kind", kKinds}};
    calls.metrics = {{"calls_total", "Calls.", MetricType::kCounter, {}}};
    return calls;
  }
  static FamilyOptions Latency(double bound) {
    FamilyOptions latency;
    latency.labels = {{"a", {}}};
    latency.metrics = {{"latency", "Latency.", MetricType::kHistogram, {bound}}};
    return latency;
  }
  static FamilyOptions Info() {
    FamilyOptions info;
    info.own_labels = true;
    info.metrics = {{"info", "Info.", MetricType::kGauge, {}}};
    info.metrics[0].info = true;
    return info;
  }

  void Create() {
    registry_ = std::make_unique<Registry>(options_, &clock_);
    AddFamilies(1, registry_.get());
  }
  // Replaces the registry by one with the options of now; returns the metrics that begin anew.
  std::vector<std::string> Reload(double bound = 1) {
    auto next = std::make_unique<Registry>(options_, registry_.get());
    AddFamilies(bound, next.get());
    std::vector<std::string> ended = next->EndOtherFamilies();
    previous_ = std::move(registry_);
    registry_ = std::move(next);
    return ended;
  }
  void AddFamilies(double bound, Registry* registry) {
    calls_ = registry->AddFamily(Calls());
    latency_ = registry->AddFamily(Latency(bound));
    info_ = registry->AddFamily(Info());
  }

  void Call(const std::string& a, int32_t kind = 0, Registry* registry = nullptr) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText(a);
    batch.AppendEnum(kind);
    Update& update = batch.Add(calls_);
    update.metrics = 1;
    update.values = {1};
    (registry == nullptr ? registry_.get() : registry)->Apply(&batch);
  }
  void Observe(const std::string& a, Registry* registry = nullptr) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText(a);
    Update& update = batch.Add(latency_);
    update.metrics = 1;
    update.values = {0.5};
    (registry == nullptr ? registry_.get() : registry)->Apply(&batch);
  }
  void SetInfo(const std::string& value) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText("a");
    batch.AppendText(value);
    Update& update = batch.Add(info_);
    update.metrics = 1;
    update.values = {1};
    registry_->Apply(&batch);
  }

  // The value (for histograms the sum) of each series, by labels.
  std::map<std::string, double> Values(const std::string& metric) {
    CollectingSink sink;
    EXPECT_TRUE(registry_->Visit(&sink));
    EXPECT_THAT(sink.repeated(), IsEmpty());
    std::map<std::string, double> values;
    const auto found = sink.metrics().find(metric);
    if (found == sink.metrics().end()) return values;
    for (const auto& [labels, series] : found->second) values[labels] = series.value;
    return values;
  }

  static constexpr int64_t kSecond = kNanosPerSecond;
  using Map = std::map<std::string, double>;

  FakeClock clock_;
  GeneratorOptions options_;
  std::unique_ptr<Registry> previous_;
  std::unique_ptr<Registry> registry_;
  FamilyId calls_ = 0;
  FamilyId latency_ = 0;
  FamilyId info_ = 0;
};

TEST_F(RegistryReloadTest, KeepsTheSeriesOfFamiliesThatStayTheSame) {
  Create();
  Call("x");
  Observe("x");
  options_.max_active_series = 1'000;
  options_.trace_id_label_name = "other";
  EXPECT_THAT(Reload(), IsEmpty());
  Call("x");
  EXPECT_EQ(Values("calls_total"), (Map{{R"(a="x",kind="ZERO")", 2}}));
  EXPECT_EQ(Values("latency"), (Map{{R"(a="x")", 0.5}}));
}

TEST_F(RegistryReloadTest, BeginsAnewWhereTheBucketsChange) {
  Create();
  Call("x");
  Observe("x");
  EXPECT_THAT(Reload(2), ElementsAre("latency"));
  EXPECT_EQ(Values("calls_total").size(), 1u);
  EXPECT_THAT(Values("latency"), IsEmpty());
  EXPECT_EQ(registry_->GetStats().active_series, 1u) << "those that ended are not counted";
  Observe("x");
  EXPECT_EQ(Values("latency"), (Map{{R"(a="x")", 0.5}}));
}

TEST_F(RegistryReloadTest, BeginsAnewWhereExternalLabelsOrRelabellingChange) {
  Create();
  Call("x");
  SetInfo("y");
  options_.external_labels["cluster"] = "c";
  EXPECT_THAT(Reload(), ElementsAre("calls_total", "latency", "info"));
  Call("x");
  EXPECT_EQ(Values("calls_total"), (Map{{R"(a="x",cluster="c",kind="ZERO")", 1}}));
  options_.external_labels["nothing"] = "";
  EXPECT_THAT(Reload(), IsEmpty()) << "an empty value is no label";
}

TEST_F(RegistryReloadTest, RequestsOfBeforeStillCountWhereTheFamilyGoesOn) {
  Create();
  Call("x");
  Reload(2);
  Call("x", 0, previous_.get());
  EXPECT_EQ(Values("calls_total"), (Map{{R"(a="x",kind="ZERO")", 2}}));
}

TEST_F(RegistryReloadTest, RequestsOfBeforeLeaveNothingInAFamilyThatEnded) {
  Create();
  Observe("x");
  options_.max_active_series = 10;
  Reload(2);
  for (const char* a : {"x", "y", "z"}) Observe(a, previous_.get());
  EXPECT_EQ(registry_->GetStats().active_series, 0u);
  CollectingSink sink;
  previous_->Visit(&sink);
  EXPECT_THAT(sink.metrics(), IsEmpty());
}

TEST_F(RegistryReloadTest, AVisitOfBeforeMayGoOnAfterItsSeriesEnded) {
  Create();
  Observe("x");

  ReloadingSink sink([this] {
    Reload(2);
    registry_->Expire();
  });
  Registry* const visited = registry_.get();
  EXPECT_TRUE(visited->Visit(&sink));
  EXPECT_EQ(sink.labels(), R"(a="x")");
  previous_.reset();
  registry_->Expire();
}

TEST_F(RegistryReloadTest, NewLimitsHoldAtOnceForWhatIsNew) {
  Create();
  for (const char* a : {"1", "2", "3"}) Call(a);
  options_.max_active_series = 2;
  Reload();
  Call("1");
  Call("4");
  EXPECT_EQ(Values("calls_total"), (Map{{R"(a="1",kind="ZERO")", 2},
                                        {R"(a="2",kind="ZERO")", 1},
                                        {R"(a="3",kind="ZERO")", 1},
                                        {R"(metric_overflow="true")", 1}}));
  options_.max_active_series = 4;
  Reload();
  Call("4");
  EXPECT_EQ(Values("calls_total").at(R"(a="4",kind="ZERO")"), 1);
}

TEST_F(RegistryReloadTest, AnotherStaleDurationHoldsForWhatIsThere) {
  Create();
  Call("x");
  clock_.Advance(10 * kSecond);
  options_.stale_duration = 10 * kSecond;
  Reload();
  EXPECT_THAT(Values("calls_total"), IsEmpty());
}

TEST_F(RegistryReloadTest, ValuesWithoutAPlaceAreFoldedAndTheOtherLabelsStay) {
  options_.max_cardinality_per_label = 2;
  Create();
  for (const char* a : {"1", "2", "3", "4", "1"}) Call(a, 1);
  Call("3", 0);
  Call("3", 7);  // the third kind
  EXPECT_EQ(Values("calls_total"),
            (Map{{R"(a="1",kind="ONE")", 2},
                 {R"(a="2",kind="ONE")", 1},
                 {R"(a="__cardinality_overflow__",kind="ONE")", 2},
                 {R"(a="__cardinality_overflow__",kind="ZERO")", 1},
                 {R"(a="__cardinality_overflow__",kind="__cardinality_overflow__")", 1}}));
  const RegistryStats stats = registry_->GetStats();
  EXPECT_EQ(stats.active_series, 5u);
  EXPECT_EQ(stats.updates_limited, 0u);
  ASSERT_EQ(stats.labels.size(), 2u);
  EXPECT_EQ(stats.labels[0].name, "a");
  EXPECT_EQ(stats.labels[0].values, 2u);
  EXPECT_EQ(stats.labels[0].refusals, 4u);
  EXPECT_EQ(stats.labels[0].demand, 4u);
}

TEST_F(RegistryReloadTest, FamiliesShareTheValuesOfALabelAndInfoMetricsDoNot) {
  options_.max_cardinality_per_label = 2;
  Create();
  SetInfo("i1");
  SetInfo("i2");
  SetInfo("i3");
  Call("1");
  Call("2");
  Observe("3");
  EXPECT_EQ(Values("info").size(), 3u);
  EXPECT_EQ(Values("latency"), (Map{{R"(a="__cardinality_overflow__")", 0.5}}));
}

TEST_F(RegistryReloadTest, AValueCountsAsSeenAlsoWhenItsLabelSetGoesToOverflow) {
  options_.max_cardinality_per_label = 1;
  options_.max_active_series = 1;
  Create();
  Call("1", 0);
  Call("1", 1);  // the kind is folded, and the label set does not fit
  clock_.Advance(59 * kSecond);
  Call("1", 1);
  clock_.Advance(59 * kSecond);
  registry_->Expire();
  EXPECT_THAT(Values("calls_total"), ElementsAre(testing::Pair(R"(metric_overflow="true")", 2)));
  Call("2", 0);
  EXPECT_EQ(Values("calls_total").count(R"(a="__cardinality_overflow__",kind="ZERO")"), 1u)
      << "1 was seen within the minute and keeps the only place";
}

TEST_F(RegistryReloadTest, AStaleValueMakesRoom) {
  options_.max_cardinality_per_label = 1;
  Create();
  Call("1");
  clock_.Advance(60 * kSecond);
  registry_->Expire();
  Call("2");
  EXPECT_EQ(Values("calls_total"), (Map{{R"(a="2",kind="ZERO")", 1}}));
}

TEST_F(RegistryReloadTest, ALimitOfValuesThatComesLaterKnowsWhatLives) {
  Create();
  for (const char* a : {"1", "2", "3"}) Call(a);
  options_.max_cardinality_per_label = 2;
  Reload();
  Call("3");
  Call("4");
  EXPECT_EQ(Values("calls_total").at(R"(a="3",kind="ZERO")"), 2);
  EXPECT_EQ(Values("calls_total").at(R"(a="__cardinality_overflow__",kind="ZERO")"), 1);
  EXPECT_EQ(registry_->GetStats().labels.at(0).values, 3u);
  options_.max_cardinality_per_label = 0;
  Reload();
  Call("5");
  EXPECT_EQ(Values("calls_total").count(R"(a="5",kind="ZERO")"), 1u);
  clock_.Advance(60 * kSecond);
  registry_->Expire();
  options_.max_cardinality_per_label = 1;
  Reload();
  EXPECT_THAT(registry_->GetStats().labels, IsEmpty());
}

TEST_F(RegistryReloadTest, ALimitOfValuesThatComesLaterKnowsWhenTheyWereSeen) {
  Create();
  Call("1");
  clock_.Advance(40 * kSecond);
  options_.max_cardinality_per_label = 1;
  Reload();
  clock_.Advance(20 * kSecond);
  registry_->Expire();
  EXPECT_THAT(registry_->GetStats().labels, IsEmpty());
  Call("2");
  EXPECT_EQ(Values("calls_total"), (Map{{R"(a="2",kind="ZERO")", 1}}));
}

}  // namespace
}  // namespace spanmeter
