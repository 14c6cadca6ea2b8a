// The labels of edges: dimensions, names that collide, cutting, UTF-8; what is wrong with options.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/service_graphs_fixture.h"

namespace spanmeter::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;

constexpr int64_t kWait = 10 * kNanosPerSecond;

class ServiceGraphsLabelsTest : public ServiceGraphsTest {
 protected:
  // Sends a pair of spans with these attributes, the client's first or last, to a new processor,
  // and returns the labels of the edges.
  std::vector<std::string> LabelsOf(const Attributes& client, const Attributes& server,
                                    bool client_first = true) {
    Start(nullptr);
    const TestResource app = Service("app", {ClientSpan(1, 1, client)});
    const TestResource api = Service("api", {ServerSpan(1, 1, server)});
    Send(client_first ? std::vector{app, api} : std::vector{api, app});
    return Labels();
  }
  std::vector<std::string> Labels() {
    std::vector<std::string> labels;
    for (const auto& [text, value] : Edges()) labels.push_back(text);
    return labels;
  }
  std::vector<std::string> Problems() {
    std::vector<std::string> problems;
    for (const OptionProblem& problem : ValidateServiceGraphs(options_)) {
      problems.push_back(problem.path + ": " + problem.problem);
    }
    return problems;
  }
  std::vector<std::string>& dimensions() { return options_.service_graphs.dimensions; }
};

TEST_F(ServiceGraphsLabelsTest, TheServersDimensionWinsWhateverComesFirst) {
  dimensions() = {"env", "http.method"};
  for (const bool client_first : {true, false}) {
    EXPECT_THAT(LabelsOf({{"env", "c"}, {"http.method", "GET"}}, {{"env", "s"}}, client_first),
                ElementsAre(R"(client="app",env="s",http_method="GET",server="api")"));
    EXPECT_THAT(LabelsOf({{"env", "c"}}, {{"env", ""}, {"http.method", "GET"}}, client_first),
                ElementsAre(R"(client="app",env="c",http_method="GET",server="api")"));
  }
}

TEST_F(ServiceGraphsLabelsTest, ResourceAttributesComeBeforeTheSpansOwn) {
  dimensions() = {"env", "zone"};
  Send({{{{"service.name", "web"}, {"env", "resource"}, {"zone", ""}},
         {RootSpan(1, {{"env", "span"}, {"zone", "span"}})}}});
  EXPECT_THAT(Labels(), ElementsAre(R"(client="user",connection_type="virtual_node",)"
                                    R"(env="resource",server="web",zone="span")"));
}

TEST_F(ServiceGraphsLabelsTest, OfRepeatedSidesTheLastNonEmptyDimensionCounts) {
  dimensions() = {"a", "b"};
  Send({Service("app", {ClientSpan(1, 1, {{"a", "1"}, {"b", "1"}}),
                        ClientSpan(1, 1, {{"b", "longer"}}), ClientSpan(1, 1, {{"b", ""}})}),
        Service("api", {ServerSpan(1, 1)})});
  EXPECT_THAT(Labels(), ElementsAre(R"(a="1",b="longer",client="app",server="api")"));
}

TEST_F(ServiceGraphsLabelsTest, OfDimensionsThatSanitizeAlikeTheLastWithAValueCounts) {
  dimensions() = {"a.b", "a_b"};
  EXPECT_THAT(LabelsOf({{"a_b", "last"}}, {{"a.b", "first"}}),
              ElementsAre(R"(a_b="last",client="app",server="api")"));
  EXPECT_THAT(LabelsOf({{"a_b", ""}}, {{"a.b", "first"}}),
              ElementsAre(R"(a_b="first",client="app",server="api")"));
}

TEST_F(ServiceGraphsLabelsTest, WithPrefixEachSideHasItsOwnLabels) {
  dimensions() = {"env", "1st", "server"};
  options_.service_graphs.enable_client_server_prefix = true;
  EXPECT_THAT(LabelsOf({{"env", "c"}, {"1st", "x"}, {"server", "y"}}, {{"env", "s"}}),
              ElementsAre(R"(client="app",client_1st="x",client_env="c",client_server="y",)"
                          R"(server="api",server_env="s")"));
}

TEST_F(ServiceGraphsLabelsTest, NamesAreSanitizedAndOursKeptByAPrefix) {
  dimensions() = {"client", "server", "connection.type", "virtual_node", "1st", "ä-b"};
  EXPECT_THAT(LabelsOf({{"client", "1"},
                        {"server", "2"},
                        {"connection.type", "3"},
                        {"virtual_node", "4"},
                        {"1st", "5"},
                        {"ä-b", "6"}},
                       {}),
              ElementsAre(R"(_1st="5",__b="6",__client="1",__connection_type="3",__server="2",)"
                          R"(__virtual_node="4",client="app",server="api")"));
}

TEST_F(ServiceGraphsLabelsTest, TheVirtualNodeLabelSaysWhichSideIsMadeUp) {
  options_.service_graphs.enable_virtual_node_label = true;
  for (const bool prefix : {false, true}) {
    options_.service_graphs.enable_client_server_prefix = prefix;
    Start(nullptr);
    Send({Service("app", {ClientSpan(1, 1), ClientSpan(1, 2, {{"peer.service", "stripe"}}),
                          ClientSpan(1, 3, {{"db.name", "n"}})}),
          Service("api", {ServerSpan(1, 1), RootSpan(1)})});
    Pass(kWait);
    EXPECT_THAT(Labels(),
                ElementsAre(R"(client="app",connection_type="database",server="n")",
                            R"(client="app",connection_type="virtual_node",server="stripe",)"
                            R"(virtual_node="server")",
                            R"(client="app",server="api")",
                            R"(client="user",connection_type="virtual_node",server="api",)"
                            R"(virtual_node="client")"));
  }
}

TEST_F(ServiceGraphsLabelsTest, AnAttributeVirtualNodeShowsOnRealEdges) {
  options_.service_graphs.enable_virtual_node_label = true;
  EXPECT_THAT(LabelsOf({{"virtual_node", "attribute"}}, {}),
              ElementsAre(R"(client="app",server="api",virtual_node="attribute")"));
  Start(nullptr);
  Send({Service("api", {RootSpan(1, {{"virtual_node", "attribute"}})})});
  EXPECT_THAT(Labels(), ElementsAre(R"(client="user",connection_type="virtual_node",)"
                                    R"(server="api",virtual_node="client")"));
  options_.service_graphs.enable_virtual_node_label = false;
  EXPECT_THAT(LabelsOf({{"virtual_node", "attribute"}}, {}),
              ElementsAre(R"(client="app",server="api")"));
}

TEST_F(ServiceGraphsLabelsTest, ExternalLabelsReplaceLabelsOfTheirName) {
  dimensions() = {"env", "zone"};
  options_.external_labels = {{"env", "prod"}, {"client", "external"}, {"zone", ""}};
  EXPECT_THAT(LabelsOf({{"env", "c"}, {"zone", "z"}}, {}),
              ElementsAre(R"(client="external",env="prod",server="api",zone="z")"));
  options_.service_graphs.enable_client_server_prefix = true;
  options_.external_labels = {{"server_env", "prod"}};
  EXPECT_THAT(LabelsOf({{"env", "c"}}, {{"env", "s"}}),
              ElementsAre(R"(client="app",client_env="c",server="api",server_env="prod")"));
}

TEST_F(ServiceGraphsLabelsTest, NamesOfDimensionsAreCutAndOursAreNot) {
  options_.max_label_name_length = 6;
  dimensions() = {"environment", "environs", "server.id"};
  // What is cut to `server` loses to ours.
  Send({Service("app", {ClientSpan(1, 1, {{"environment", "first"}, {"server.id", "x"}}),
                        ClientSpan(1, 2, {{"environs", "last"}, {"db.name", "n"}})}),
        Service("api", {ServerSpan(1, 1)})});
  EXPECT_THAT(Labels(),
              ElementsAre(R"(client="app",connection_type="database",enviro="last",server="n")",
                          R"(client="app",enviro="first",server="api")"));
}

TEST_F(ServiceGraphsLabelsTest, ExternalLabelsReplaceDimensionsBeforeTheyAreCut) {
  options_.max_label_name_length = 6;
  options_.external_labels = {{"environment", "x"}, {"server_id", "y"}};
  dimensions() = {"environment"};
  EXPECT_THAT(LabelsOf({{"environment", "c"}}, {}),
              ElementsAre(R"(client="app",environment="x",server="api",server_id="y")"));
}

TEST_F(ServiceGraphsLabelsTest, ValuesAreCutBetweenCharacters) {
  options_.max_label_value_length = 4;
  dimensions() = {"env"};
  Send({Service(
            "application",
            {ClientSpan(1, 1, {{"env", "abcä"}}), ClientSpan(1, 2, {{"peer.service", "stripe"}}),
             ClientSpan(1, 3, {{"db.name", "orders"}}),
             ClientSpan(
                 1, 4,
                 {{"db.name", "n"}, {"network.peer.address", "ip"}, {"network.peer.port", "80"}})}),
        Service("backend", {ServerSpan(1, 1), RootSpan(1)})});
  Pass(kWait);
  EXPECT_THAT(Labels(),
              ElementsAre(R"(client="appl",connection_type="database",server="ip:8")",
                          R"(client="appl",connection_type="database",server="orde")",
                          R"(client="appl",connection_type="virtual_node",server="stri")",
                          R"(client="appl",env="abc",server="back")",
                          R"(client="user",connection_type="virtual_node",server="back")"));
}

TEST_F(ServiceGraphsLabelsTest, AnEdgeThatIsNotUtf8IsDiscardedWhenItWouldBeRecorded) {
  dimensions() = {"env"};
  const Attributes bad = {{"env", "\xff"}};
  ProcessorCounts counts = Send({Service("app", {ClientSpan(1, 1, bad), ClientSpan(1, 2)})});
  EXPECT_EQ(Discarded(counts, DiscardReason::kInvalidUtf8), 0);
  counts = Send({Service("api", {ServerSpan(1, 1), ServerSpan(1, 2)})});
  EXPECT_EQ(Discarded(counts, DiscardReason::kInvalidUtf8), 1);
  EXPECT_THAT(Edges(), ElementsAre(Pair(R"(client="app",server="api")", 1)));
  EXPECT_THAT(Stats(), ElementsAre(Pair("edges_total{call}", 1)));
}

TEST_F(ServiceGraphsLabelsTest, ValuesThatDoNotEndUpInTheEdgeMayBeAnything) {
  dimensions() = {"env"};
  const Attributes bad = {{"env", "\xff"}, {"peer.service", "\xff"}};
  EXPECT_THAT(LabelsOf(bad, {{"env", "s"}}), ElementsAre(R"(client="app",env="s",server="api")"));
}

TEST_F(ServiceGraphsLabelsTest, AVirtualEdgeThatIsNotUtf8IsCountedWhenItExpires) {
  Send({Service("app", {ClientSpan(1, 1, {{"peer.service", "\xff"}})})});
  Pass(kWait);
  EXPECT_THAT(Edges(), IsEmpty());
  EXPECT_THAT(Stats(), ElementsAre(Pair("invalid_utf8_total", 1)));
}

TEST_F(ServiceGraphsLabelsTest, TheDefaultsAreValid) { EXPECT_THAT(Problems(), IsEmpty()); }

TEST_F(ServiceGraphsLabelsTest, ReservedAndEmptyDimensionsAreProblems) {
  dimensions() = {"le", "", "__name__", "metric.overflow", "fine"};
  for (const bool prefix : {false, true}) {
    options_.service_graphs.enable_client_server_prefix = prefix;
    EXPECT_THAT(Problems(),
                ::testing::UnorderedElementsAre(
                    R"(service_graphs.dimensions[0]: "le" becomes the label "le", which is )"
                    R"(reserved; choose another one)",
                    "service_graphs.dimensions[1]: a dimension must not be empty; name the "
                    "attribute whose value becomes a label",
                    HasSubstr(R"(dimensions[2]: "__name__" becomes the label "__name__", which)"),
                    HasSubstr(R"(dimensions[3]: "metric.overflow" becomes)")));
  }
}

TEST_F(ServiceGraphsLabelsTest, ANameThatIsReservedOnceItIsCutIsAProblem) {
  dimensions() = {"length"};
  options_.max_label_name_length = 2;
  EXPECT_THAT(Problems(),
              ElementsAre(HasSubstr(R"("length" becomes the label "le" when it is cut to )")));
}

TEST_F(ServiceGraphsLabelsTest, BucketsAttributesAndFiltersAreChecked) {
  ServiceGraphsOptions& service_graphs = options_.service_graphs;
  service_graphs.histogram_buckets = {1, 2, 1};
  service_graphs.peer_attributes = {"a", ""};
  service_graphs.database_name_attributes = {""};
  service_graphs.filter_policies = {FilterPolicy()};
  EXPECT_THAT(
      Problems(),
      ElementsAre(HasSubstr("service_graphs.histogram_buckets[2]: is the same bound"),
                  "service_graphs.peer_attributes[1]: an attribute must not be empty; name one, "
                  "with its dots",
                  HasSubstr("service_graphs.database_name_attributes[0]: "),
                  HasSubstr("service_graphs.filter_policies[0]: ")));
}

}  // namespace
}  // namespace spanmeter::testing
