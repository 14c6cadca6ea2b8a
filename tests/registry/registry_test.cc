#include "spanmeter/registry.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kTraceId[] = "0123456789abcdef";

// A registry with one family like that of span metrics (labels a and b; a histogram of one bound,
// so that a label set counts as 2 + 2 + 1 + 1 = 6 series), one of info metrics and one whose second
// metric comes into being later.
class RegistryTest : public ::testing::Test {
 protected:
  void Create(GeneratorOptions options = {}, uint64_t hash_mask = ~uint64_t{0}) {
    options.stale_duration = 60 * kNanosPerSecond;
    registry_ = std::make_unique<Registry>(options, &clock_, hash_mask);
    FamilyOptions main;
    main.labels = {{"a", {}}, {"b", {}}};
    main.metrics = {{"latency", "Latency.", MetricType::kHistogram, {1}},
                    {"calls_total", "Calls.", MetricType::kCounter, {}},
                    {"size_total", "Size.", MetricType::kCounter, {}}};
    main_ = registry_->AddFamily(main);
    FamilyOptions info;
    info.own_labels = true;
    info.metrics = {{"info", "Info.", MetricType::kGauge, {}}};
    info.metrics[0].info = true;
    info_ = registry_->AddFamily(info);
    FamilyOptions edge;
    edge.labels = {{"a", {}}, {"b", {}}};
    edge.metrics = {{"request_total", "Requests.", MetricType::kCounter, {}},
                    {"failed_total", "Failed.", MetricType::kCounter, {}}};
    edge_ = registry_->AddFamily(edge);
  }

  Update& Add(FamilyId family, const std::string& a, const std::string& b) {
    batch_.BeginKey();
    batch_.AppendText(a);
    batch_.AppendText(b);
    return batch_.Add(family);
  }
  void Span(const std::string& a, const std::string& b = "", double latency = 0.5,
            double weight = 1) {
    Update& update = Add(main_, a, b);
    update.metrics = 7;
    update.weight = weight;
    update.values = {latency, weight, 100};
    update.trace_id = kTraceId;
  }
  void Info(const std::string& name, const std::string& value) {
    Update& update = Add(info_, name, value);
    update.metrics = 1;
    update.values = {1};
  }
  void Edge(const std::string& a, const std::string& b, bool failed) {
    Update& update = Add(edge_, a, b);
    update.metrics = failed ? 3 : 1;
    update.values = {1, 1};
  }
  void Apply() {
    registry_->Apply(&batch_);
    batch_.Clear();
  }
  CollectingSink Read() {
    CollectingSink sink;
    EXPECT_TRUE(registry_->Visit(&sink));
    EXPECT_THAT(sink.repeated(), IsEmpty());
    return sink;
  }
  // calls_total of the series with these labels; -1 when there is none.
  double Calls(const std::string& labels) {
    const CollectingSink sink = Read();
    const CollectedSeries* series = sink.Find("calls_total", labels);
    return series == nullptr ? -1 : series->value;
  }
  static constexpr char kOverflow[] = R"(metric_overflow="true")";

  FakeClock clock_;
  std::unique_ptr<Registry> registry_;
  FamilyId main_ = 0;
  FamilyId info_ = 0;
  FamilyId edge_ = 0;
  UpdateBatch batch_;
};

TEST_F(RegistryTest, AnEmptyRegistryPresentsNothing) {
  Create();
  EXPECT_THAT(Read().metrics(), IsEmpty());
}

TEST_F(RegistryTest, UpdatesOfOneLabelSetAddUpWithinAndAcrossRequests) {
  Create();
  Span("x", "1", 0.5);
  Span("x", "1", 2);
  Span("x", "2");
  Apply();
  Span("x", "1", 1);
  Apply();
  const CollectingSink sink = Read();
  const CollectedSeries* latency = sink.Find("latency", R"(a="x",b="1")");
  ASSERT_NE(latency, nullptr);
  EXPECT_THAT(latency->cumulative, ElementsAre(2, 3));
  EXPECT_EQ(latency->value, 3.5);
  EXPECT_EQ(latency->created_ms, FakeClock::kStartWallNanos / kNanosPerMilli);
  EXPECT_EQ(sink.Find("calls_total", R"(a="x",b="1")")->value, 3);
  EXPECT_EQ(sink.Find("size_total", R"(a="x",b="1")")->value, 300);
  EXPECT_EQ(sink.Find("calls_total", R"(a="x",b="2")")->value, 1);
}

TEST_F(RegistryTest, EmptyValuesAreNoLabels) {
  Create();
  Span("", "");
  Span("", "y");
  Apply();
  EXPECT_EQ(Calls(""), 1);
  EXPECT_EQ(Calls(R"(b="y")"), 1);
}

TEST_F(RegistryTest, CollidingHashesKeepLabelSetsApart) {
  Create({}, 0);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 200; ++i) Span("k" + std::to_string(i));
    Apply();
  }
  const CollectingSink sink = Read();
  ASSERT_EQ(sink.metrics().at("calls_total").size(), 200u);
  for (const auto& [labels, series] : sink.metrics().at("calls_total")) {
    EXPECT_EQ(series.value, 3) << labels;
  }
}

TEST_F(RegistryTest, ExternalLabelsStandOnEverySeries) {
  GeneratorOptions options;
  options.external_labels = {{"region", "eu"}, {"none", ""}};
  options.max_active_series = 6;
  Create(options);
  Span("x");
  Span("y");
  Apply();
  EXPECT_EQ(Calls(R"(a="x",region="eu")"), 1);
  EXPECT_EQ(Calls(R"(metric_overflow="true",region="eu")"), 1);
}

TEST_F(RegistryTest, ALabelSetIsAdmittedWithAllOfItsSeriesOrNotAtAll) {
  GeneratorOptions options;
  options.max_active_series = 17;  // two label sets of six series, and five to spare
  Create(options);
  for (const char* a : {"x", "y", "z", "x", "z"}) Span(a);
  Apply();
  const CollectingSink sink = Read();
  for (const char* metric : {"calls_total", "latency", "size_total"}) {
    EXPECT_EQ(sink.metrics().at(metric).size(), 3u) << metric;
    EXPECT_NE(sink.Find(metric, R"(a="x")"), nullptr) << metric;
    EXPECT_NE(sink.Find(metric, R"(a="y")"), nullptr) << metric;
    EXPECT_NE(sink.Find(metric, kOverflow), nullptr) << metric;
  }
  EXPECT_EQ(sink.Find("calls_total", R"(a="x")")->value, 2);
  EXPECT_EQ(sink.Find("calls_total", kOverflow)->value, 2);
  EXPECT_EQ(sink.Find("latency", kOverflow)->count(), 2);
  const RegistryStats stats = registry_->GetStats();
  EXPECT_EQ(stats.active_series, 12u);
  EXPECT_EQ(stats.active_entities, 2u);
  EXPECT_EQ(stats.series_created, 12u);
  EXPECT_EQ(stats.updates_limited, 2u);
}

TEST_F(RegistryTest, WhichLabelSetsFitIsDecidedInTheOrderOfTheSpans) {
  GeneratorOptions options;
  options.max_active_series = 6 * 20;
  Create(options);
  for (int i = 0; i < 100; ++i) Span("k" + std::to_string(i));
  Apply();
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(Calls("a=\"k" + std::to_string(i) + "\""), i < 20 ? 1 : -1) << i;
  }
  EXPECT_EQ(Calls(kOverflow), 80);
}

TEST_F(RegistryTest, EntityModeCountsLabelSetsAcrossFamilies) {
  GeneratorOptions options;
  options.limiter_type = LimiterType::kEntity;
  options.max_active_series = 1;  // not in force
  options.max_active_entities = 2;
  Create(options);
  Span("x", "1");
  Edge("x", "1", false);  // the same entity
  Edge("y", "1", false);
  Span("y", "1");  // known, although the limit is reached
  Span("z", "1");
  Edge("z", "1", true);
  Apply();
  const CollectingSink sink = Read();
  EXPECT_EQ(sink.metrics().at("calls_total").size(), 3u);
  EXPECT_EQ(sink.Find("calls_total", kOverflow)->value, 1);
  EXPECT_EQ(sink.Find("request_total", kOverflow)->value, 1);
  EXPECT_EQ(sink.Find("failed_total", kOverflow)->value, 1);
  EXPECT_EQ(registry_->GetStats().active_entities, 2u);
}

TEST_F(RegistryTest, InfoMetricsAreLeftOutInsteadOfOverflowing) {
  GeneratorOptions options;
  options.max_active_series = 1;
  Create(options);
  Info("host", "1");
  Info("host", "2");
  Apply();
  const CollectingSink sink = Read();
  EXPECT_EQ(sink.metrics().at("info").size(), 1u);
  EXPECT_NE(sink.Find("info", R"(host="1")"), nullptr);
  EXPECT_EQ(registry_->GetStats().updates_limited, 1u);
}

TEST_F(RegistryTest, ALabelSetOfExcessiveLengthIsNotAdmitted) {
  Create();
  const std::string value(kMaxKeyBytes / 2 - 8, 'x');
  Span(value, value);
  Span(value, value + std::string(16, 'x'));
  Info(value, value + std::string(16, 'x'));
  Apply();
  EXPECT_EQ(Calls("a=\"" + value + "\",b=\"" + value + "\""), 1);
  EXPECT_EQ(Calls(kOverflow), 1);
  EXPECT_EQ(Read().metrics().count("info"), 0u);
  EXPECT_EQ(registry_->GetStats().updates_limited, 2u);
}

TEST_F(RegistryTest, AMetricThatJoinsLaterIsCreatedAndCountedPastTheLimit) {
  GeneratorOptions options;
  options.max_active_series = 1;
  Create(options);
  Edge("x", "y", false);
  Apply();
  EXPECT_EQ(Read().metrics().count("failed_total"), 0u);
  Edge("x", "y", true);
  Apply();
  EXPECT_EQ(Read().Find("failed_total", R"(a="x",b="y")")->value, 1);
  EXPECT_EQ(registry_->GetStats().active_series, 2u);
  EXPECT_EQ(registry_->GetStats().series_created, 2u);
}

TEST_F(RegistryTest, AMetricThatJoinsInTheRequestOfItsBirthIsCountedOnce) {
  Create();
  Edge("x", "y", false);
  Edge("x", "y", true);
  Apply();
  EXPECT_EQ(registry_->GetStats().active_series, 2u);
  EXPECT_EQ(Read().Find("request_total", R"(a="x",b="y")")->value, 2);
}

TEST_F(RegistryTest, WhatIsNotUpdatedForTheStaleDurationDisappears) {
  Create();
  Span("old");
  Span("kept");
  Apply();
  clock_.Advance(60 * kNanosPerSecond - 1);
  EXPECT_EQ(Calls(R"(a="old")"), 1);
  Span("kept");
  Apply();
  clock_.Advance(1);
  EXPECT_EQ(Calls(R"(a="old")"), -1) << "also before it was removed";
  EXPECT_EQ(Calls(R"(a="kept")"), 2);
  registry_->Expire();
  EXPECT_EQ(Calls(R"(a="kept")"), 2);
  EXPECT_EQ(registry_->GetStats().active_series, 6u);
  EXPECT_EQ(registry_->GetStats().active_entities, 1u);
  EXPECT_EQ(registry_->GetStats().series_expired, 6u);
}

TEST_F(RegistryTest, AnUpdateOfAnExpiredLabelSetBeginsANewOne) {
  Create();
  Span("x");
  Apply();
  clock_.Advance(60 * kNanosPerSecond);
  Span("x");
  Apply();
  const CollectingSink sink = Read();
  EXPECT_EQ(sink.Find("calls_total", R"(a="x")")->value, 1);
  EXPECT_EQ(sink.Find("calls_total", R"(a="x")")->created_ms, clock_.WallNanos() / kNanosPerMilli);
  EXPECT_EQ(registry_->GetStats().series_created, 12u);
  EXPECT_EQ(registry_->GetStats().series_expired, 6u);
}

TEST_F(RegistryTest, ExpiryMakesRoomAndOverflowExpiresToo) {
  GeneratorOptions options;
  options.max_active_series = 6;
  Create(options);
  Span("x");
  Span("y");
  Apply();
  EXPECT_EQ(Calls(kOverflow), 1);
  clock_.Advance(60 * kNanosPerSecond);
  EXPECT_THAT(Read().metrics(), IsEmpty());
  registry_->Expire();
  Span("y");
  Span("z");
  Apply();
  EXPECT_EQ(Calls(R"(a="y")"), 1);
  EXPECT_EQ(Calls(kOverflow), 1) << "begun anew";
}

TEST_F(RegistryTest, TheWallClockDoesNotExpireAnything) {
  Create();
  Span("x");
  Apply();
  clock_.SetWallNanos(clock_.WallNanos() + 3600 * kNanosPerSecond);
  registry_->Expire();
  EXPECT_EQ(Calls(R"(a="x")"), 1);
}

TEST_F(RegistryTest, DemandIsExactWithoutRefusalsAndEstimatedWithThem) {
  GeneratorOptions options;
  options.max_active_series = 6 * 100;
  Create(options);
  for (int i = 0; i < 100; ++i) Span("k" + std::to_string(i));
  Apply();
  EXPECT_EQ(registry_->GetStats().series_demand, 600u);
  EXPECT_EQ(registry_->GetStats().entity_demand, 100u);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 2100; ++i) Span("k" + std::to_string(i));
    Apply();
  }
  EXPECT_NEAR(static_cast<double>(registry_->GetStats().entity_demand), 2100, 2100 * 0.1);
  EXPECT_NEAR(static_cast<double>(registry_->GetStats().series_demand), 12'600, 12'600 * 0.1);
  clock_.Advance(76 * kNanosPerSecond);
  registry_->Expire();
  EXPECT_EQ(registry_->GetStats().entity_demand, 0u);
}

TEST_F(RegistryTest, DisabledCollectionCountsButPresentsNothing) {
  GeneratorOptions options;
  options.disable_collection = true;
  Create(options);
  Span("x");
  Apply();
  EXPECT_THAT(Read().metrics(), IsEmpty());
  EXPECT_EQ(registry_->GetStats().active_series, 6u);
}

TEST_F(RegistryTest, WeightsCountInCallsAndBuckets) {
  Create();
  Span("x", "", 0.5, 2.5);
  Apply();
  const CollectingSink sink = Read();
  EXPECT_EQ(sink.Find("calls_total", R"(a="x")")->value, 2.5);
  EXPECT_THAT(sink.Find("latency", R"(a="x")")->cumulative, ElementsAre(2.5, 2.5));
  EXPECT_EQ(sink.Find("latency", R"(a="x")")->value, 1.25);
  EXPECT_EQ(sink.Find("size_total", R"(a="x")")->value, 100);
}

TEST_F(RegistryTest, ExemplarsCarryTheTimeOfTheRequest) {
  Create();
  Span("x", "", 0.25);
  Apply();
  clock_.Advance(kNanosPerSecond);
  Span("x", "", 0.5);
  Apply();
  const CollectingSink sink = Read();
  const std::vector<Exemplar>& exemplars = sink.Find("latency", R"(a="x")")->exemplars;
  ASSERT_EQ(exemplars.size(), 1u);
  EXPECT_EQ(exemplars[0].value, 0.5);
  EXPECT_EQ(exemplars[0].timestamp_ms, clock_.WallNanos() / kNanosPerMilli);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(exemplars[0].trace_id), kTraceIdSize),
            kTraceId);
}

}  // namespace
}  // namespace spanmeter
