// What a registry tells about series that came to their end.

#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

constexpr int64_t kStaleNanos = 60 * kNanosPerSecond;

class RegistryEndedTest : public testing::Test {
 protected:
  RegistryEndedTest() {
    options_.stale_duration = kStaleNanos;
    registry_ = std::make_unique<Registry>(options_, &clock_);
    family_ = registry_->AddFamily(Family("a"));
  }

  static FamilyOptions Family(const std::string& label) {
    FamilyOptions family;
    family.labels = {{label, {}}};
    family.metrics = {{"calls_total", "", MetricType::kCounter, {}},
                      {"failed_total", "", MetricType::kCounter, {}}};
    return family;
  }

  void Count(const std::string& value, uint8_t metrics = 1) {
    batch_.Clear();
    batch_.BeginKey();
    batch_.AppendText(value);
    Update& update = batch_.Add(family_);
    update.metrics = metrics;
    update.values = {1, 1};
    registry_->Apply(&batch_);
  }

  std::vector<std::pair<std::string, int64_t>> Ended() {
    CollectingSink sink;
    EXPECT_TRUE(registry_->VisitEnded(&sink));
    return sink.ended();
  }

  int64_t NowMs() const { return clock_.WallNanos() / kNanosPerMilli; }

  FakeClock clock_;
  GeneratorOptions options_;
  std::unique_ptr<Registry> registry_;
  FamilyId family_ = 0;
  UpdateBatch batch_;
};

TEST_F(RegistryEndedTest, NothingIsKeptWithoutAReader) {
  Count("x");
  clock_.Advance(kStaleNanos);
  registry_->Expire();
  EXPECT_FALSE(registry_->HasEnded());
  EXPECT_THAT(Ended(), IsEmpty());
}

TEST_F(RegistryEndedTest, ExpiredSeriesAreShownOnceWithAllOfTheirMetrics) {
  registry_->KeepEnded(true);
  const int64_t born = NowMs();
  Count("x", 3);
  Count("y");
  clock_.Advance(kStaleNanos);
  EXPECT_THAT(Ended(), IsEmpty());
  registry_->Expire();
  EXPECT_TRUE(registry_->HasEnded());
  EXPECT_THAT(Ended(), UnorderedElementsAre(Pair("calls_total{a=\"x\"}", born),
                                            Pair("failed_total{a=\"x\"}", born),
                                            Pair("calls_total{a=\"y\"}", born)));
  EXPECT_FALSE(registry_->HasEnded());
  EXPECT_THAT(Ended(), IsEmpty());
}

TEST_F(RegistryEndedTest, ASeriesThatIsBornAgainHasEndedBefore) {
  registry_->KeepEnded(true);
  const int64_t born = NowMs();
  Count("x");
  clock_.Advance(kStaleNanos);
  Count("x");
  EXPECT_THAT(Ended(), UnorderedElementsAre(Pair("calls_total{a=\"x\"}", born)));
}

TEST_F(RegistryEndedTest, TheOverflowSeriesEndsToo) {
  options_.max_active_series = 1;
  registry_ = std::make_unique<Registry>(options_, &clock_);
  family_ = registry_->AddFamily(Family("a"));
  registry_->KeepEnded(true);
  Count("x");
  Count("y");
  clock_.Advance(kStaleNanos);
  registry_->Expire();
  EXPECT_THAT(Ended(), UnorderedElementsAre(
                           Pair("calls_total{a=\"x\"}", NowMs() - 60'000),
                           Pair("calls_total{metric_overflow=\"true\"}", NowMs() - 60'000)));
}

TEST_F(RegistryEndedTest, SeriesOfFamiliesThatAReloadEndsAreShownByItsRegistry) {
  registry_->KeepEnded(true);
  Count("x");
  auto next = std::make_unique<Registry>(options_, registry_.get());
  next->AddFamily(Family("b"));
  next->EndOtherFamilies();
  registry_ = std::move(next);
  EXPECT_THAT(Ended(), UnorderedElementsAre(Pair("calls_total{a=\"x\"}", NowMs())));
}

TEST_F(RegistryEndedTest, WhatNobodyWantsAnyMoreIsForgotten) {
  registry_->KeepEnded(true);
  Count("x");
  clock_.Advance(kStaleNanos);
  registry_->Expire();
  registry_->KeepEnded(false);
  EXPECT_FALSE(registry_->HasEnded());
}

}  // namespace
}  // namespace spanmeter
