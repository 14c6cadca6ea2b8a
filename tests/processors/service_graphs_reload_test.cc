// Filters, whose spans take their counterparts with them, and what a reload keeps.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/service_graphs_fixture.h"

namespace spanmeter::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kWait = 10 * kNanosPerSecond;
constexpr char kAppToApi[] = R"(client="app",server="api")";

// Spans named "noise" are kept out.
class ServiceGraphsFilterTest : public ServiceGraphsTest {
 protected:
  ServiceGraphsFilterTest() {
    FilterPolicy policy;
    policy.exclude = {FilterMatch::Type::kStrict, {{"name", std::string("noise")}}};
    options_.service_graphs.filter_policies = {policy};
  }

  static TestSpan Noise(const TestSpan& span) { return Named(span, "noise"); }
};

TEST_F(ServiceGraphsFilterTest, TheWaitingCounterpartOfAFilteredSpanIsDroppedAtOnce) {
  Send({Service("app", {ClientSpan(1, 1, {{"peer.service", "p"}})}),
        Service("api", {ServerSpan(1, 2)})});
  const ProcessorCounts counts =
      Send({Service("api", {Noise(ServerSpan(1, 1))}), Service("app", {Noise(ClientSpan(1, 2))})});
  EXPECT_EQ(Discarded(counts, DiscardReason::kFiltered), 2);
  EXPECT_THAT(Stats(), ElementsAre(Pair("dropped_spans_total", 2), Pair("filtered_spans", 2)));
  Pass(kWait);
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), ElementsAre(Pair("dropped_spans_total", 2)));
}

TEST_F(ServiceGraphsFilterTest, ALaterCounterpartOfAFilteredSpanIsNotStored) {
  Send({Service("api", {Noise(ServerSpan(1, 1))}), Service("app", {Noise(ClientSpan(1, 2))})});
  Send({Service("app", {ClientSpan(1, 1, {{"peer.service", "p"}})}),
        Service("api", {ServerSpan(1, 2)})});
  EXPECT_THAT(Stats(), ElementsAre(Pair("dropped_spans_total", 2), Pair("filtered_spans", 2)));
}

TEST_F(ServiceGraphsFilterTest, AFilteredServerSpanHoldsBackTheClientOfADatabaseToo) {
  Send({Service("pg", {Noise(ServerSpan(1, 1))}),
        Service("app", {ClientSpan(1, 1, {{"db.name", "n"}})})});
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), ElementsAre(Pair("dropped_spans_total", 1), Pair("filtered_spans", 1)));
}

TEST_F(ServiceGraphsFilterTest, AFilteredDatabaseClientTakesItsServerSpanWithIt) {
  Send({Service("app", {Noise(ClientSpan(1, 1, {{"db.name", "n"}}))}),
        Service("pg", {ServerSpan(1, 1)})});
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), ElementsAre(Pair("dropped_spans_total", 1), Pair("filtered_spans", 1)));
}

TEST_F(ServiceGraphsFilterTest, AFilteredSpanLeavesTheSameSideAndOtherRequestsAlone) {
  Send({Service("app", {Noise(ClientSpan(1, 1)), ClientSpan(1, 1), Noise(ClientSpan(1, 2)),
                        ClientSpan(1, 3), ClientSpan(2, 1)}),
        Service("api", {ServerSpan(1, 3), ServerSpan(2, 1)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(kAppToApi, 2)));
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{call}", 2), Pair("filtered_spans", 2),
                                   Pair("waiting_spans", 1)));
}

TEST_F(ServiceGraphsFilterTest, AFilteredRootSpanLeavesNoMark) {
  const ProcessorCounts counts = Send({Service("web", {Noise(RootSpan(1))})});
  EXPECT_EQ(Discarded(counts, DiscardReason::kFiltered), 1);
  EXPECT_THAT(Stats(), IsEmpty());
}

TEST_F(ServiceGraphsFilterTest, SpansThatTakeNoPartAreNotCountedAsFiltered) {
  const ProcessorCounts counts =
      Send({Service("app", {Noise(OfKind(ClientSpan(1, 1), kSpanKindInternal))}),
            {{}, {Noise(ClientSpan(1, 1))}}});
  EXPECT_EQ(Discarded(counts, DiscardReason::kFiltered), 0);
  EXPECT_THAT(Stats(), IsEmpty());
}

TEST_F(ServiceGraphsFilterTest, MarksLiveForTheWaitAndARepeatRenewsThem) {
  Send({Service("api", {Noise(ServerSpan(1, 1)), Noise(ServerSpan(1, 2))})});
  clock_.Advance(kWait - 1);
  Send({Service("api", {Noise(ServerSpan(1, 2))})});
  clock_.Advance(1);
  Send({Service("app", {ClientSpan(1, 1), ClientSpan(1, 2)})});
  EXPECT_THAT(Stats(), ElementsAre(Pair("dropped_spans_total", 1), Pair("filtered_spans", 2),
                                   Pair("waiting_spans", 1)));
  processor_->Maintain();
  EXPECT_EQ(Stats()["filtered_spans"], 1);
  Pass(kWait - 1);
  EXPECT_EQ(Stats()["filtered_spans"], 0);
}

TEST_F(ServiceGraphsFilterTest, WhenThereAreTooManyMarksTheOldestGoes) {
  options_.service_graphs.max_items = 2;
  Send({Service("api", {Noise(ServerSpan(1, 1)), Noise(ServerSpan(2, 2)), Noise(ServerSpan(1, 1)),
                        Noise(ServerSpan(3, 3))})});
  EXPECT_THAT(Stats(),
              ElementsAre(Pair("filtered_spans", 2), Pair("filtered_spans_evicted_total", 1)));
  Send({Service("app", {ClientSpan(1, 1), ClientSpan(2, 2), ClientSpan(3, 3)})});
  EXPECT_THAT(Stats(),
              ElementsAre(Pair("dropped_spans_total", 2), Pair("filtered_spans", 2),
                          Pair("filtered_spans_evicted_total", 1), Pair("waiting_spans", 1)));
}

class ServiceGraphsReloadTest : public ServiceGraphsTest {};

TEST_F(ServiceGraphsReloadTest, WaitingSpansAndCountersSurvive) {
  options_.service_graphs.dimensions = {"env"};
  Send({Service("app", {RootSpan(1), ClientSpan(1, 1, {{"env", "e"}})})});
  options_.service_graphs.enable_client_server_prefix = true;
  options_.service_graphs.peer_attributes = {"other"};
  options_.service_graphs.histogram_buckets = {1};
  Reload();
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{virtual_node}", 1), Pair("waiting_spans", 1)));
  Send({Service("api", {ServerSpan(1, 1)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(R"(client="app",client_env="e",server="api")", 1)));
  EXPECT_THAT(Stats(),
              ElementsAre(Pair("edges_total{call}", 1), Pair("edges_total{virtual_node}", 1)));
}

TEST_F(ServiceGraphsReloadTest, OtherDimensionsBeginWithAnEmptyStoreAndTheSameCounters) {
  Send({Service("app", {RootSpan(1), ClientSpan(1, 1)})});
  options_.service_graphs.dimensions = {"env"};
  Reload();
  EXPECT_THAT(Stats(),
              ElementsAre(Pair("edges_total{virtual_node}", 1), Pair("evicted_spans_total", 1)));
  Send({Service("api", {ServerSpan(1, 1, {{"env", "e"}})})});
  EXPECT_THAT(Edges(), IsEmpty());
}

TEST_F(ServiceGraphsReloadTest, ANewWaitHoldsForWhatWaitsAlready) {
  Send({Service("app", {ClientSpan(1, 1)})});
  options_.service_graphs.wait = kNanosPerSecond;
  Reload();
  Pass(kNanosPerSecond);
  EXPECT_THAT(Stats(), ElementsAre(Pair("expired_spans_total{SPAN_KIND_CLIENT}", 1)));
}

TEST_F(ServiceGraphsReloadTest, FewerItemsLetTheOldestGo) {
  Send({Service("app", {ClientSpan(1, 1), ClientSpan(2, 2), ClientSpan(3, 3)})});
  options_.service_graphs.max_items = 1;
  Reload();
  EXPECT_THAT(Stats(), ElementsAre(Pair("evicted_spans_total", 2), Pair("waiting_spans", 1)));
  Send({Service("api", {ServerSpan(3, 3)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(kAppToApi, 1)));
}

TEST_F(ServiceGraphsReloadTest, ShorterValuesHoldForWhatWaitsAlready) {
  Send({Service("application", {ClientSpan(1, 1)})});
  options_.max_label_value_length = 3;
  Reload();
  Send({Service("backend", {ServerSpan(1, 1)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(R"(client="app",server="bac")", 1)));
}

TEST_F(ServiceGraphsReloadTest, ARequestUnderWayMeetsWhatCameAfterTheReload) {
  Send({});
  const Attributes app_attributes = {{"service.name", "app"}};
  const AttributeValues app = app_attributes.Wanted(*index_);
  const AttributeValues none = Attributes().Wanted(*index_);
  const TestSpan client = ClientSpan(1, 1);
  session_->StartRequest();
  session_->StartResource({&app, {}});
  session_->Span(client.View(&none));

  const auto registry = std::move(registry_);
  const auto index = std::move(index_);
  const auto previous = std::move(processor_);
  const auto session = std::move(session_);
  Start(previous.get());
  Send({Service("api", {ServerSpan(1, 1)})});
  session->Commit();
  CollectingSink sink;
  registry->Visit(&sink);
  EXPECT_NE(sink.Find(kEdges, kAppToApi), nullptr);
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{call}", 1)));
}

}  // namespace
}  // namespace spanmeter::testing
