#include "spanmeter/generator.h"

#include <fcntl.h>
#include <map>
#include <memory>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::TestResource;
using testing::TestSpan;
using testing::Visit;

class GeneratorTest : public ::testing::Test {
 protected:
  GeneratorTest() {
    EXPECT_EQ(pipe(log_), 0);
    EXPECT_EQ(fcntl(log_[0], F_SETFL, O_NONBLOCK), 0);
    logger_ = std::make_unique<Logger>(LogOptions(), &clock_, log_[1]);
  }
  ~GeneratorTest() override {
    close(log_[0]);
    close(log_[1]);
  }

  void Create(GeneratorOptions options = {}) {
    generator_ =
        std::make_unique<Generator>(std::string(kSingleTenant), options, &clock_, logger_.get());
  }

  // A span that ends `ago` nanoseconds before now; negative: in the future.
  TestSpan SpanEnding(int64_t ago, std::string name = "op") const {
    TestSpan span;
    span.name = std::move(name);
    span.end_nanos = static_cast<uint64_t>(clock_.WallNanos() - ago);
    span.start_nanos = span.end_nanos - 1'000'000;
    return span;
  }

  // Sends the spans as one request.
  void Send(const std::vector<TestResource>& resources,
            const GeneratorSession::Received& received = {1, 0, 100}) {
    auto session = generator_->BorrowSession();
    session->StartRequest();
    Visit(session->attributes(), resources, session.get());
    EXPECT_FALSE(session->too_large());
    session->Commit(received);
    generator_->ReturnSession(std::move(session));
  }

  CollectingSink Read() {
    CollectingSink sink;
    EXPECT_TRUE(generator_->registry()->Visit(&sink));
    return sink;
  }
  double Calls(const std::string& span_name) {
    const CollectingSink sink = Read();
    const auto calls = sink.metrics().find("traces_spanmetrics_calls_total");
    if (calls == sink.metrics().end()) return 0;
    double total = 0;
    for (const auto& [labels, series] : calls->second) {
      if (labels.find("span_name=\"" + span_name + "\"") != std::string::npos) {
        total += series.value;
      }
    }
    return total;
  }

  // The value of a metric about itself; labels beyond the tenant as "name=value".
  double Self(const std::string& name, const std::vector<std::string>& labels = {}) {
    std::vector<prometheus::MetricFamily> families;
    generator_->AppendMetrics(&families);
    for (const prometheus::MetricFamily& family : families) {
      if (family.name != name) continue;
      for (const prometheus::ClientMetric& metric : family.metric) {
        size_t matched = 0;
        for (const auto& label : metric.label) {
          for (const std::string& wanted : labels) {
            matched += wanted == label.name + "=" + label.value ? 1 : 0;
          }
        }
        if (matched == labels.size()) return metric.counter.value + metric.gauge.value;
      }
    }
    ADD_FAILURE() << "no metric " << name;
    return -1;
  }

  std::string Log() {
    std::string text(16'384, '\0');
    const ssize_t size = read(log_[0], text.data(), text.size());
    text.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return text;
  }

  static constexpr int64_t kMinute = 60 * kNanosPerSecond;

  FakeClock clock_;
  int log_[2];
  std::unique_ptr<Logger> logger_;
  std::unique_ptr<Generator> generator_;
};

TEST_F(GeneratorTest, SpansOfARequestAreCountedWhenItIsCommitted) {
  Create();
  auto session = generator_->BorrowSession();
  const std::vector<TestResource> request = {{{{"service.name", "shop"}}, {SpanEnding(0)}}};
  session->StartRequest();
  Visit(session->attributes(), request, session.get());
  EXPECT_EQ(Calls("op"), 0);
  session->Commit({1, 0, 77});
  EXPECT_EQ(Calls("op"), 1);
  EXPECT_EQ(Self("spanmeter_spans_received_total", {"tenant=single-tenant"}), 1);
  EXPECT_EQ(Self("spanmeter_bytes_received_total"), 77);
}

TEST_F(GeneratorTest, ARequestThatTurnedOutBrokenLeavesNothingBehind) {
  Create();
  auto session = generator_->BorrowSession();
  session->StartRequest();
  Visit(session->attributes(),
        {{{{"service.name", "shop"}}, {SpanEnding(0, "broken"), SpanEnding(kMinute * 60)}}},
        session.get());
  generator_->ReturnSession(std::move(session));
  Send({{{{"service.name", "shop"}}, {SpanEnding(0, "whole")}}});
  EXPECT_EQ(Calls("broken"), 0);
  EXPECT_EQ(Calls("whole"), 1);
  EXPECT_EQ(Self("spanmeter_spans_discarded_total", {"reason=outside_time_range"}), 0);
}

TEST_F(GeneratorTest, SpansAreTakenUpToExactlyTheSlackEitherWay) {
  Create();
  const int64_t slack = 5 * kMinute;
  TestSpan no_end = SpanEnding(0, "no end");
  no_end.end_nanos = 0;
  TestSpan far_future = SpanEnding(0, "far future");
  far_future.end_nanos = ~uint64_t{0};
  Send({{{},
         {SpanEnding(slack, "old"), SpanEnding(slack + 1, "too old"), SpanEnding(-slack, "new"),
          SpanEnding(-slack - 1, "too new"), no_end, far_future}}},
       {6, 0, 100});
  EXPECT_EQ(Calls("old"), 1);
  EXPECT_EQ(Calls("new"), 1);
  for (const char* name : {"too old", "too new", "no end", "far future"}) {
    EXPECT_EQ(Calls(name), 0) << name;
  }
  EXPECT_EQ(Self("spanmeter_spans_received_total"), 6);
  EXPECT_EQ(Self("spanmeter_spans_discarded_total",
                 {"reason=outside_time_range", "processor=all", "tenant=single-tenant"}),
            4);
}

TEST_F(GeneratorTest, WithoutASlackEverySpanIsInTime) {
  GeneratorOptions options;
  options.ingestion_time_range_slack = 0;
  Create(options);
  TestSpan no_end = SpanEnding(0);
  no_end.end_nanos = 0;
  Send({{{}, {no_end, SpanEnding(1000 * kMinute)}}});
  EXPECT_EQ(Calls("op"), 2);
}

TEST_F(GeneratorTest, ATenantThatLosesManySpansToTheSlackIsNamedInTheLogOnceInAWhile) {
  Create();
  Send({{{}, {SpanEnding(60 * kMinute)}}}, {100, 0, 1});
  EXPECT_THAT(Log(), IsEmpty()) << "one in a hundred is not many";
  clock_.Advance(2 * kMinute);
  Send({{{}, {SpanEnding(60 * kMinute)}}}, {99, 0, 1});
  const std::string log = Log();
  EXPECT_THAT(log, HasSubstr("ingestion_time_range_slack"));
  EXPECT_THAT(log, HasSubstr("tenant=single-tenant"));
  EXPECT_THAT(log, HasSubstr("outside=1"));
  Send({{{}, {SpanEnding(60 * kMinute)}}}, {1, 0, 1});
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(GeneratorTest, DiscardsAreCountedByReasonAndProcessor) {
  GeneratorOptions options;
  FilterMatch match;
  match.attributes = {{"name", "noise"}};
  options.span_metrics.filter_policies = {{std::nullopt, std::nullopt, match}};
  Create(options);
  Send({{{}, {SpanEnding(0, "noise"), SpanEnding(0, "\xff"), SpanEnding(0, "good")}}}, {5, 2, 1});
  EXPECT_EQ(Calls("good"), 1);
  EXPECT_EQ(Self("spanmeter_spans_discarded_total", {"reason=filtered", "processor=span-metrics"}),
            1);
  EXPECT_EQ(
      Self("spanmeter_spans_discarded_total", {"reason=invalid_utf8", "processor=span-metrics"}),
      1);
  EXPECT_EQ(Self("spanmeter_spans_discarded_total", {"reason=invalid_id", "processor=all"}), 2);
}

TEST_F(GeneratorTest, MultipliersThatAreNotBelievedAreCountedAndLogged) {
  GeneratorOptions options;
  options.span_metrics.span_multiplier_key = "ratio";
  Create(options);
  TestSpan span = SpanEnding(0);
  span.attributes.Add("ratio", AnyValue::Double(1e-9));
  Send({{{}, {span, span}}});
  EXPECT_EQ(Calls("op"), 2);
  EXPECT_EQ(Self("spanmeter_span_multipliers_rejected_total", {"processor=span-metrics"}), 2);
  EXPECT_THAT(Log(), HasSubstr("max_span_multiplier"));
  Send({{{}, {span}}});
  EXPECT_THAT(Log(), IsEmpty());
}

TEST_F(GeneratorTest, SkippedSpansAreReceivedButNotTurnedIntoSeries) {
  Create();
  generator_->CountSkipped({7, 0, 300});
  EXPECT_EQ(Self("spanmeter_spans_received_total"), 7);
  EXPECT_EQ(Self("spanmeter_spans_skipped_total"), 7);
  EXPECT_THAT(Read().metrics(), IsEmpty());
}

TEST_F(GeneratorTest, TheTenantsLabelWinsOverAnExternalOneOfTheSameName) {
  GeneratorOptions options;
  options.external_labels = {{"tenant", "wrong"}, {"region", "eu"}};
  options.inject_tenant_id_as = "tenant";
  Create(options);
  Send({{{}, {SpanEnding(0)}}});
  const CollectingSink sink = Read();
  const auto& calls = sink.metrics().at("traces_spanmetrics_calls_total");
  ASSERT_EQ(calls.size(), 1u);
  EXPECT_THAT(calls.begin()->first, HasSubstr(R"(region="eu")"));
  EXPECT_THAT(calls.begin()->first, HasSubstr(R"(tenant="single-tenant")"));
  EXPECT_THAT(calls.begin()->first, Not(HasSubstr("wrong")));
}

TEST_F(GeneratorTest, TheRegistryIsDescribed) {
  GeneratorOptions options;
  options.max_active_series = 19;
  options.stale_duration = kMinute;
  Create(options);
  Send({{{}, {SpanEnding(0, "a"), SpanEnding(0, "b"), SpanEnding(0, "b")}}});
  EXPECT_EQ(Self("spanmeter_registry_active_series"), 19);
  EXPECT_EQ(Self("spanmeter_registry_active_entities"), 1);
  EXPECT_EQ(Self("spanmeter_registry_max_active_series"), 19);
  EXPECT_EQ(Self("spanmeter_registry_max_active_entities"), 0);
  EXPECT_EQ(Self("spanmeter_registry_active_series_demand_estimate"), 38);
  EXPECT_EQ(Self("spanmeter_registry_active_entities_demand_estimate"), 2);
  EXPECT_EQ(Self("spanmeter_registry_series_created_total"), 19);
  EXPECT_EQ(Self("spanmeter_registry_series_expired_total"), 0);
  EXPECT_EQ(Self("spanmeter_registry_updates_limited_total"), 2);
  clock_.Advance(kMinute);
  generator_->registry()->Expire();
  EXPECT_EQ(Self("spanmeter_registry_active_series"), 0);
  EXPECT_EQ(Self("spanmeter_registry_series_expired_total"), 19);
}

TEST_F(GeneratorTest, WithoutProcessorsSpansAreReceivedAndNothingComesOfThem) {
  GeneratorOptions options;
  options.processors = {false, false, false, false, false, false, false};
  Create(options);
  Send({{{}, {SpanEnding(0)}}});
  EXPECT_THAT(Read().metrics(), IsEmpty());
  EXPECT_EQ(Self("spanmeter_spans_received_total"), 1);
}

// A long service name stands in the key of each span, so that a small request can blow up to very
// many bytes of updates.
TEST_F(GeneratorTest, ARequestThatBlowsUpIsCountedInPartsOnceItIsValid) {
  GeneratorOptions options;
  options.span_metrics.enable_target_info = true;
  Create(options);
  constexpr size_t kSpans = 12'000;
  const std::vector<TestResource> request = {
      {{{"service.name", std::string(2'000, 's')}, {"region", "eu"}},
       std::vector<TestSpan>(kSpans, SpanEnding(0))}};
  const std::vector<TestResource> next = {{{}, {SpanEnding(0, "next")}}};

  auto session = generator_->BorrowSession();
  session->StartRequest();
  Visit(session->attributes(), request, session.get());
  ASSERT_TRUE(session->too_large());
  EXPECT_EQ(Calls("op"), 0);

  session->StartValidRequest();
  Visit(session->attributes(), request, session.get());
  EXPECT_FALSE(session->too_large());
  session->Commit({kSpans, 0, 1});
  EXPECT_EQ(Calls("op"), kSpans);
  EXPECT_EQ(Read().metrics().at("traces_target_info").size(), 1u);
  EXPECT_EQ(Self("spanmeter_spans_received_total"), kSpans);

  session->StartRequest();
  Visit(session->attributes(), next, session.get());
  EXPECT_FALSE(session->too_large());
  session->Commit({1, 0, 1});
  EXPECT_EQ(Calls("next"), 1);
}

TEST_F(GeneratorTest, AReloadKeepsCountersAndPutsFiltersInForce) {
  GeneratorOptions options;
  Create(options);
  Send({{{}, {SpanEnding(0, "a"), SpanEnding(0, "b")}}}, {2, 0, 10});
  FilterMatch match;
  match.attributes = {{"name", "b"}};
  options.span_metrics.filter_policies = {{std::nullopt, std::nullopt, match}};
  EXPECT_THAT(generator_->Reload(options), IsEmpty());
  Send({{{}, {SpanEnding(0, "a"), SpanEnding(0, "b")}}}, {2, 0, 10});
  EXPECT_EQ(Calls("a"), 2);
  EXPECT_EQ(Calls("b"), 1);
  EXPECT_EQ(Self("spanmeter_spans_received_total"), 4);
  EXPECT_EQ(Self("spanmeter_spans_discarded_total", {"reason=filtered"}), 1);
}

TEST_F(GeneratorTest, AReloadThatChangesLabelsNamesTheMetricsThatBeginAnew) {
  GeneratorOptions options;
  options.span_metrics.enable_target_info = true;
  Create(options);
  Send({{{{"service.name", "s"}, {"zone", "z"}}, {SpanEnding(0)}}});
  options.span_metrics.dimensions = {{"zone"}};
  EXPECT_THAT(generator_->Reload(options),
              ::testing::UnorderedElementsAre("traces_spanmetrics_calls_total",
                                              "traces_spanmetrics_latency",
                                              "traces_spanmetrics_size_total"));
  EXPECT_EQ(Calls("op"), 0);
  EXPECT_EQ(Read().metrics().at("traces_target_info").size(), 1u);
  Send({{{{"service.name", "s"}, {"zone", "z"}}, {SpanEnding(0)}}});
  const CollectingSink sink = Read();
  EXPECT_THAT(sink.metrics().at("traces_spanmetrics_calls_total").begin()->first,
              HasSubstr(R"(zone="z")"));
}

TEST_F(GeneratorTest, ARequestThatBeganBeforeAReloadIsCountedByTheOptionsOfThen) {
  GeneratorOptions options;
  Create(options);
  auto session = generator_->BorrowSession();
  const std::vector<TestResource> request = {{{}, {SpanEnding(0)}}};
  session->StartRequest();
  Visit(session->attributes(), request, session.get());
  FilterMatch everything;
  options.span_metrics.filter_policies = {{std::nullopt, std::nullopt, everything}};
  generator_->Reload(options);
  session->Commit({1, 0, 1});
  generator_->ReturnSession(std::move(session));
  EXPECT_EQ(Calls("op"), 1);
  Send(request);
  EXPECT_EQ(Calls("op"), 1) << "the session of before is not lent again";
}

TEST_F(GeneratorTest, AReloadCanSwitchProcessorsOffAndOn) {
  GeneratorOptions options;
  Create(options);
  Send({{{}, {SpanEnding(0)}}});
  GeneratorOptions nothing;
  nothing.processors = {false, false, false, false, false, false, false};
  EXPECT_EQ(generator_->Reload(nothing).size(), 3u);
  EXPECT_THAT(Read().metrics(), IsEmpty());
  generator_->Reload(options);
  Send({{{}, {SpanEnding(0)}}});
  EXPECT_EQ(Calls("op"), 1);
}

TEST_F(GeneratorTest, MaintenanceRemovesStaleSeriesWhenItIsTime) {
  GeneratorOptions options;
  options.stale_duration = kMinute;
  Create(options);
  Send({{{}, {SpanEnding(0)}}});
  generator_->Maintain();
  clock_.Advance(kMinute);
  EXPECT_FALSE(generator_->IsIdle()) << "the series are there until they are removed";
  generator_->Maintain();
  EXPECT_EQ(Self("spanmeter_registry_series_expired_total"), 19);
  EXPECT_TRUE(generator_->IsIdle());
  Send({{{}, {SpanEnding(0)}}});
  EXPECT_FALSE(generator_->IsIdle());
}

TEST_F(GeneratorTest, SessionsAreLentAgain) {
  Create();
  auto session = generator_->BorrowSession();
  const GeneratorSession* const first = session.get();
  generator_->ReturnSession(std::move(session));
  session = generator_->BorrowSession();
  EXPECT_EQ(session.get(), first);
  EXPECT_NE(generator_->BorrowSession().get(), first);
}

TEST_F(GeneratorTest, TotalsSayWhatWasReceivedAndDiscardedForWhichReason) {
  Create();
  Send({{{{"service.name", "shop"}}, {SpanEnding(0), SpanEnding(10 * kMinute)}}}, {3, 1, 500});
  Send({{{{"service.name", "a\xff"}}, {SpanEnding(0)}}}, {1, 0, 100});
  const GeneratorTotals totals = generator_->totals();
  EXPECT_EQ(totals.spans, 4u);
  EXPECT_EQ(totals.bytes, 600u);
  EXPECT_EQ(totals.outside_time_range, 1u);
  std::map<std::string, uint64_t> discarded;
  for (const auto& d : totals.discarded) {
    if (d.spans != 0) discarded[d.processor + "/" + std::string(d.reason)] = d.spans;
  }
  const std::map<std::string, uint64_t> expected = {
      {"all/outside_time_range", 1}, {"all/invalid_id", 1}, {"span-metrics/invalid_utf8", 1}};
  EXPECT_EQ(discarded, expected);
}

TEST_F(GeneratorTest, SpanNamesAreThereWhileTheyAreSanitized) {
  GeneratorOptions options;
  Create(options);
  EXPECT_THAT(generator_->SpanNames(10), IsEmpty());
  options.processors = {false, false, false, true, true, false, false};
  options.span_name_sanitization = SpanNameSanitization::kDryRun;
  Create(options);
  EXPECT_THAT(generator_->SpanNames(10), IsEmpty());  // nobody looks at them
  options.processors = {};
  Create(options);
  for (int i = 0; i < 200; ++i) {
    Send({{{{"service.name", "shop"}}, {SpanEnding(0, "GET /cart/" + std::to_string(i))}}});
  }
  ASSERT_FALSE(generator_->SpanNames(10).empty());
  EXPECT_EQ(generator_->SpanNames(10)[0].text, "GET /cart/<_>");
  EXPECT_EQ(generator_->SpanNames(0).size(), 0u);
}

}  // namespace
}  // namespace spanmeter
