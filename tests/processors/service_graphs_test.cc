// Which spans become edges of which kind, and what the edges measure.

#include "spanmeter/service_graphs.h"

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

TEST_F(ServiceGraphsTest, PairsAClientSpanWithItsServerSpan) {
  Send({Service("app", {ClientSpan(1, 1)}), Service("api", {ServerSpan(1, 1)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(kAppToApi, 1)));
  EXPECT_THAT(ValuesOf(kClientSeconds), ElementsAre(Pair(kAppToApi, 0.5)));
  EXPECT_THAT(ValuesOf(kServerSeconds), ElementsAre(Pair(kAppToApi, 0.25)));
  EXPECT_THAT(ValuesOf(kFailedEdges), IsEmpty());
  EXPECT_THAT(ValuesOf(kConnectionInfo), IsEmpty());
  EXPECT_THAT(sink_.Find(kClientSeconds, kAppToApi)->cumulative,
              ElementsAre(0, 0, 0, 1, 1, 1, 1, 1, 1));
  EXPECT_EQ(processor_->name(), "service-graphs");
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{call}", 1)));
}

TEST_F(ServiceGraphsTest, PairsAcrossRequestsInEitherOrder) {
  Send({Service("app", {ClientSpan(1, 1)})});
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), ElementsAre(Pair("waiting_spans", 1)));
  Send({Service("api", {ServerSpan(1, 1), ServerSpan(1, 2)})});
  Send({Service("app", {ClientSpan(1, 2)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(kAppToApi, 2)));
  EXPECT_THAT(ValuesOf(kClientSeconds), ElementsAre(Pair(kAppToApi, 1)));
  EXPECT_THAT(ValuesOf(kServerSeconds), ElementsAre(Pair(kAppToApi, 0.5)));
}

TEST_F(ServiceGraphsTest, SpansOfDifferentTracesDoNotPair) {
  Send({Service("app", {ClientSpan(1, 1)}), Service("api", {ServerSpan(2, 1)})});
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), ElementsAre(Pair("waiting_spans", 2)));
}

TEST_F(ServiceGraphsTest, OtherKindsAndResourcesWithoutServiceAreIgnored) {
  Send({Service("app", {OfKind(ClientSpan(1, 1), kSpanKindInternal),
                        OfKind(ServerSpan(1, 1), kSpanKindUnspecified),
                        OfKind(ServerSpan(1, 1), static_cast<SpanKind>(6)),
                        OfKind(ServerSpan(1, 1), static_cast<SpanKind>(-3))}),
        {{}, {ClientSpan(1, 2), RootSpan(1)}},
        Service("", {ClientSpan(1, 3), RootSpan(1)})});
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), IsEmpty());
}

TEST_F(ServiceGraphsTest, OfSeveralServiceNamesTheFirstThatIsNotEmptyCounts) {
  const Attributes names = {{"service.name", ""}, {"service.name", "b"}, {"service.name", "c"}};
  Send({{names, {RootSpan(1)}}});
  Send({{Attributes().Add("service.name", AnyValue::Int(7)), {RootSpan(1)}}});
  EXPECT_THAT(Edges(),
              ElementsAre(Pair(R"(client="user",connection_type="virtual_node",server="7")", 1),
                          Pair(R"(client="user",connection_type="virtual_node",server="b")", 1)));
}

TEST_F(ServiceGraphsTest, NegativeDurationsCountAsZero) {
  TestSpan backwards = ClientSpan(1, 1);
  backwards.end_nanos = backwards.start_nanos - 1'000'000'000;
  Send({Service("app", {backwards}), Service("api", {ServerSpan(1, 1)})});
  EXPECT_THAT(ValuesOf(kClientSeconds), ElementsAre(Pair(kAppToApi, 0)));
}

TEST_F(ServiceGraphsTest, AnEdgeFailsWhenEitherSideDid) {
  Send({Service("app", {Failed(ClientSpan(1, 1)), ClientSpan(1, 2), ClientSpan(1, 3)}),
        Service("api", {ServerSpan(1, 1), Failed(ServerSpan(1, 2)), ServerSpan(1, 3)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(kAppToApi, 3)));
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(kAppToApi, 2)));
}

TEST_F(ServiceGraphsTest, ARepeatedSideOverwritesButStaysFailed) {
  Send({Service("app", {Failed(Lasting(ClientSpan(1, 1), 100'000'000))})});
  Send({Service("app2", {Lasting(ClientSpan(1, 1), 200'000'000)})});
  EXPECT_THAT(Stats(), ElementsAre(Pair("waiting_spans", 1)));
  Send({Service("api", {ServerSpan(1, 1)})});
  const char* const labels = R"(client="app2",server="api")";
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(ValuesOf(kClientSeconds), ElementsAre(Pair(labels, 0.2)));
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(labels, 1)));
}

TEST_F(ServiceGraphsTest, ARepeatedSideKeepsItsAge) {
  Send({Service("app", {ClientSpan(1, 1)})});
  Pass(kWait - 1);
  Send({Service("app", {ClientSpan(1, 1)})});
  Pass(1);
  EXPECT_THAT(Stats(), ElementsAre(Pair("expired_spans_total{SPAN_KIND_CLIENT}", 1)));
}

TEST_F(ServiceGraphsTest, ASecondServerSpanOfARequestFindsNothingAnyMore) {
  Send({Service("app", {ClientSpan(1, 1)}), Service("api", {ServerSpan(1, 1), ServerSpan(1, 1)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(kAppToApi, 1)));
  Pass(kWait);
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{call}", 1),
                                   Pair("expired_spans_total{SPAN_KIND_SERVER}", 1)));
}

TEST_F(ServiceGraphsTest, WhatExpiresIsCountedByKind) {
  options_.service_graphs.wait = 2 * kNanosPerSecond;
  Send({Service("app", {ClientSpan(1, 1), OfKind(ClientSpan(1, 2), kSpanKindProducer)}),
        Service("api", {ServerSpan(1, 3), OfKind(ServerSpan(1, 4), kSpanKindConsumer),
                        OfKind(ServerSpan(1, 5), kSpanKindConsumer)})});
  Pass(2 * kNanosPerSecond - 1);
  EXPECT_THAT(Stats(), ElementsAre(Pair("waiting_spans", 5)));
  Pass(1);
  EXPECT_THAT(Stats(), ElementsAre(Pair("expired_spans_total{SPAN_KIND_CLIENT}", 1),
                                   Pair("expired_spans_total{SPAN_KIND_CONSUMER}", 2),
                                   Pair("expired_spans_total{SPAN_KIND_PRODUCER}", 1),
                                   Pair("expired_spans_total{SPAN_KIND_SERVER}", 1)));
  EXPECT_THAT(Edges(), IsEmpty());
}

TEST_F(ServiceGraphsTest, ALateCounterpartCompletesWhatWasNotYetLookedAt) {
  Send({Service("app", {ClientSpan(1, 1)})});
  clock_.Advance(kWait * 5);
  Send({Service("api", {ServerSpan(1, 1)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(kAppToApi, 1)));
}

TEST_F(ServiceGraphsTest, RootServerSpansAreVirtualEdgesAtOnceEachForItself) {
  TestSpan zero_parent = RootSpan(1);
  zero_parent.parent_span_id = std::string(kSpanIdSize, '\0');
  Send({Service("web", {RootSpan(1), Failed(RootSpan(1)), zero_parent,
                        OfKind(RootSpan(1), kSpanKindConsumer)})});
  const char* const labels = R"(client="user",connection_type="virtual_node",server="web")";
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 4)));
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(labels, 1)));
  // The side that was not seen gets the latency of the one that was.
  EXPECT_THAT(ValuesOf(kServerSeconds), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(ValuesOf(kClientSeconds), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{virtual_node}", 4)));
}

TEST_F(ServiceGraphsTest, ARootsClientIsItsPeerUnlessTheAttributeNamesDatabases) {
  options_.service_graphs.peer_attributes = {"db.name", "net.peer.name", "peer.service"};
  Send({{{{"service.name", "web"}, {"peer.service", "resource"}},
         {RootSpan(1, {{"db.name", "orders"}}),
          RootSpan(1, {{"db.name", "orders"}, {"peer.service", "mobile"}}),
          RootSpan(1, {{"net.peer.name", ""}, {"peer.service", "db.name"}}),
          RootSpan(1, Attributes().Add("net.peer.name", AnyValue::Int(7)))}}});
  EXPECT_THAT(
      Edges(),
      ElementsAre(Pair(R"(client="7",connection_type="virtual_node",server="web")", 1),
                  Pair(R"(client="db.name",connection_type="virtual_node",server="web")", 1),
                  Pair(R"(client="mobile",connection_type="virtual_node",server="web")", 1),
                  Pair(R"(client="user",connection_type="virtual_node",server="web")", 1)));
}

TEST_F(ServiceGraphsTest, AClientWithAPeerThatExpiresIsAVirtualEdge) {
  Send({{{{"service.name", "app"}, {"peer.service", "resource"}},
         {Failed(ClientSpan(1, 1, {{"peer.service", "stripe"}})), ClientSpan(1, 2),
          OfKind(ClientSpan(1, 3, {{"peer.service", "kafka"}}), kSpanKindProducer),
          ClientSpan(1, 4, {{"peer.service", ""}})}}});
  EXPECT_THAT(Edges(), IsEmpty());
  Pass(kWait);
  const char* const stripe = R"(client="app",connection_type="virtual_node",server="stripe")";
  const char* const kafka = R"(client="app",connection_type="virtual_node",server="kafka")";
  EXPECT_THAT(Edges(), ElementsAre(Pair(kafka, 1), Pair(stripe, 1)));
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(stripe, 1)));
  EXPECT_THAT(ValuesOf(kClientSeconds), ElementsAre(Pair(kafka, 0.5), Pair(stripe, 0.5)));
  EXPECT_THAT(ValuesOf(kServerSeconds), ElementsAre(Pair(kafka, 0.5), Pair(stripe, 0.5)));
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{virtual_node}", 2),
                                   Pair("expired_spans_total{SPAN_KIND_CLIENT}", 2)));
}

TEST_F(ServiceGraphsTest, ThePeerStaysUnlessANewOneComes) {
  options_.service_graphs.peer_attributes = {"net.peer.name", "peer.service"};
  Send({Service("app", {ClientSpan(1, 1, {{"peer.service", "a"}}), ClientSpan(1, 1),
                        ClientSpan(1, 2, {{"peer.service", "a"}}),
                        ClientSpan(1, 2, {{"net.peer.name", "b"}, {"peer.service", "c"}})})});
  Pass(kWait);
  EXPECT_THAT(Edges(),
              ElementsAre(Pair(R"(client="app",connection_type="virtual_node",server="a")", 1),
                          Pair(R"(client="app",connection_type="virtual_node",server="b")", 1)));
}

TEST_F(ServiceGraphsTest, AClientOfADatabaseIsAnEdgeAtOnce) {
  Send({Service("app", {Failed(ClientSpan(1, 1, {{"db.system", "postgresql"}})),
                        OfKind(ClientSpan(1, 2, {{"db.system", "postgresql"}}), kSpanKindProducer),
                        ServerSpan(1, 3, {{"db.system", "postgresql"}})})});
  const char* const labels = R"(client="app",connection_type="database",server="postgresql")";
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 2)));
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(ValuesOf(kClientSeconds), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(ValuesOf(kServerSeconds), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{database}", 2), Pair("waiting_spans", 1)));
}

TEST_F(ServiceGraphsTest, ADatabaseIsNamedByItsAddressOrByTheFirstAttributeOfTheResourceOrSpan) {
  const auto name = [&](const Attributes& resource, const Attributes& span) {
    Start(nullptr);
    Attributes all = resource;
    all.Add("service.name", "app");
    Send({{all, {ClientSpan(1, 1, span)}}});
    const Values edges = Edges();
    if (edges.empty()) return std::string();
    const std::string& labels = edges.begin()->first;
    const std::string before = R"(client="app",connection_type="database",server=")";
    EXPECT_TRUE(labels.starts_with(before)) << labels;
    return labels.substr(before.size(), labels.size() - before.size() - 1);
  };
  EXPECT_EQ(name({}, {{"db.system", "s"}, {"db.name", "n"}, {"db.namespace", "ns"}}), "ns");
  EXPECT_EQ(name({}, {{"db.system.name", "sn"}}), "sn");
  EXPECT_EQ(name({}, Attributes().Add("db.name", AnyValue::Int(42))), "42");
  EXPECT_EQ(name({{"db.name", "of-resource"}}, {{"db.name", "of-span"}}), "of-resource");
  EXPECT_EQ(name({{"db.name", "of-resource"}}, {{"db.namespace", "of-span"}}), "of-span");
  const Attributes addresses = {{"db.name", "n"},
                                {"network.peer.address", "10.0.0.9"},
                                {"network.peer.port", "5432"},
                                {"server.address", "db.example.com"},
                                {"peer.service", "orders"}};
  EXPECT_EQ(name({}, addresses), "orders");
  EXPECT_EQ(name({{"peer.service", "of-resource"}}, addresses), "of-resource");
  EXPECT_EQ(name({}, {{"db.name", "n"},
                      {"network.peer.address", "10.0.0.9"},
                      {"server.address", "db.example.com"}}),
            "db.example.com");
  EXPECT_EQ(name({}, Attributes({{"db.name", "n"}, {"network.peer.address", "10.0.0.9"}})
                         .Add("network.peer.port", AnyValue::Int(5432))),
            "10.0.0.9:5432");
  EXPECT_EQ(name({}, {{"db.name", "n"}, {"network.peer.address", "10.0.0.9"}}), "10.0.0.9");
  // Empty values name nothing.
  EXPECT_EQ(name({}, {{"db.name", ""}, {"db.system", "redis"}}), "redis");
  EXPECT_EQ(name({}, {{"db.name", "n"}, {"peer.service", ""}, {"server.address", "host"}}), "host");
  EXPECT_EQ(name({}, {{"db.name", "n"}, {"network.peer.address", ""}, {"network.peer.port", "80"}}),
            "n");
  EXPECT_EQ(name({}, {{"db.name", "n"}, {"network.peer.address", "a"}, {"network.peer.port", ""}}),
            "a");
  EXPECT_EQ(name({}, {{"db.name", ""}, {"server.address", "host"}}), "");
}

TEST_F(ServiceGraphsTest, ADatabaseEdgeUsesUpAWaitingServerSpanButNotALaterOne) {
  Send({Service("pg", {Failed(ServerSpan(1, 1))}),
        Service("app", {ClientSpan(1, 1, {{"db.name", "orders"}})})});
  const char* const labels = R"(client="app",connection_type="database",server="orders")";
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(ValuesOf(kServerSeconds), ElementsAre(Pair(labels, 0.5)));
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{database}", 1)));
  Send({Service("pg", {ServerSpan(1, 1)})});
  Pass(kWait);
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{database}", 1),
                                   Pair("expired_spans_total{SPAN_KIND_SERVER}", 1)));
}

TEST_F(ServiceGraphsTest, ADatabaseEdgeUsesUpAnEarlierClientSpanOfItsOwn) {
  Send({Service("app", {Failed(ClientSpan(1, 1)), ClientSpan(1, 1, {{"db.name", "orders"}})})});
  const char* const labels = R"(client="app",connection_type="database",server="orders")";
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{database}", 1)));
}

TEST_F(ServiceGraphsTest, AProducerOrConsumerOnEitherSideMakesAMessagingSystem) {
  Send({Service("app", {OfKind(ClientSpan(1, 1), kSpanKindProducer),
                        OfKind(ClientSpan(1, 2), kSpanKindProducer), ClientSpan(1, 3)}),
        Service("api", {OfKind(ServerSpan(1, 1), kSpanKindConsumer), ServerSpan(1, 2),
                        OfKind(ServerSpan(1, 3), kSpanKindConsumer)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(
                           R"(client="app",connection_type="messaging_system",server="api")", 3)));
  EXPECT_THAT(ValuesOf(kMessagingSeconds), IsEmpty());
}

TEST_F(ServiceGraphsTest, TimeBetweenProducerAndConsumerIsObservedWhenItIsPositive) {
  options_.service_graphs.enable_messaging_system_latency_histogram = true;
  const auto pair = [](int n, const std::string& server, int64_t gap, SpanKind kind) {
    const TestSpan client = OfKind(ClientSpan(1, n), kind);
    TestSpan consumer = OfKind(ServerSpan(1, n), kSpanKindServer);
    consumer.start_nanos = client.end_nanos + static_cast<uint64_t>(gap);
    consumer.end_nanos = consumer.start_nanos + 1;
    return std::vector<TestResource>{Service("app", {client}), Service(server, {consumer})};
  };
  Send(pair(1, "later", 750'000'000, kSpanKindProducer));
  Send(pair(2, "same-time", 0, kSpanKindProducer));
  Send(pair(3, "earlier", -1, kSpanKindProducer));
  Send(pair(4, "call", 750'000'000, kSpanKindClient));
  const char* const labels = R"(client="app",connection_type="messaging_system",server="later")";
  EXPECT_THAT(ValuesOf(kMessagingSeconds), ElementsAre(Pair(labels, 0.75)));
  EXPECT_EQ(Edges().size(), 4);
}

TEST_F(ServiceGraphsTest, SubProcessorsSwitchMetricsOnAlone) {
  const auto metrics = [&](bool request, bool latency, bool info) {
    options_.processors.service_graphs_request = request;
    options_.processors.service_graphs_latency = latency;
    options_.processors.service_graphs_connection_info = info;
    options_.service_graphs.enable_messaging_system_latency_histogram = true;
    Start(nullptr);
    TestSpan producer = Failed(OfKind(ClientSpan(1, 1), kSpanKindProducer));
    producer.end_nanos = producer.start_nanos;
    TestSpan consumer = ServerSpan(1, 1);
    consumer.start_nanos += 1000;
    Send({Service("app", {producer}), Service("api", {consumer})});
    ValuesOf("");
    std::vector<std::string> names;
    for (const auto& [name, series] : sink_.metrics()) {
      if (!series.empty()) names.push_back(name);
    }
    return names;
  };
  EXPECT_THAT(metrics(true, false, false), ElementsAre(kFailedEdges, kEdges));
  EXPECT_THAT(metrics(false, true, false),
              ElementsAre(kClientSeconds, kMessagingSeconds, kServerSeconds));
  EXPECT_THAT(metrics(false, false, true), ElementsAre(kConnectionInfo));
  EXPECT_THAT(metrics(true, true, true), ElementsAre(kConnectionInfo, kClientSeconds, kFailedEdges,
                                                     kMessagingSeconds, kServerSeconds, kEdges));
}

TEST_F(ServiceGraphsTest, ConnectionInfoIsOneHoweverManyRequestsThereAre) {
  options_.processors.service_graphs_connection_info = true;
  Send({Service("app", {ClientSpan(1, 1), ClientSpan(1, 2)}),
        Service("api", {ServerSpan(1, 1), ServerSpan(1, 2)})});
  EXPECT_THAT(ValuesOf(kConnectionInfo), ElementsAre(Pair(kAppToApi, 1)));
}

TEST_F(ServiceGraphsTest, BucketsAreTheConfiguredOnes) {
  options_.service_graphs.histogram_buckets = {0.5, 0.25, 2};
  Send({Service("app", {ClientSpan(1, 1)}), Service("api", {ServerSpan(1, 1)})});
  ValuesOf("");
  EXPECT_THAT(sink_.Find(kServerSeconds, kAppToApi)->cumulative, ElementsAre(1, 1, 1, 1));
  EXPECT_THAT(sink_.Find(kClientSeconds, kAppToApi)->cumulative, ElementsAre(0, 1, 1, 1));
}

TEST_F(ServiceGraphsTest, ExemplarsCarryTheTraceOfTheEdge) {
  Send({Service("app", {ClientSpan(1, 1), ClientSpan(2, 1, {{"peer.service", "p"}})}),
        Service("api", {ServerSpan(1, 1), RootSpan(3)})});
  Pass(kWait);
  ValuesOf("");
  const auto trace_of = [&](const char* labels) {
    const CollectedSeries* series = sink_.Find(kServerSeconds, labels);
    if (series == nullptr || series->exemplars.size() != 1) return std::string();
    return std::string(reinterpret_cast<const char*>(series->exemplars[0].trace_id), kTraceIdSize);
  };
  EXPECT_EQ(trace_of(kAppToApi), TraceIdOf(1));
  EXPECT_EQ(trace_of(R"(client="app",connection_type="virtual_node",server="p")"), TraceIdOf(2));
  EXPECT_EQ(trace_of(R"(client="user",connection_type="virtual_node",server="api")"), TraceIdOf(3));
}

TEST_F(ServiceGraphsTest, AnExplicitMultiplierBeatsAnAbsentOneAndTheLaterTheEarlier) {
  options_.service_graphs.span_multiplier_key = "ratio";
  const auto ratio = [](double v) { return Attributes().Add("ratio", AnyValue::Double(v)); };
  const auto weight = [&](const std::vector<TestResource>& resources) {
    Start(nullptr);
    Send(resources);
    Pass(kWait);
    const Values edges = Edges();
    return edges.size() == 1 ? edges.begin()->second : -1;
  };
  EXPECT_EQ(
      weight({Service("a", {ClientSpan(1, 1, ratio(0.5))}), Service("b", {ServerSpan(1, 1)})}), 2);
  EXPECT_EQ(
      weight({Service("a", {ClientSpan(1, 1)}), Service("b", {ServerSpan(1, 1, ratio(0.25))})}), 4);
  EXPECT_EQ(weight({Service("a", {ClientSpan(1, 1, ratio(0.5))}),
                    Service("b", {ServerSpan(1, 1, ratio(0.25))})}),
            4);
  EXPECT_EQ(weight({Service("b", {ServerSpan(1, 1, ratio(0.25))}),
                    Service("a", {ClientSpan(1, 1, ratio(1))})}),
            1);
  EXPECT_EQ(weight({Service("a", {ClientSpan(1, 1, ratio(0.5)), ClientSpan(1, 1)}),
                    Service("b", {ServerSpan(1, 1)})}),
            2);
  EXPECT_EQ(weight({Service("b", {ServerSpan(1, 1, ratio(0.5))}),
                    Service("a", {ClientSpan(1, 1, {{"db.name", "n"}})})}),
            2);
  EXPECT_EQ(weight({Service("b", {RootSpan(1, ratio(0.5))})}), 2);
  EXPECT_EQ(weight({{{Attributes({{"service.name", "b"}}).Add("ratio", AnyValue::Double(0.2)),
                      {RootSpan(1)}}}}),
            5);
  Attributes virtual_node = ratio(0.5);
  virtual_node.Add("peer.service", "p");
  EXPECT_EQ(weight({Service("a", {Failed(ClientSpan(1, 1, virtual_node))})}), 2);
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(::testing::_, 2)));
  EXPECT_EQ(sink_.metrics().at(kServerSeconds).begin()->second.count(), 2);
  EXPECT_EQ(sink_.metrics().at(kServerSeconds).begin()->second.value, 1);
}

TEST_F(ServiceGraphsTest, MultipliersThatAreTooLargeCountAsAbsentAndAreCounted) {
  options_.service_graphs.span_multiplier_key = "ratio";
  options_.service_graphs.enable_tracestate_span_multiplier = true;
  options_.max_span_multiplier = 100;
  TestSpan root = RootSpan(1, Attributes().Add("ratio", AnyValue::Double(0.001)));
  EXPECT_EQ(Send({Service("a", {root})}).multipliers_rejected, 1);
  EXPECT_THAT(Edges(), ElementsAre(Pair(::testing::_, 1)));
  root.trace_state = "ot=th:8";
  EXPECT_EQ(Send({Service("a", {root})}).multipliers_rejected, 0);
  EXPECT_THAT(Edges(), ElementsAre(Pair(::testing::_, 3)));
}

TEST_F(ServiceGraphsTest, NothingCountsBeforeTheCommit) {
  Send({});
  const Attributes resource_attributes = {{"service.name", "web"}};
  const AttributeValues resource = resource_attributes.Wanted(*index_);
  const AttributeValues none = Attributes().Wanted(*index_);
  const TestSpan root = RootSpan(1);
  const TestSpan client = ClientSpan(1, 1);
  session_->StartRequest();
  session_->StartResource({&resource, {}});
  session_->Span(root.View(&none));
  session_->Span(client.View(&none));
  EXPECT_GT(session_->PendingBytes(), 0);
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), IsEmpty());
  // The request turns out to be broken.
  session_->StartRequest();
  EXPECT_EQ(session_->PendingBytes(), 0);
  session_->Commit();
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), IsEmpty());
}

TEST_F(ServiceGraphsTest, ARequestMayBeCommittedInPartsWithinAResource) {
  Send({});
  const Attributes resource_attributes = {{"service.name", "web"}};
  const AttributeValues resource = resource_attributes.Wanted(*index_);
  const AttributeValues none = Attributes().Wanted(*index_);
  const TestSpan root = RootSpan(1);
  session_->StartRequest();
  session_->StartResource({&resource, {}});
  session_->Span(root.View(&none));
  session_->Commit();
  session_->Span(root.View(&none));
  session_->Commit();
  EXPECT_THAT(Edges(), ElementsAre(Pair(::testing::_, 2)));
}

TEST_F(ServiceGraphsTest, WhenTheStoreIsFullTheOldestGoesAndMakesNoEdge) {
  options_.service_graphs.max_items = 2;
  const Attributes peer = {{"peer.service", "p"}};
  Send({Service("app", {ClientSpan(1, 1, peer), ClientSpan(2, 2, peer), ClientSpan(3, 3, peer)})});
  EXPECT_THAT(Stats(), ElementsAre(Pair("evicted_spans_total", 1), Pair("waiting_spans", 2)));
  Send({Service("api", {ServerSpan(2, 2)})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(kAppToApi, 1)));
  Pass(kWait);
  EXPECT_THAT(Edges(),
              ElementsAre(Pair(R"(client="app",connection_type="virtual_node",server="p")", 1),
                          Pair(kAppToApi, 1)));
}

TEST_F(ServiceGraphsTest, EdgesThatTakeNoRoomLeaveOthersAlone) {
  options_.service_graphs.max_items = 1;
  Send({Service("app", {ClientSpan(1, 1), ClientSpan(1, 2, {{"db.name", "n"}}), RootSpan(1)}),
        Service("api", {ServerSpan(1, 1)})});
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{call}", 1), Pair("edges_total{database}", 1),
                                   Pair("edges_total{virtual_node}", 1)));
}

TEST_F(ServiceGraphsTest, EdgesReachTheLimitsInTheOrderOfTheirCompletion) {
  options_.processors.service_graphs_latency = false;
  options_.max_active_series = 2;
  Send({Service("app", {ClientSpan(1, 1), ClientSpan(2, 2)}), Service("first", {ServerSpan(2, 2)}),
        Service("second", {RootSpan(5)}), Service("third", {ServerSpan(1, 1)})});
  EXPECT_THAT(
      Edges(),
      ElementsAre(Pair(R"(client="app",server="first")", 1),
                  Pair(R"(client="user",connection_type="virtual_node",server="second")", 1),
                  Pair(R"(metric_overflow="true")", 1)));
}

TEST_F(ServiceGraphsTest, FailuresAndMessagesJoinAnAdmittedEdgeEvenPastTheLimit) {
  options_.service_graphs.enable_messaging_system_latency_histogram = true;
  // A counter and two histograms of 9 buckets, 11 series each.
  options_.max_active_series = 23;
  const auto producer = OfKind(ClientSpan(1, 1), kSpanKindProducer);
  TestSpan consumer = ServerSpan(1, 1);
  Send({Service("app", {producer}), Service("api", {consumer})});
  const char* const labels = R"(client="app",connection_type="messaging_system",server="api")";
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(ValuesOf(kMessagingSeconds), IsEmpty());
  consumer.start_nanos = producer.end_nanos + 1'000'000'000;
  Send({Service("app", {Failed(producer)}), Service("api", {consumer})});
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 2)));
  EXPECT_THAT(ValuesOf(kFailedEdges), ElementsAre(Pair(labels, 1)));
  EXPECT_THAT(ValuesOf(kMessagingSeconds), ElementsAre(Pair(labels, 1)));
  EXPECT_EQ(registry_->GetStats().active_series, 23 + 1 + 11);
}

TEST_F(ServiceGraphsTest, ConnectionInfoDoesNotOverflow) {
  options_.processors.service_graphs_latency = false;
  options_.processors.service_graphs_connection_info = true;
  options_.max_active_series = 2;
  Send({Service("app", {RootSpan(1)}), Service("api", {RootSpan(1)})});
  const char* const labels = R"(client="user",connection_type="virtual_node",server="app")";
  EXPECT_THAT(Edges(), ElementsAre(Pair(labels, 1), Pair(R"(metric_overflow="true")", 1)));
  EXPECT_THAT(ValuesOf(kConnectionInfo), ElementsAre(Pair(labels, 1)));
}

}  // namespace
}  // namespace spanmeter::testing
