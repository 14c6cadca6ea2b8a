// Reading while others write: what a visit promises about instants and memory.

#include <string>

#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "registry/interrupting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

constexpr char kTraceId[] = "0123456789abcdef";

class RegistryVisitTest : public ::testing::Test {
 protected:
  void Create(GeneratorOptions options = {}) {
    options.stale_duration = 60 * kNanosPerSecond;
    registry_ = std::make_unique<Registry>(options, &clock_);
    FamilyOptions family;
    family.labels = {{"a", {}}};
    family.metrics = {{"latency", "", MetricType::kHistogram, {1}},
                      {"calls_total", "", MetricType::kCounter, {}},
                      {"client", "", MetricType::kHistogram, {1, 2}},
                      {"failed_total", "", MetricType::kCounter, {}}};
    family_ = registry_->AddFamily(family);
  }
  void Count(int from, int to, uint8_t metrics = 7) {
    for (int i = from; i < to; ++i) {
      batch_.BeginKey();
      batch_.AppendText("k" + std::to_string(i));
      Update& update = batch_.Add(family_);
      update.metrics = metrics;
      update.values = {0.5, 1, 1.5, 1};
      update.trace_id = kTraceId;
    }
    registry_->Apply(&batch_);
    batch_.Clear();
  }
  static void ExpectConsistent(const CollectingSink& sink) {
    const auto& calls = sink.metrics().at("calls_total");
    const auto& client = sink.metrics().at("client");
    EXPECT_EQ(calls.size(), sink.metrics().at("latency").size());
    EXPECT_EQ(client.size(), calls.size());
    for (const auto& [labels, latency] : sink.metrics().at("latency")) {
      ASSERT_TRUE(calls.contains(labels)) << labels;
      EXPECT_EQ(calls.at(labels).value, latency.count()) << labels;
      EXPECT_EQ(client.at(labels).count(), latency.count()) << labels;
      EXPECT_EQ(latency.value, 0.5 * latency.count()) << labels;
    }
    EXPECT_TRUE(sink.repeated().empty());
  }

  FakeClock clock_;
  std::unique_ptr<Registry> registry_;
  FamilyId family_ = 0;
  UpdateBatch batch_;
};

TEST_F(RegistryVisitTest, TheMetricsOfALabelSetBelongToOneInstant) {
  Create();
  Count(0, 1000);
  int samples = 0;
  InterruptingSink sink([&](const std::string&) {
    if (++samples % 50 == 0) Count(0, 1000);
    return true;
  });
  EXPECT_TRUE(registry_->Visit(&sink));
  ExpectConsistent(sink.collected);
}

TEST_F(RegistryVisitTest, BirthsDuringAVisitAreWholeOrAbsent) {
  Create();
  Count(0, 300);
  int samples = 0;
  InterruptingSink sink([&](const std::string&) {
    if (++samples <= 100) Count(300 + samples * 10, 310 + samples * 10);
    return true;
  });
  EXPECT_TRUE(registry_->Visit(&sink));
  ExpectConsistent(sink.collected);
  EXPECT_GE(sink.collected.metrics().at("latency").size(), 300u);
}

TEST_F(RegistryVisitTest, SeriesThatExpireDuringAVisitStayInIt) {
  Create();
  Count(0, 1000);
  int samples = 0;
  InterruptingSink sink([&](const std::string&) {
    if (++samples == 10) {
      clock_.Advance(3600 * kNanosPerSecond);
      registry_->Expire();
      Count(2000, 3000);  // takes the places of what was removed
    }
    return true;
  });
  EXPECT_TRUE(registry_->Visit(&sink));
  ExpectConsistent(sink.collected);
  EXPECT_EQ(registry_->GetStats().active_entities, 1000u);
  CollectingSink after;
  EXPECT_TRUE(registry_->Visit(&after));
  EXPECT_EQ(after.metrics().at("calls_total").size(), 1000u);
  EXPECT_NE(after.Find("calls_total", R"(a="k2000")"), nullptr);
}

TEST_F(RegistryVisitTest, AMetricThatJoinsDuringAVisitWaitsForTheNext) {
  Create();
  Count(0, 10);
  int samples = 0;
  InterruptingSink sink([&](const std::string&) {
    if (++samples == 10) Count(0, 10, 15);
    return true;
  });
  EXPECT_TRUE(registry_->Visit(&sink));
  EXPECT_FALSE(sink.collected.metrics().contains("failed_total"));
  CollectingSink after;
  EXPECT_TRUE(registry_->Visit(&after));
  EXPECT_EQ(after.metrics().at("failed_total").size(), 10u);
}

TEST_F(RegistryVisitTest, ExemplarsOfASecondHistogramBelongToCountedObservations) {
  Create();
  Count(0, 5);
  InterruptingSink sink([&](const std::string& metric) {
    if (metric != "calls_total") return true;
    // Observations in a bucket that the visit has already noted as empty.
    batch_.BeginKey();
    batch_.AppendText("k1");
    Update& update = batch_.Add(family_);
    update.metrics = 4;
    update.values[2] = 9;
    update.trace_id = kTraceId;
    registry_->Apply(&batch_);
    batch_.Clear();
    return true;
  });
  EXPECT_TRUE(registry_->Visit(&sink));
  for (const auto& [labels, series] : sink.collected.metrics().at("client")) {
    ASSERT_EQ(series.exemplars.size(), 1u) << labels;
    EXPECT_EQ(series.exemplars[0].bucket, 1u);
  }
}

TEST_F(RegistryVisitTest, TheOverflowSeriesBelongsToTheSameInstant) {
  GeneratorOptions options;
  options.max_active_series = 1;
  Create(options);
  Count(0, 10);
  InterruptingSink sink([&](const std::string&) {
    Count(0, 10);
    return true;
  });
  EXPECT_TRUE(registry_->Visit(&sink));
  ExpectConsistent(sink.collected);
  EXPECT_EQ(sink.collected.Find("calls_total", R"(metric_overflow="true")")->value, 10);
}

TEST_F(RegistryVisitTest, ASinkThatGoesAwayEndsTheVisit) {
  Create();
  Count(0, 100);
  for (const std::string gone_at : {"latency", "calls_total", "client"}) {
    int samples = 0;
    InterruptingSink sink([&](const std::string& metric) {
      ++samples;
      return metric != gone_at;
    });
    EXPECT_FALSE(registry_->Visit(&sink));
    EXPECT_EQ(samples % 100, 1) << gone_at;
  }
}

}  // namespace
}  // namespace spanmeter
