#include "admin/service_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "admin/graph_json.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class ServiceGraphTest : public ::testing::Test {
 protected:
  ServiceGraphTest() {
    GeneratorOptions options;
    options.stale_duration = int64_t{86'400} * kNanosPerSecond;
    registry_ = std::make_unique<Registry>(options, &clock_);
    FamilyOptions edges;
    edges.labels = {{"client", {}},
                    {"server", {}},
                    {"connection_type", {}},
                    {"virtual_node", {}},
                    {"zone", {}}};
    edges.metrics = {
        {"traces_service_graph_request_server_seconds", "", MetricType::kHistogram, {0.1, 1}},
        {"traces_service_graph_request_client_seconds", "", MetricType::kHistogram, {0.1, 1}},
        {"traces_service_graph_request_total", "", MetricType::kCounter, {}},
        {"traces_service_graph_request_failed_total", "", MetricType::kCounter, {}}};
    edges.metrics[3].joins = true;
    family_ = registry_->AddFamily(edges);
    // Not what the graph is made of.
    FamilyOptions others;
    others.labels = {{"client", {}}, {"server", {}}};
    others.metrics = {{"calls_total", "", MetricType::kCounter, {}}};
    registry_->AddFamily(others);
  }

  struct Call {
    std::string type = {};
    std::string virtual_node = {};
    std::string zone = {};
    int times = 1;
    int failed = 0;
    double seconds = 0.5;
  };
  void Add(const std::string& client, const std::string& server) { Add(client, server, Call()); }
  void Add(const std::string& client, const std::string& server, const Call& call) {
    for (int i = 0; i < call.times; ++i) {
      UpdateBatch batch;
      batch.BeginKey();
      for (const std::string& value : {client, server, call.type, call.virtual_node, call.zone}) {
        batch.AppendText(value);
      }
      Update& update = batch.Add(family_);
      update.metrics = i < call.failed ? 15 : 7;
      update.values = {call.seconds, call.seconds * 1.5, 1, 1};
      registry_->Apply(&batch);
    }
  }

  GraphSnapshot Snapshot() { return TakeGraphSnapshot(registry_.get(), &clock_, limits_); }
  ServiceGraph Graph(const GraphSnapshot* before = nullptr) {
    return MakeServiceGraph(Snapshot(), before);
  }
  std::map<std::string, std::string> Kinds() {
    std::map<std::string, std::string> kinds;
    const Json json = ServiceGraphJson(Graph(), {});
    for (const Json& node : json["nodes"]) kinds[node["id"]] = node["kind"];
    return kinds;
  }
  std::vector<std::string> Nodes(const GraphQuestion& question) {
    std::vector<std::string> nodes;
    json_ = ServiceGraphJson(Graph(), question);
    for (const Json& node : json_["nodes"]) nodes.push_back(node["id"]);
    return nodes;
  }

  FakeClock clock_;
  AnalysisLimits limits_;
  std::unique_ptr<Registry> registry_;
  FamilyId family_ = 0;
  Json json_;
};

TEST_F(ServiceGraphTest, LabelSetsOfOneEdgeAddUp) {
  Add("a", "b", {.zone = "x", .times = 6, .failed = 2});
  Add("a", "b", {.zone = "y", .times = 4});
  clock_.Advance(20 * kNanosPerSecond);
  const Json json = ServiceGraphJson(Graph(), {});
  const double p95 = json["edges"][0]["p95_client_seconds"];
  EXPECT_DOUBLE_EQ(p95, 0.955);
  EXPECT_EQ(json["edges"], Json::array({{{"client", "a"},
                                         {"server", "b"},
                                         {"type", ""},
                                         {"requests", 10.0},
                                         {"failed", 2.0},
                                         {"rate", 0.5},
                                         {"error_ratio", 0.2},
                                         {"p95_client_seconds", p95},
                                         {"p95_server_seconds", p95}}}));
  EXPECT_EQ(json["window_seconds"], 20);
  EXPECT_EQ(json["truncated"], false);
}

TEST_F(ServiceGraphTest, ANodeSaysHowItAnswers) {
  Add("a", "c", {.times = 30, .seconds = 0.05});
  Add("b", "c", {.times = 10, .failed = 10, .seconds = 0.5});
  clock_.Advance(10 * kNanosPerSecond);
  const Json nodes = ServiceGraphJson(Graph(), {})["nodes"];
  ASSERT_EQ(nodes.size(), 3u);
  EXPECT_EQ(nodes[0], Json({{"id", "a"},
                            {"kind", "service"},
                            {"rate", 0.0},
                            {"error_ratio", 0.0},
                            {"p95_seconds", nullptr},
                            {"requests", 0.0}}));
  EXPECT_EQ(nodes[2]["id"], "c");
  EXPECT_EQ(nodes[2]["rate"], 4);
  EXPECT_EQ(nodes[2]["error_ratio"], 0.25);
  EXPECT_EQ(nodes[2]["requests"], 40);
  // The 38th of 40, eight tenths into the ten of (0.1, 1].
  EXPECT_DOUBLE_EQ(nodes[2]["p95_seconds"], 0.1 + 0.9 * 0.8);
}

TEST_F(ServiceGraphTest, RatesAreOfTheWindowSinceTheSnapshotBefore) {
  Add("a", "b", {.times = 1000, .seconds = 5});
  clock_.Advance(3600 * kNanosPerSecond);
  const GraphSnapshot before = Snapshot();
  clock_.Advance(20 * kNanosPerSecond);
  Add("a", "b", {.times = 40, .failed = 10, .seconds = 0.05});
  Add("a", "new", {.times = 30});
  clock_.Advance(10 * kNanosPerSecond);
  const ServiceGraph graph = Graph(&before);
  EXPECT_EQ(graph.window_seconds, 30);
  ASSERT_EQ(graph.edges.size(), 2u);
  EXPECT_EQ(graph.edges[0].requests, 1040);
  EXPECT_DOUBLE_EQ(graph.edges[0].rate, 40 / 30.0);
  EXPECT_DOUBLE_EQ(graph.edges[0].failed_rate, 10 / 30.0);
  EXPECT_DOUBLE_EQ(*graph.edges[0].server_seconds.Quantile(0.95), 0.095);
  // Since it began.
  EXPECT_EQ(graph.edges[1].rate, 3);
}

TEST_F(ServiceGraphTest, AnEdgeThatBeganAnewIsLookedAtSinceThen) {
  Add("a", "b", {.times = 100});
  const GraphSnapshot before = Snapshot();
  clock_.Advance(int64_t{86'400} * kNanosPerSecond);  // it ends
  Add("a", "b", {.times = 20});
  clock_.Advance(10 * kNanosPerSecond);
  EXPECT_EQ(Graph(&before).edges[0].rate, 2);
}

TEST_F(ServiceGraphTest, AnEdgeWithoutRequestsInTheWindowHasNoQuantile) {
  Add("a", "b", {.times = 100});
  clock_.Advance(100 * kNanosPerSecond);
  const GraphSnapshot before = Snapshot();
  clock_.Advance(30 * kNanosPerSecond);
  const Json edge = ServiceGraphJson(Graph(&before), {})["edges"][0];
  EXPECT_EQ(edge["rate"], 0);
  EXPECT_EQ(edge["error_ratio"], 0);
  EXPECT_EQ(edge["p95_server_seconds"], nullptr);
  EXPECT_EQ(edge["requests"], 100);
}

TEST_F(ServiceGraphTest, KindsFollowFromTheTypesOfEdges) {
  Add("user", "web", {.type = "virtual_node"});
  Add("web", "cart");
  Add("cart", "postgres", {.type = "database"});
  Add("cart", "mailer", {.type = "messaging_system"});
  Add("web", "pay.example.com", {.type = "virtual_node"});
  Add("gateway", "web", {.type = "virtual_node", .virtual_node = "client"});
  Add("cart", "billing", {.type = "messaging_system"});
  Add("billing", "ledger");
  const std::map<std::string, std::string> expected = {
      {"user", "virtual"},      {"web", "service"},      {"cart", "service"},
      {"postgres", "database"}, {"mailer", "messaging"}, {"pay.example.com", "virtual"},
      {"gateway", "virtual"},   {"billing", "service"},  {"ledger", "service"}};
  EXPECT_EQ(Kinds(), expected);
}

TEST_F(ServiceGraphTest, ANodeWithSpansOfItsOwnIsAServiceWhateverElseItIs) {
  Add("web", "cart", {.type = "virtual_node", .virtual_node = "server"});
  Add("cart", "redis");
  Add("web", "redis", {.type = "database"});
  // The peer's name without the label that tells the side: web has spans, so it is the other one.
  Add("edge", "web", {.type = "virtual_node"});
  const std::map<std::string, std::string> expected = {
      {"web", "service"}, {"cart", "service"}, {"redis", "service"}, {"edge", "virtual"}};
  EXPECT_EQ(Kinds(), expected);
}

TEST_F(ServiceGraphTest, TheNeighbourhoodFollowsEdgesBothWays) {
  Add("a", "b");
  Add("b", "c");
  Add("c", "d");
  Add("x", "c");
  Add("y", "z");
  EXPECT_THAT(Nodes({"c", 1}), ElementsAre("b", "c", "d", "x"));
  EXPECT_THAT(Nodes({"c", 2}), ElementsAre("a", "b", "c", "d", "x"));
  EXPECT_EQ(json_["edges"].size(), 4u);
  EXPECT_THAT(Nodes({"y", 10}), ElementsAre("y", "z"));
  EXPECT_THAT(Nodes({"nobody", 1}), IsEmpty());
  EXPECT_THAT(Nodes({"", 1}), ElementsAre("a", "b", "c", "d", "x", "y", "z"));
}

TEST_F(ServiceGraphTest, WithTooManyNodesTheBusiestEdgesAreShown) {
  Add("a", "b", {.times = 1});
  Add("c", "d", {.times = 5});
  Add("d", "e", {.times = 3});
  clock_.Advance(10 * kNanosPerSecond);
  EXPECT_THAT(Nodes({"", 1, 3}), ElementsAre("c", "d", "e"));
  EXPECT_EQ(json_["truncated"], true);
  EXPECT_THAT(Nodes({"d", 5, 2}).size(), 2u);
  EXPECT_EQ(json_["truncated"], true);
}

TEST_F(ServiceGraphTest, EdgesAreBounded) {
  for (int i = 0; i < 20; ++i) Add("a", "b" + std::to_string(i));
  limits_.edges = 10;
  EXPECT_EQ(Snapshot().edges.size(), 10u);
  EXPECT_TRUE(Snapshot().truncated);
}

TEST_F(ServiceGraphTest, NamesAreShownAsTheyWereSent) {
  Add("a\"b\\c\nd", "<e>");
  EXPECT_THAT(Nodes({}), ElementsAre("<e>", "a\"b\\c\nd"));
}

TEST_F(ServiceGraphTest, TheHistoryComparesWithTheOldestOfTheLastMinutes) {
  GraphHistory history;
  EXPECT_EQ(history.Before(clock_.MonotonicNanos()), nullptr);
  const int64_t start = clock_.MonotonicNanos();
  const auto add = [&] { history.Add(std::make_shared<const GraphSnapshot>(Snapshot())); };
  add();
  EXPECT_EQ(history.Before(start + 9 * kNanosPerSecond), nullptr);  // too short
  EXPECT_EQ(history.Before(start + 10 * kNanosPerSecond)->nanos, start);
  for (int i = 0; i < 60; ++i) {
    clock_.Advance(5 * kNanosPerSecond);
    add();
  }
  const int64_t now = clock_.MonotonicNanos();
  const int64_t window = now - history.Before(now)->nanos;
  EXPECT_GE(window, 60 * kNanosPerSecond);
  EXPECT_LE(window, 120 * kNanosPerSecond);
  // Nobody asked for an hour: better an old one than none.
  EXPECT_NE(history.Before(now + 3600 * kNanosPerSecond), nullptr);
}

}  // namespace
}  // namespace spanmeter
