#include "admin/overview.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/log.h"

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::HasSubstr;

class OverviewTest : public ::testing::Test {
 protected:
  // A tenant of whom nothing was heard.
  TenantFacts Tenant(const std::string& name, uint64_t max_series = 0) {
    GeneratorOptions options;
    options.max_active_series = max_series;
    const Generator generator(name, options, &clock_, &logger_);
    return TenantFacts(generator);
  }
  Json Overview() { return OverviewJson(parts_, history_); }
  std::vector<std::string> Warnings() {
    std::vector<std::string> texts;
    const Json overview = Overview();
    for (const Json& warning : overview["warnings"]) {
      texts.push_back(warning["severity"].get<std::string>() + ": " +
                      warning["text"].get<std::string>());
    }
    return texts;
  }
  void Record() {
    clock_.Advance(History::kIntervalNanos);
    history_.Record(TotalsOf(parts_.tenants, parts_.requests, parts_.remote_write));
  }

  FakeClock clock_;
  const Logger logger_{LogOptions(), &clock_};
  History history_{&clock_};
  OverviewParts parts_;
};

TEST_F(OverviewTest, SumsUpTheTenants) {
  parts_.tenants = {Tenant("a"), Tenant("b")};
  parts_.tenants[0].totals = {100, 1000, 0, {{"filtered", "span-metrics", 3}, {"x", "all", 0}}};
  parts_.tenants[1].totals = {200, 2000, 0, {{"filtered", "span-metrics", 4}}};
  parts_.tenants[0].stats.active_series = 10;
  parts_.tenants[0].stats.series_demand = 15;
  parts_.tenants[1].stats.active_series = 20;
  parts_.tenants[1].stats.series_demand = 20;
  parts_.requests = {{"OK", 30}};
  clock_.Advance(10 * kNanosPerSecond);
  const Json json = Overview();
  EXPECT_EQ(json["tenants"], 2);
  EXPECT_EQ(json["series"], Json({{"active", 30}, {"limit", 0}, {"demand", 35}}));
  EXPECT_EQ(
      json["spans"],
      Json(
          {{"received", 300}, {"bytes", 3000}, {"per_second", 30.0}, {"bytes_per_second", 300.0}}));
  EXPECT_EQ(json["discarded"], Json::array({{{"reason", "filtered"},
                                             {"processor", "span-metrics"},
                                             {"spans", 7},
                                             {"per_second", 0.7}}}));
  EXPECT_EQ(json["requests"], Json::array({{{"code", "OK"}, {"count", 30}, {"per_second", 3.0}}}));
  EXPECT_EQ(TenantJson(parts_.tenants[1], history_)["spans_per_second"], 20);
}

TEST_F(OverviewTest, TheLimitIsTheSumOfEqualOnesAndUnknownWhereTheyDiffer) {
  parts_.tenants = {Tenant("a", 100), Tenant("b", 100)};
  EXPECT_EQ(Overview()["series"]["limit"], 200);
  EXPECT_EQ(Overview()["entities"]["limit"], 0);
  parts_.tenants.push_back(Tenant("c", 50));
  EXPECT_EQ(Overview()["series"]["limit"], nullptr);
}

TEST_F(OverviewTest, ALimitCountsOnlyWhereTheLimiterLooksAtIt) {
  TenantFacts tenant = Tenant("a", 100);
  tenant.options.limiter_type = LimiterType::kEntity;
  tenant.options.max_active_entities = 7;
  const Json json = TenantJson(tenant, history_);
  EXPECT_EQ(json["limiter"], "entity");
  EXPECT_EQ(json["series"]["limit"], 0);
  EXPECT_EQ(json["entities"]["limit"], 7);
}

TEST_F(OverviewTest, WarnsOfALimitAtEightyPercentAndWhenItIsReached) {
  parts_.tenants = {Tenant("a", 100)};
  RegistryStats& stats = parts_.tenants[0].stats;
  stats.active_series = stats.series_demand = 79;
  EXPECT_THAT(Warnings(), ::testing::IsEmpty());
  stats.active_series = stats.series_demand = 80;
  EXPECT_THAT(Warnings(), ::testing::ElementsAre(HasSubstr("warning: 80 % of the limit")));
  stats.active_series = 95;
  stats.series_demand = 250;
  EXPECT_THAT(Warnings(),
              ::testing::ElementsAre(HasSubstr("critical: the limit is reached: 95 series")));
  EXPECT_EQ(Overview()["warnings"][0]["tenant"], "a");
}

TEST_F(OverviewTest, WarnsOfSpansOutsideOfTheTimeRangeWhileTheyCome) {
  parts_.tenants = {Tenant("a")};
  GeneratorTotals& totals = parts_.tenants[0].totals;
  Record();
  totals.spans = 1000;
  totals.outside_time_range = 10;
  Record();
  EXPECT_THAT(Warnings(), ::testing::IsEmpty());  // not more than a hundredth
  totals.outside_time_range = 100;
  Record();
  EXPECT_THAT(Warnings(), ::testing::ElementsAre(HasSubstr("warning: 10 % of the spans end too")));
  for (int i = 0; i < 7; ++i) Record();
  EXPECT_THAT(Warnings(), ::testing::IsEmpty());
}

TEST_F(OverviewTest, WarnsOfPushingReloadingAndTheStorageTheCriticalFirst) {
  RemoteWriteStatus::Receiver receiver;
  receiver.name = "mimir";
  receiver.lag_seconds = 130;
  parts_.remote_write.receivers = {receiver};
  parts_.remote_write.has_storage = true;
  EXPECT_THAT(Warnings(), ::testing::ElementsAre("warning: pushing to mimir is 130 s behind: the "
                                                 "receiver is too slow, or was away"));
  parts_.remote_write.storage_up = false;
  parts_.remote_write.path = "/var/x";
  parts_.remote_write.storage_error = "no space";
  parts_.config.reload_success = false;
  parts_.config.reload_problem = "line 3 is wrong";
  EXPECT_THAT(Warnings(), ::testing::ElementsAre(HasSubstr("line 3 is wrong"), HasSubstr("/var/x"),
                                                 HasSubstr("warning: pushing to mimir")));
  parts_.remote_write.receivers[0].healthy = false;
  parts_.remote_write.receivers[0].last_error = "connection refused";
  EXPECT_THAT(Warnings(),
              ::testing::Contains("critical: pushing to mimir fails: connection refused"));
}

TEST_F(OverviewTest, WarnsOfBackendsThatFailOrFallBehind) {
  ForwardStatus::Receiver receiver;
  receiver.name = "tempo";
  receiver.queue_age_seconds = 60;
  parts_.forward.receivers = {receiver};
  EXPECT_THAT(Warnings(), ::testing::IsEmpty());
  parts_.forward.receivers[0].queue_age_seconds = 130;
  EXPECT_THAT(Warnings(), ::testing::ElementsAre("warning: passing spans on to tempo is 130 s "
                                                 "behind: the receiver is too slow, or was away"));
  parts_.forward.receivers[0].up = false;
  parts_.forward.receivers[0].last_error = "UNAVAILABLE";
  EXPECT_THAT(Warnings(),
              ::testing::ElementsAre("critical: passing spans on to tempo fails: UNAVAILABLE"));
}

TEST_F(OverviewTest, WarningsAreBounded) {
  for (int i = 0; i < 100; ++i) {
    parts_.tenants.push_back(Tenant("t" + std::to_string(i), 10));
    parts_.tenants.back().stats.series_demand = 20;
  }
  EXPECT_EQ(Warnings().size(), 50u);
}

TEST_F(OverviewTest, TheNewestTwentyScrapesAreShown) {
  for (int i = 0; i < 30; ++i) {
    parts_.scrapes.push_back({"/metrics", "text", (i * 7) % 30, 0.5, 100, "10.0.0.1"});
  }
  const Json scrapes = Overview()["scrapes"];
  ASSERT_EQ(scrapes.size(), 20u);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(scrapes[static_cast<size_t>(i)]["time_ms"], 29 - i);
}

TEST_F(OverviewTest, TheHistoryHasListsOfOneLength) {
  parts_.tenants = {Tenant("a")};
  for (int i = 0; i < 3; ++i) Record();
  const Json history = Overview()["history"];
  EXPECT_EQ(history["interval_seconds"], 10);
  for (const char* name : {"times_ms", "spans_per_second", "bytes_per_second", "active_series",
                           "discarded_per_second", "push_lag_seconds"}) {
    EXPECT_EQ(history[name].size(), 3u) << name;
  }
}

}  // namespace
}  // namespace spanmeter
