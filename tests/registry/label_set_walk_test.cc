#include "spanmeter/label_set_walk.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class Visitor final : public LabelSetVisitor {
 public:
  bool BeginFamily(const WalkedFamily& family) override {
    families.push_back(family);
    return wants(family);
  }
  bool LabelSet(const WalkedLabelSet& label_set, LabelSetReader* reader) override {
    sets.push_back(label_set);
    return look(label_set, reader);
  }
  void Finish(LabelSetReader* reader) override {
    ++finished;
    for (const WalkedLabelSet& set : sets) {
      texts.emplace_back(set.labels);  // still valid
      LabelSetValues values;
      reader->Read(set, &values);
      all_values[std::string(set.labels)] = values;
    }
  }

  std::function<bool(const WalkedFamily&)> wants = [](const WalkedFamily&) { return true; };
  std::function<bool(const WalkedLabelSet&, LabelSetReader*)> look =
      [](const WalkedLabelSet&, LabelSetReader*) { return true; };
  std::vector<WalkedFamily> families;
  std::vector<WalkedLabelSet> sets;
  std::vector<std::string> texts;
  std::map<std::string, LabelSetValues> all_values;
  int finished = 0;
};

class LabelSetWalkTest : public ::testing::Test {
 protected:
  void Create(GeneratorOptions options = {}) {
    options.stale_duration = 60 * kNanosPerSecond;
    registry_ = std::make_unique<Registry>(options, &clock_);
    FamilyOptions family;
    family.labels = {{"a", {}}};
    family.metrics = {{"latency", "", MetricType::kHistogram, {1, 2}},
                      {"calls_total", "", MetricType::kCounter, {}},
                      {"failed_total", "", MetricType::kCounter, {}}};
    family.metrics[0].native = NativeHistogramOptions{0, 100, 0};
    family.metrics[2].joins = true;
    registry_->AddFamily(family);
    FamilyOptions info;
    info.labels = {{"b", {}}};
    info.metrics = {{"info", "", MetricType::kGauge, {}}};
    registry_->AddFamily(info);
  }
  void Count(const std::string& value, FamilyId family = 0, uint8_t metrics = 3) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText(value);
    Update& update = batch.Add(family);
    update.metrics = metrics;
    update.values = {1.5, 1, 1};
    registry_->Apply(&batch);
  }

  FakeClock clock_;
  std::unique_ptr<Registry> registry_;
};

TEST_F(LabelSetWalkTest, PresentsEachLabelSetOnceWithItsFacts) {
  Create();
  Count("x");
  clock_.Advance(5 * kNanosPerSecond);
  Count("x", 0, 7);
  Count("y", 1, 1);
  Visitor visitor;
  EXPECT_TRUE(registry_->Walk(WalkScope::kAll, &visitor));
  ASSERT_EQ(visitor.sets.size(), 2u);
  EXPECT_EQ(visitor.sets[0].labels, "a=\"x\"");
  EXPECT_EQ(visitor.sets[0].born_ms, FakeClock::kStartWallNanos / kNanosPerMilli);
  EXPECT_EQ(visitor.sets[0].last_update_nanos, clock_.MonotonicNanos());
  EXPECT_EQ(visitor.sets[0].present, 7);
  EXPECT_FALSE(visitor.sets[0].is_overflow);
  EXPECT_EQ(visitor.sets[1].labels, "b=\"y\"");
  EXPECT_EQ(visitor.sets[1].present, 1);
  EXPECT_EQ(visitor.finished, 1);
  ASSERT_EQ(visitor.families.size(), 2u);
  EXPECT_EQ(visitor.families[0].metrics[1].name, "calls_total");
  uint64_t series = 0;
  for (size_t i = 0; i < 3; ++i) series += visitor.families[0].series[i];
  EXPECT_EQ(series + visitor.families[1].series[0], registry_->GetStats().active_series);
}

TEST_F(LabelSetWalkTest, ReadsAllValuesOfALabelSet) {
  Create();
  Count("x");
  Count("x");
  Visitor visitor;
  registry_->Walk(WalkScope::kAll, &visitor);
  const LabelSetValues& values = visitor.all_values.at("a=\"x\"");
  ASSERT_EQ(values.metrics.size(), 3u);
  EXPECT_EQ(values.metrics[0].value, 3);
  EXPECT_THAT(values.metrics[0].counts, ElementsAre(0, 2, 0));
  EXPECT_TRUE(values.metrics[0].native);
  ASSERT_EQ(values.metrics[0].buckets.size(), 1u);
  EXPECT_EQ(values.metrics[0].buckets[0].index, 1);
  EXPECT_EQ(values.metrics[0].buckets[0].count, 2);
  EXPECT_EQ(values.metrics[1].value, 2);
  EXPECT_TRUE(values.metrics[1].counts.empty());
  EXPECT_FALSE(values.metrics[2].present);
}

TEST_F(LabelSetWalkTest, WhatIsStaleIsNotPresented) {
  Create();
  Count("x");
  clock_.Advance(30 * kNanosPerSecond);
  Count("y");
  clock_.Advance(30 * kNanosPerSecond);
  Visitor visitor;
  registry_->Walk(WalkScope::kAll, &visitor);
  EXPECT_THAT(visitor.texts, ElementsAre("a=\"y\""));
}

TEST_F(LabelSetWalkTest, FamiliesThatAreNotWantedArePassedOver) {
  Create();
  Count("x");
  Count("y", 1, 1);
  Visitor visitor;
  visitor.wants = [](const WalkedFamily& family) { return family.metrics[0].name == "info"; };
  EXPECT_TRUE(registry_->Walk(WalkScope::kAll, &visitor));
  EXPECT_THAT(visitor.texts, ElementsAre("b=\"y\""));
}

TEST_F(LabelSetWalkTest, OverflowSeriesCanBeHadAlone) {
  GeneratorOptions options;
  options.max_active_series = 1;
  options.generate_native_histograms = HistogramKind::kClassic;
  Create(options);
  Visitor none;
  registry_->Walk(WalkScope::kOverflow, &none);
  EXPECT_THAT(none.sets, IsEmpty());
  Count("x", 1, 1);
  Count("y");
  Visitor overflow;
  EXPECT_TRUE(registry_->Walk(WalkScope::kOverflow, &overflow));
  EXPECT_THAT(overflow.texts, ElementsAre("metric_overflow=\"true\""));
  EXPECT_TRUE(overflow.sets[0].is_overflow);
  EXPECT_EQ(overflow.all_values.begin()->second.metrics[1].value, 1);
  Visitor all;
  registry_->Walk(WalkScope::kAll, &all);
  EXPECT_EQ(all.sets.size(), 2u);
}

TEST_F(LabelSetWalkTest, AVisitorThatHasSeenEnoughEndsTheWalk) {
  Create();
  for (int i = 0; i < 200; ++i) Count(std::to_string(i));
  Visitor visitor;
  visitor.look = [&](const WalkedLabelSet&, LabelSetReader*) { return visitor.sets.size() < 10; };
  EXPECT_FALSE(registry_->Walk(WalkScope::kAll, &visitor));
  EXPECT_EQ(visitor.sets.size(), 10u);
  EXPECT_EQ(visitor.finished, 1);
}

TEST_F(LabelSetWalkTest, WhatExpiresDuringAWalkStaysValidToItsEnd) {
  Create();
  for (int i = 0; i < 200; ++i) Count(std::to_string(i));
  Visitor visitor;
  visitor.look = [&](const WalkedLabelSet&, LabelSetReader*) {
    if (visitor.sets.size() == 1) {
      clock_.Advance(60 * kNanosPerSecond);
      registry_->Expire();
    }
    return true;
  };
  registry_->Walk(WalkScope::kAll, &visitor);
  EXPECT_GE(visitor.texts.size(), 1u);
  for (const std::string& text : visitor.texts) EXPECT_EQ(text.substr(0, 3), "a=\"");
}

TEST_F(LabelSetWalkTest, WhatIsNotCollectedIsWalkedAllTheSame) {
  GeneratorOptions options;
  options.disable_collection = true;
  Create(options);
  Count("x");
  Visitor visitor;
  registry_->Walk(WalkScope::kAll, &visitor);
  EXPECT_THAT(visitor.texts, ElementsAre("a=\"x\""));
}

TEST_F(LabelSetWalkTest, WalksWhileOthersWriteAndExpire) {
  Create();
  for (int i = 0; i < 500; ++i) Count(std::to_string(i));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (int i = 0; !stop; ++i) {
      Count(std::to_string(i % 500), 0, (i % 3) == 0 ? 7 : 3);
      Count("once" + std::to_string(i));
      // Each label set that was counted once ends after a while; the 500 live on.
      if (i % 50 == 0) clock_.Advance(kNanosPerSecond);
      if (i % 500 == 0) registry_->Expire();
    }
  });
  size_t seen = 0;
  bool grew = false;
  while (seen < 50'000 || !grew) {
    Visitor visitor;
    EXPECT_TRUE(registry_->Walk(WalkScope::kAll, &visitor));
    seen += visitor.texts.size();
    grew = grew || visitor.texts.size() > 1'000;
    const std::set<std::string> distinct(visitor.texts.begin(), visitor.texts.end());
    EXPECT_EQ(distinct.size(), visitor.texts.size());
    for (int i = 0; i < 500; ++i) {
      EXPECT_TRUE(distinct.contains("a=\"" + std::to_string(i) + "\""));
    }
    for (const auto& [labels, values] : visitor.all_values) {
      double count = 0;
      for (const double c : values.metrics[0].counts) count += c;
      EXPECT_EQ(values.metrics[1].value, count);  // of one instant
      EXPECT_EQ(values.metrics[0].value, 1.5 * count);
    }
  }
  stop = true;
  writer.join();
}

}  // namespace
}  // namespace spanmeter
