#include "admin/graph_json.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

namespace spanmeter {

namespace {

constexpr double kShownQuantile = 0.95;

using Edge = ServiceGraph::Edge;

std::string_view KindName(ServiceGraph::Kind kind) {
  switch (kind) {
    case ServiceGraph::Kind::kService:
      break;
    case ServiceGraph::Kind::kDatabase:
      return "database";
    case ServiceGraph::Kind::kMessaging:
      return "messaging";
    case ServiceGraph::Kind::kVirtual:
      return "virtual";
  }
  return "service";
}

Json QuantileOrNull(const LatencyDistribution& seconds) {
  const std::optional<double> quantile = seconds.Quantile(kShownQuantile);
  return quantile ? Json(*quantile) : Json();
}

double Ratio(double part, double whole) { return whole > 0 ? part / whole : 0; }

// What a node answers.
struct Served {
  double requests = 0;
  double rate = 0;
  double failed_rate = 0;
  LatencyDistribution seconds;
};

std::set<std::string> Neighbourhood(const ServiceGraph& graph, const GraphQuestion& question,
                                    bool* truncated) {
  std::multimap<std::string_view, std::string_view> neighbours;
  for (const Edge& edge : graph.edges) {
    neighbours.emplace(edge.key.client, edge.key.server);
    neighbours.emplace(edge.key.server, edge.key.client);
  }
  std::set<std::string> nodes;
  if (!graph.nodes.contains(question.service)) return nodes;
  nodes.insert(question.service);
  std::vector<std::string_view> ring = {question.service};
  for (uint64_t step = 0; step < question.depth && !ring.empty(); ++step) {
    std::vector<std::string_view> next;
    for (const std::string_view node : ring) {
      const auto [begin, end] = neighbours.equal_range(node);
      for (auto it = begin; it != end; ++it) {
        const std::string neighbour(it->second);
        if (nodes.contains(neighbour)) continue;
        if (nodes.size() == question.max_nodes) {
          *truncated = true;
          return nodes;
        }
        nodes.insert(neighbour);
        next.push_back(it->second);
      }
    }
    ring = std::move(next);
  }
  return nodes;
}

std::set<std::string> BusiestNodes(const ServiceGraph& graph, size_t max_nodes) {
  std::vector<const Edge*> edges;
  for (const Edge& edge : graph.edges) edges.push_back(&edge);
  std::stable_sort(edges.begin(), edges.end(),
                   [](const Edge* a, const Edge* b) { return a->rate > b->rate; });
  std::set<std::string> nodes;
  for (const Edge* edge : edges) {
    const size_t more =
        (nodes.contains(edge->key.client) ? 0U : 1U) + (nodes.contains(edge->key.server) ? 0U : 1U);
    if (nodes.size() + more > max_nodes) continue;
    nodes.insert(edge->key.client);
    nodes.insert(edge->key.server);
  }
  return nodes;
}

Json EdgeJson(const Edge& edge) {
  return {{"client", edge.key.client},
          {"server", edge.key.server},
          {"type", edge.key.type},
          {"requests", edge.requests},
          {"failed", edge.failed},
          {"rate", edge.rate},
          {"error_ratio", Ratio(edge.failed_rate, edge.rate)},
          {"p95_client_seconds", QuantileOrNull(edge.client_seconds)},
          {"p95_server_seconds", QuantileOrNull(edge.server_seconds)}};
}

}  // namespace

Json ServiceGraphJson(const ServiceGraph& graph, const GraphQuestion& question) {
  bool truncated = graph.truncated;
  std::set<std::string> shown;
  if (!question.service.empty()) {
    shown = Neighbourhood(graph, question, &truncated);
  } else if (graph.nodes.size() > question.max_nodes) {
    shown = BusiestNodes(graph, question.max_nodes);
    truncated = true;
  } else {
    for (const auto& [name, kind] : graph.nodes) shown.insert(name);
  }

  std::map<std::string_view, Served> served;
  Json edges = Json::array();
  for (const Edge& edge : graph.edges) {
    if (!shown.contains(edge.key.server)) continue;
    // Also requests from nodes that are not shown.
    Served& node = served[edge.key.server];
    node.requests += edge.requests;
    node.rate += edge.rate;
    node.failed_rate += edge.failed_rate;
    node.seconds.Add(edge.server_seconds);
    if (shown.contains(edge.key.client)) edges.push_back(EdgeJson(edge));
  }
  Json nodes = Json::array();
  for (const std::string& name : shown) {
    const Served& node = served[name];
    nodes.push_back({{"id", name},
                     {"kind", KindName(graph.nodes.at(name))},
                     {"rate", node.rate},
                     {"error_ratio", Ratio(node.failed_rate, node.rate)},
                     {"p95_seconds", QuantileOrNull(node.seconds)},
                     {"requests", node.requests}});
  }
  return {{"nodes", std::move(nodes)},
          {"edges", std::move(edges)},
          {"window_seconds", graph.window_seconds},
          {"truncated", truncated}};
}

}  // namespace spanmeter
