#include "admin/service_graph.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "spanmeter/label_reader.h"
#include "spanmeter/naming.h"

namespace spanmeter {

namespace {

constexpr std::string_view kDatabase = "database";
constexpr std::string_view kMessaging = "messaging_system";
constexpr std::string_view kVirtualNode = "virtual_node";
// The client of requests that came from outside.
constexpr std::string_view kUser = "user";
// A rate over less would jump.
constexpr double kMinSeconds = 1;

// Snapshots are kept this far apart, and this long.
constexpr int64_t kSnapshotNanos = 30 * kNanosPerSecond;
constexpr int64_t kMinWindowNanos = 10 * kNanosPerSecond;
constexpr int64_t kMaxWindowNanos = 120 * kNanosPerSecond;
constexpr size_t kMaxSnapshots = 4;

class GraphVisitor final : public BoundedVisitor {
 public:
  GraphVisitor(const Clock* clock, const AnalysisLimits& limits, GraphSnapshot* snapshot)
      : BoundedVisitor(clock, limits.walk_nanos), limits_(limits), snapshot_(*snapshot) {}

  bool BeginFamily(const WalkedFamily& family) override {
    if (family.metrics.empty()) return false;
    names_ = NamesOfEdgeMetric(family.metrics[0].name);
    if (names_ == nullptr) return false;
    const std::array<std::string_view, kWhats> whats = {
        names_->server_seconds, names_->client_seconds, names_->requests, names_->failed_requests};
    places_.fill(kNone);
    bounds_ = {};
    for (size_t i = 0; i < family.metrics.size(); ++i) {
      const MetricInfo& metric = family.metrics[i];
      const auto found = std::find(whats.begin(), whats.end(), metric.name);
      if (found == whats.end()) continue;
      const auto what = static_cast<size_t>(found - whats.begin());
      places_[what] = i;
      bounds_[what] = std::make_shared<const std::vector<double>>(metric.bounds);
    }
    return true;
  }

  void Look(const WalkedLabelSet& label_set, LabelSetReader* reader) override {
    if (label_set.is_overflow) return;
    EdgeKey key;
    bool virtual_client = false;
    bool virtual_server = false;
    LabelReader labels(label_set.labels);
    while (labels.Next()) {
      if (labels.name() == names_->client) {
        key.client = Unescaped(labels.escaped_value());
      } else if (labels.name() == names_->server) {
        key.server = Unescaped(labels.escaped_value());
      } else if (labels.name() == names_->connection_type) {
        key.type = labels.escaped_value();
      } else if (labels.name() == names_->virtual_node) {
        virtual_client = labels.escaped_value() == "client";
        virtual_server = labels.escaped_value() == "server";
      }
    }
    // Relabelling can take them away.
    if (key.client.empty() || key.server.empty()) return;
    auto found = snapshot_.edges.find(key);
    if (found == snapshot_.edges.end()) {
      if (snapshot_.edges.size() == limits_.edges) {
        snapshot_.truncated = true;
        return;
      }
      found = snapshot_.edges.emplace(std::move(key), EdgeTotals()).first;
      found->second.born_ms = label_set.born_ms;
    }
    EdgeTotals& edge = found->second;
    edge.born_ms = std::min(edge.born_ms, label_set.born_ms);
    edge.virtual_client = edge.virtual_client || virtual_client;
    edge.virtual_server = edge.virtual_server || virtual_server;
    reader->Read(label_set, &values_);
    Add(&edge);
  }

 private:
  static constexpr size_t kNone = SIZE_MAX;
  enum What : uint8_t { kServerTime, kClientTime, kAllRequests, kFailedRequests, kWhats };

  const LabelSetValues::Metric* Value(What what) const {
    if (places_[what] == kNone || !values_.metrics[places_[what]].present) return nullptr;
    return &values_.metrics[places_[what]];
  }
  void Add(EdgeTotals* edge) {
    if (const auto* value = Value(kServerTime)) {
      edge->server_seconds.Add(bounds_[kServerTime], *value);
      // The requests, when nothing else counts them.
      if (places_[kAllRequests] == kNone) edge->requests = edge->server_seconds.count();
    }
    if (const auto* value = Value(kClientTime)) {
      edge->client_seconds.Add(bounds_[kClientTime], *value);
    }
    if (const auto* value = Value(kAllRequests)) edge->requests += value->value;
    if (const auto* value = Value(kFailedRequests)) edge->failed += value->value;
  }

  const AnalysisLimits& limits_;
  GraphSnapshot& snapshot_;
  const MetricNames* names_ = nullptr;  // of the family
  std::array<size_t, kWhats> places_ = {};
  std::array<LatencyDistribution::Bounds, kWhats> bounds_;
  LabelSetValues values_;
};

// What the edges say of a node.
struct NodeFacts {
  bool is_service = false;  // spans of its own were seen
  bool is_database = false;
  bool is_virtual = false;
  bool takes_messages = false;
  bool has_calls = false;
};

ServiceGraph::Kind KindOf(const NodeFacts& facts) {
  if (facts.is_database && !facts.is_service) return ServiceGraph::Kind::kDatabase;
  if (facts.is_virtual && !facts.is_service) return ServiceGraph::Kind::kVirtual;
  if (facts.takes_messages && !facts.has_calls) return ServiceGraph::Kind::kMessaging;
  return ServiceGraph::Kind::kService;
}

std::map<std::string, ServiceGraph::Kind> NodesOf(const GraphSnapshot& snapshot) {
  std::map<std::string, NodeFacts> facts;
  for (const auto& [key, edge] : snapshot.edges) {
    NodeFacts& client = facts[key.client];
    NodeFacts& server = facts[key.server];
    if (key.type == kDatabase) {
      client.is_service = client.has_calls = true;
      server.is_database = true;
    } else if (key.type != kVirtualNode) {
      client.is_service = server.is_service = true;
      const bool is_message = key.type == kMessaging;
      client.has_calls = client.has_calls || !is_message;
      server.has_calls = server.has_calls || !is_message;
      server.takes_messages = server.takes_messages || is_message;
    } else if (edge.virtual_client || edge.virtual_server || key.client == kUser) {
      const bool by_client = edge.virtual_client || !edge.virtual_server;
      (by_client ? client : server).is_virtual = true;
      (by_client ? server : client).is_service = true;
      (by_client ? server : client).has_calls = true;
    }
  }
  // Which side of these is the one that no span came from shows in the other edges; without any,
  // it is the server.
  for (const auto& [key, edge] : snapshot.edges) {
    if (key.type != kVirtualNode || edge.virtual_client || edge.virtual_server ||
        key.client == kUser) {
      continue;
    }
    NodeFacts& client = facts[key.client];
    NodeFacts& server = facts[key.server];
    (server.is_service && !client.is_service ? client : server).is_virtual = true;
  }
  std::map<std::string, ServiceGraph::Kind> nodes;
  for (const auto& [name, node] : facts) nodes[name] = KindOf(node);
  return nodes;
}

}  // namespace

GraphSnapshot TakeGraphSnapshot(Registry* registry, const Clock* clock,
                                const AnalysisLimits& limits) {
  GraphSnapshot snapshot;
  snapshot.nanos = clock->MonotonicNanos();
  snapshot.wall_ms = clock->WallNanos() / kNanosPerMilli;
  GraphVisitor visitor(clock, limits, &snapshot);
  registry->Walk(WalkScope::kAll, &visitor);
  snapshot.truncated = snapshot.truncated || visitor.truncated();
  return snapshot;
}

ServiceGraph MakeServiceGraph(const GraphSnapshot& now, const GraphSnapshot* before) {
  ServiceGraph graph;
  graph.truncated = now.truncated;
  graph.nodes = NodesOf(now);
  if (before != nullptr) {
    graph.window_seconds = static_cast<double>(now.nanos - before->nanos) / kNanosPerSecond;
  }
  for (const auto& [key, totals] : now.edges) {
    ServiceGraph::Edge& edge = graph.edges.emplace_back();
    edge.key = key;
    edge.requests = totals.requests;
    edge.failed = totals.failed;
    edge.client_seconds = totals.client_seconds;
    edge.server_seconds = totals.server_seconds;
    double requests = totals.requests;
    double failed = totals.failed;
    double seconds = static_cast<double>(now.wall_ms - totals.born_ms) / 1000;
    const EdgeTotals* old = nullptr;
    if (before != nullptr) {
      const auto found = before->edges.find(key);
      // Fewer than before: the series ended, and others of the same labels began.
      if (found != before->edges.end() && found->second.requests <= totals.requests &&
          found->second.failed <= totals.failed) {
        old = &found->second;
      }
    }
    if (old != nullptr) {
      requests -= old->requests;
      failed -= old->failed;
      seconds = graph.window_seconds;
      edge.client_seconds.Subtract(old->client_seconds);
      edge.server_seconds.Subtract(old->server_seconds);
    } else if (before == nullptr) {
      graph.window_seconds = std::max(graph.window_seconds, seconds);
    }
    seconds = std::max(seconds, kMinSeconds);
    edge.rate = requests / seconds;
    edge.failed_rate = failed / seconds;
  }
  return graph;
}

const GraphSnapshot* GraphHistory::Before(int64_t now_nanos) const {
  const GraphSnapshot* youngest = nullptr;
  for (const auto& snapshot : snapshots_) {
    const int64_t age = now_nanos - snapshot->nanos;
    if (age < kMinWindowNanos) continue;
    if (age <= kMaxWindowNanos) return snapshot.get();
    youngest = snapshot.get();
  }
  return youngest;
}

void GraphHistory::Add(std::shared_ptr<const GraphSnapshot> snapshot) {
  if (!snapshots_.empty() && snapshot->nanos - snapshots_.back()->nanos < kSnapshotNanos) return;
  if (snapshots_.size() == kMaxSnapshots) snapshots_.pop_front();
  snapshots_.push_back(std::move(snapshot));
}

}  // namespace spanmeter
