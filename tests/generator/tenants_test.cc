#include "spanmeter/tenants.h"

#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "generator/send_spans.h"
#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;
using testing::SendSpans;
using testing::TestSpan;
using Refusal = Tenants::Refusal;

class TenantsTest : public ::testing::Test {
 protected:
  TenantsTest() {
    log_options_.level = LogLevel::kError;
    logger_ = std::make_unique<Logger>(log_options_, &clock_);
    options_.tenancy.enabled = true;
    options_.generator.inject_tenant_id_as = "tenant";
    options_.generator.ingestion_time_range_slack = 0;
    options_.generator.processors = {true, false, false, false, false, false, false};
  }

  void Create() {
    tenants_ = std::make_unique<Tenants>(options_, &clock_, logger_.get(), &metrics_);
  }
  Refusal RefusalOf(const std::vector<std::string_view>& ids) {
    const Tenants::Found found = tenants_->Find(ids);
    EXPECT_EQ(found.generator == nullptr, found.refusal != Refusal::kNone);
    EXPECT_EQ(found.message.empty(), found.refusal == Refusal::kNone);
    return found.refusal;
  }
  // Sends a span with this name.
  void Send(std::string_view tenant, const std::string& name) {
    const Tenants::Found found = tenants_->Find({tenant});
    ASSERT_NE(found.generator, nullptr) << found.message;
    TestSpan span;
    span.name = name;
    SendSpans(found.generator.get(), {{{{"service.name", "s"}}, {span}}});
  }

  // The calls by "tenant/span_name", of one tenant or all.
  std::map<std::string, double> Calls(const std::string& tenant = "") {
    CollectingSink sink;
    EXPECT_TRUE(tenant.empty() ? tenants_->Visit(&sink) : tenants_->Visit(tenant, &sink));
    EXPECT_THAT(sink.repeated(), IsEmpty());
    std::map<std::string, double> calls;
    const auto found = sink.metrics().find("traces_spanmetrics_calls_total");
    if (found == sink.metrics().end()) return calls;
    for (const auto& [labels, series] : found->second) {
      calls[LabelOf(labels, "tenant") + "/" + LabelOf(labels, "span_name")] = series.value;
    }
    return calls;
  }
  static std::string LabelOf(const std::string& labels, const std::string& name) {
    const size_t begin = labels.find(name + "=\"");
    if (begin == std::string::npos) return "";
    const size_t value = begin + name.size() + 2;
    return labels.substr(value, labels.find('"', value) - value);
  }
  // A metric about spanmeter by the value of one label; "" when it has none.
  std::map<std::string, double> Self(const std::string& name, const std::string& label) {
    std::map<std::string, double> values;
    for (const prometheus::MetricFamily& family : metrics_.Collect()) {
      if (family.name != name) continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        std::string value;
        for (const auto& l : metric.label) value = l.name == label ? l.value : value;
        values[value] = metric.counter.value + metric.gauge.value;
      }
    }
    return values;
  }

  FakeClock clock_;
  LogOptions log_options_;
  std::unique_ptr<Logger> logger_;
  Options options_;
  SelfMetrics metrics_;
  std::unique_ptr<Tenants> tenants_;
};

TEST_F(TenantsTest, WithoutTenancyEverythingIsOneTenant) {
  options_.tenancy.enabled = false;
  options_.generator.inject_tenant_id_as.clear();
  Create();
  EXPECT_TRUE(tenants_->Has(kSingleTenant));
  const Generator* generator = tenants_->Find({}).generator.get();
  EXPECT_EQ(generator->tenant(), kSingleTenant);
  EXPECT_EQ(tenants_->Find({"any/thing", "x"}).generator.get(), generator);
  EXPECT_FALSE(tenants_->Has("x"));
  EXPECT_THAT(Self("spanmeter_tenants", ""), ElementsAre(Pair("", 1)));
}

TEST_F(TenantsTest, ARequestMustNameExactlyOneValidTenant) {
  Create();
  EXPECT_EQ(RefusalOf({}), Refusal::kMissing);
  EXPECT_EQ(RefusalOf({"a", "a"}), Refusal::kInvalid);
  for (const char* id : {"", ".", "..", "a/b", "a b", "\xc3\xa9", "a|b"}) {
    EXPECT_EQ(RefusalOf({id}), Refusal::kInvalid) << id;
  }
  EXPECT_EQ(RefusalOf({std::string(151, 'x')}), Refusal::kInvalid);
  EXPECT_EQ(RefusalOf({std::string(150, 'x')}), Refusal::kNone);
  EXPECT_EQ(RefusalOf({"Az09!._*'()-"}), Refusal::kNone);
  EXPECT_EQ(RefusalOf({"..."}), Refusal::kNone);
  EXPECT_THAT(Self("spanmeter_tenant_refusals_total", "reason"),
              ElementsAre(Pair("invalid", 9), Pair("missing", 1), Pair("too_many", 0)));
}

TEST_F(TenantsTest, EachHasItsOwnSeriesWithItsLabel) {
  Create();
  Send("a", "x");
  Send("b", "x");
  Send("b", "y");
  EXPECT_THAT(Calls(), ElementsAre(Pair("a/x", 1), Pair("b/x", 1), Pair("b/y", 1)));
  EXPECT_THAT(Calls("b"), ElementsAre(Pair("b/x", 1), Pair("b/y", 1)));
  EXPECT_THAT(Calls("nobody"), IsEmpty());
  EXPECT_THAT(Self("spanmeter_spans_received_total", "tenant"),
              ElementsAre(Pair("a", 1), Pair("b", 2)));
}

TEST_F(TenantsTest, OneAtItsLimitChangesNothingForOthers) {
  options_.generator.max_active_series = 1;
  Create();
  for (const char* name : {"1", "2", "3"}) Send("loud", name);
  Send("quiet", "1");
  EXPECT_THAT(Calls(), ElementsAre(Pair("loud/", 2), Pair("loud/1", 1), Pair("quiet/1", 1)));
  EXPECT_THAT(Self("spanmeter_registry_updates_limited_total", "tenant"),
              ElementsAre(Pair("loud", 2), Pair("quiet", 0)));
}

TEST_F(TenantsTest, ATableOfItsOwnCountsForATenant) {
  options_.tenants["special"] = options_.generator;
  options_.tenants["special"].inject_tenant_id_as = "org";
  Create();
  EXPECT_TRUE(tenants_->Has("special")) << "it may be scraped before its first request";
  EXPECT_FALSE(tenants_->Has("other"));
  Send("special", "x");
  Send("other", "x");
  EXPECT_TRUE(tenants_->Has("other"));
  CollectingSink sink;
  tenants_->Visit(&sink);
  std::string all;
  for (const auto& [labels, series] : sink.metrics().at("traces_spanmetrics_calls_total")) {
    all += labels + "\n";
  }
  EXPECT_THAT(all, HasSubstr(R"(org="special")"));
  EXPECT_THAT(all, HasSubstr(R"(tenant="other")"));
}

TEST_F(TenantsTest, InventedTenantsAreRefusedWhenAllPlacesAreTaken) {
  options_.tenancy.max_tenants = 2;
  Create();
  EXPECT_EQ(RefusalOf({"a"}), Refusal::kNone);
  EXPECT_EQ(RefusalOf({"b"}), Refusal::kNone);
  EXPECT_EQ(RefusalOf({"c"}), Refusal::kTooMany);
  EXPECT_THAT(tenants_->Find({"c"}).message, HasSubstr("max_tenants = 2"));
  EXPECT_EQ(RefusalOf({"a"}), Refusal::kNone);
  EXPECT_EQ(RefusalOf({"not/valid"}), Refusal::kInvalid);
  EXPECT_THAT(Self("spanmeter_max_tenants", ""), ElementsAre(Pair("", 2)));
}

TEST_F(TenantsTest, ATenantWithoutSeriesAndRequestsMakesRoom) {
  options_.tenancy.max_tenants = 1;
  options_.generator.stale_duration = 60 * kNanosPerSecond;
  Create();
  Send("a", "x");
  clock_.Advance(59 * kNanosPerSecond);
  tenants_->Maintain();
  EXPECT_TRUE(tenants_->Has("a"));
  clock_.Advance(10 * kNanosPerSecond);
  {
    const Tenants::Found in_use = tenants_->Find({"a"});
    tenants_->Maintain();
    EXPECT_TRUE(tenants_->Has("a")) << "a request has it";
  }
  EXPECT_EQ(RefusalOf({"b"}), Refusal::kTooMany);
  clock_.Advance(60 * kNanosPerSecond);
  tenants_->Maintain();
  EXPECT_FALSE(tenants_->Has("a"));
  EXPECT_EQ(RefusalOf({"b"}), Refusal::kNone);
  EXPECT_THAT(Self("spanmeter_spans_received_total", "tenant"), Not(Contains(Pair("a", 1))));
}

TEST_F(TenantsTest, ATenantStaysAsLongAsASideMayWaitForItsCounterpart) {
  options_.generator.stale_duration = kNanosPerSecond;
  options_.generator.service_graphs.wait = 60 * kNanosPerSecond;
  Create();
  Send("a", "x");
  clock_.Advance(60 * kNanosPerSecond);
  tenants_->Maintain();
  EXPECT_TRUE(tenants_->Has("a"));
  clock_.Advance(2 * kNanosPerSecond);
  tenants_->Maintain();
  EXPECT_FALSE(tenants_->Has("a"));
}

TEST_F(TenantsTest, AReloadReachesTenantsThatAreThereAndThoseThatCome) {
  Create();
  Send("a", "x");
  Send("b", "x");
  Options changed = options_;
  changed.tenancy.max_tenants = 2;
  changed.generator.max_active_series = 1;
  changed.tenants["b"] = changed.generator;
  changed.tenants["b"].max_active_series = 0;
  changed.tenants["b"].span_metrics.intrinsic_dimensions.span_kind = false;
  EXPECT_THAT(tenants_->Reload(changed), ElementsAre("b/traces_spanmetrics_calls_total"));
  for (const char* name : {"x", "y"}) {
    Send("a", name);
    Send("b", name);
  }
  EXPECT_THAT(Calls(), ElementsAre(Pair("a/", 1), Pair("a/x", 2), Pair("b/x", 1), Pair("b/y", 1)));
  EXPECT_EQ(RefusalOf({"c"}), Refusal::kTooMany);
  // The table of b is gone again.
  changed.tenants.clear();
  EXPECT_THAT(tenants_->Reload(changed), ElementsAre("b/traces_spanmetrics_calls_total"));
}

TEST_F(TenantsTest, MaintenanceFollowsTheShortestStaleDuration) {
  options_.generator.stale_duration = 900 * kNanosPerSecond;
  Create();
  EXPECT_EQ(tenants_->MaintenanceIntervalNanos(), 500 * kNanosPerMilli);
  options_.tenants["short"] = options_.generator;
  options_.tenants["short"].stale_duration = 2 * kNanosPerSecond;
  tenants_->Reload(options_);
  EXPECT_EQ(tenants_->MaintenanceIntervalNanos(), 100 * kNanosPerMilli);
}

TEST_F(TenantsTest, GetFindsTheTenantsThatAreThereAndMakesNone) {
  options_.tenants["configured"] = options_.generator;
  Create();
  Send("a", "x");
  ASSERT_NE(tenants_->Get("a"), nullptr);
  EXPECT_EQ(tenants_->Get("a")->tenant(), "a");
  EXPECT_EQ(tenants_->Get("configured"), nullptr);
  EXPECT_EQ(tenants_->Get(""), nullptr);
  EXPECT_EQ(tenants_->All().size(), 1u);
}

}  // namespace
}  // namespace spanmeter
