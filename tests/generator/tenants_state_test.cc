// What all tenants of a process hand on to the next one.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/state_stream.h"
#include "spanmeter/tenants.h"

#include "generator/send_spans.h"
#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"
#include "support/state_bytes.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::ReadFrom;
using testing::SendSpans;
using testing::StateBytes;
using testing::TestSpan;
using ::testing::UnorderedElementsAre;

class TenantsStateTest : public ::testing::Test {
 protected:
  TenantsStateTest() {
    log_options_.level = LogLevel::kError;
    logger_ = std::make_unique<Logger>(log_options_, &clock_);
    options_.tenancy.enabled = true;
    options_.generator.inject_tenant_id_as = "tenant";
    options_.generator.ingestion_time_range_slack = 0;
    options_.generator.processors.service_graphs_request = true;
    options_.generator.span_name_sanitization = SpanNameSanitization::kEnabled;
    Create();
  }

  void Create() {
    metrics_ = std::make_unique<SelfMetrics>();
    tenants_ = std::make_unique<Tenants>(options_, &clock_, logger_.get(), metrics_.get());
  }
  std::string Save() {
    return StateBytes(clock_, [this](StateWriter* writer) { tenants_->Save(writer); });
  }
  // The next process; returns what is wrong with the state.
  std::string Restore(const std::string& bytes) {
    Create();
    StateReader reader(&clock_, ReadFrom(bytes));
    restored_ = {};
    const bool success = tenants_->Restore(&reader, &restored_);
    EXPECT_EQ(reader.ok(), success);
    return reader.error();
  }

  void Send(std::string_view tenant, const std::string& name, int32_t kind = kSpanKindInternal) {
    const Tenants::Found found = tenants_->Find({tenant});
    ASSERT_NE(found.generator, nullptr) << found.message;
    TestSpan span;
    span.name = name;
    span.kind = kind;
    SendSpans(found.generator.get(), {{{{"service.name", "s"}}, {span}}});
  }
  // By tenant, all span names together.
  std::map<std::string, double> Calls() {
    std::map<std::string, double> calls;
    for (const auto& generator : tenants_->All()) {
      CollectingSink sink;
      generator->registry()->Visit(&sink);
      const auto found = sink.metrics().find("traces_spanmetrics_calls_total");
      if (found == sink.metrics().end()) continue;
      for (const auto& [labels, series] : found->second) calls[generator->tenant()] += series.value;
    }
    return calls;
  }
  std::vector<std::string> Names() {
    std::vector<std::string> names;
    for (const auto& generator : tenants_->All()) names.push_back(generator->tenant());
    return names;
  }

  FakeClock clock_;
  LogOptions log_options_;
  std::unique_ptr<Logger> logger_;
  Options options_;
  std::unique_ptr<SelfMetrics> metrics_;
  std::unique_ptr<Tenants> tenants_;
  RestoredState restored_;
};

TEST_F(TenantsStateTest, EveryTenantComesBackWithAllOfItsParts) {
  Send("a", "GET /1");
  Send("a", "GET /2");
  Send("a", "c", kSpanKindClient);
  Send("b", "x");
  const std::string bytes = Save();
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ("", Restore(bytes));
  EXPECT_THAT(Calls(), ElementsAre(Pair("a", 3), Pair("b", 1)));
  EXPECT_EQ(4u, restored_.label_sets);
  EXPECT_EQ(1u, restored_.half_edges);
  EXPECT_THAT(restored_.left_out, IsEmpty());
  const std::vector<SpanNameTemplate> templates = tenants_->Get("a")->SpanNames(10);
  ASSERT_EQ(1u, templates.size());
  EXPECT_EQ("GET /<_>", templates[0].text);
  // Since when series are new: what was born in the state's own millisecond is not.
  EXPECT_EQ(FakeClock::kStartWallNanos / kNanosPerMilli + 1,
            tenants_->Get("a")->restored_until_ms());
  Send("c", "x");
  EXPECT_EQ(std::nullopt, tenants_->Get("c")->restored_until_ms());
}

TEST_F(TenantsStateTest, WithoutTenancyThereIsOne) {
  options_.tenancy.enabled = false;
  options_.generator.inject_tenant_id_as = "";
  Create();
  Send("", "x");
  EXPECT_EQ("", Restore(Save()));
  EXPECT_THAT(Calls(), ElementsAre(Pair(std::string(kSingleTenant), 1)));
  Send("", "x");
  EXPECT_THAT(Calls(), ElementsAre(Pair(std::string(kSingleTenant), 2)));
}

TEST_F(TenantsStateTest, TenancySwitchedOnOrOffBeginsAnew) {
  Send("a", "x");
  std::string bytes = Save();
  options_.tenancy.enabled = false;
  EXPECT_EQ("tenancy.enabled is another one than it was", Restore(bytes));
  EXPECT_THAT(Names(), ElementsAre(kSingleTenant));
  EXPECT_THAT(Calls(), IsEmpty());
  bytes = Save();
  options_.tenancy.enabled = true;
  EXPECT_EQ("tenancy.enabled is another one than it was", Restore(bytes));
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(TenantsStateTest, TenantsBeyondALowerLimitStay) {
  for (const char* tenant : {"a", "b", "c"}) Send(tenant, "x");
  const std::string bytes = Save();
  options_.tenancy.max_tenants = 1;
  EXPECT_EQ("", Restore(bytes));
  EXPECT_THAT(Names(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Tenants::Refusal::kTooMany, tenants_->Find({"d"}).refusal);
}

TEST_F(TenantsStateTest, EachTenantHasTheOptionsOfNow) {
  for (const char* tenant : {"a", "b", "c"}) Send(tenant, "x");
  const std::string bytes = Save();
  options_.tenants["b"] = options_.generator;
  options_.tenants["b"].external_labels["cluster"] = "eu";
  options_.tenants["c"] = options_.generator;
  options_.tenants["c"].processors = {false, false, false, true, false, false, false};
  EXPECT_EQ("", Restore(bytes));
  EXPECT_THAT(Names(), ElementsAre("a", "b", "c"));
  EXPECT_THAT(Calls(), ElementsAre(Pair("a", 1)));
  EXPECT_THAT(restored_.left_out,
              UnorderedElementsAre(
                  "b/traces_spanmetrics_latency", "b/traces_spanmetrics_calls_total",
                  "b/traces_spanmetrics_size_total", "b/traces_service_graph_request_total",
                  "b/traces_service_graph_request_failed_total", "c/traces_spanmetrics_latency",
                  "c/traces_spanmetrics_calls_total", "c/traces_spanmetrics_size_total"));
}

TEST_F(TenantsStateTest, HalfEdgesAreDroppedWhenTheirTextsAreOthers) {
  Send("a", "c", kSpanKindClient);
  const std::string bytes = Save();
  options_.generator.service_graphs.dimensions = {"zone"};
  EXPECT_EQ("", Restore(bytes));
  EXPECT_EQ(0u, restored_.half_edges);
  EXPECT_THAT(Calls(), ElementsAre(Pair("a", 1)));
}

TEST_F(TenantsStateTest, ATenantThatIsIdleGoesAsIfNothingHadHappened) {
  Send("a", "x");
  clock_.Advance(60 * kNanosPerSecond);
  EXPECT_EQ("", Restore(Save()));
  clock_.Advance(options_.generator.stale_duration - 60 * kNanosPerSecond - 1);
  tenants_->Maintain();
  EXPECT_THAT(Names(), ElementsAre("a"));
  clock_.Advance(kNanosPerSecond * 10);
  tenants_->Maintain();
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(TenantsStateTest, AfterAnErrorEverythingBeginsAnew) {
  Send("a", "x");
  Send("b", "x");
  const std::string bytes = Save();
  // Only the end is missing: by then everything was in force.
  EXPECT_EQ("it is incomplete", Restore(bytes.substr(0, bytes.size() - 18)));
  EXPECT_THAT(Names(), IsEmpty());
  EXPECT_EQ(0u, restored_.label_sets);
  Send("a", "x");
  EXPECT_THAT(Calls(), ElementsAre(Pair("a", 1)));
}

TEST_F(TenantsStateTest, RecordsThatBelongToNothingAreRefused) {
  const auto restore = [this](StateRecord kind, std::string_view name) {
    return Restore(StateBytes(clock_, [&](StateWriter* writer) {
      writer->Begin(StateRecord::kProcess);
      writer->Number(1);
      writer->End();
      for (int i = 0; i < 2; ++i) {
        writer->Begin(kind);
        writer->Bytes(name);
        writer->Number(0);
        writer->End();
      }
    }));
  };
  EXPECT_EQ("it is damaged: a record that belongs to nothing",
            restore(StateRecord::kLabelSet, "a"));
  EXPECT_EQ("it is damaged: a tenant that is none", restore(StateRecord::kTenant, "a/b"));
  EXPECT_EQ("it is damaged: a tenant that is none", restore(StateRecord::kTenant, "a"));
  EXPECT_EQ("it is damaged: it does not begin with its beginning",
            Restore(StateBytes(clock_, [](StateWriter*) {})));
}

}  // namespace
}  // namespace spanmeter
