// Who calls whom, how often and how fast, from the series of the service-graphs processor.

#ifndef SPANMETER_ADMIN_SERVICE_GRAPH_H_
#define SPANMETER_ADMIN_SERVICE_GRAPH_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/registry.h"

#include "admin/analysis.h"
#include "admin/latency.h"

namespace spanmeter {

// An edge, whatever its other labels are.
struct EdgeKey {
  std::string client;
  std::string server;
  std::string type;  // the label connection_type

  bool operator<(const EdgeKey& other) const {
    return std::tie(client, server, type) < std::tie(other.client, other.server, other.type);
  }
};

// What an edge's series say at one time.
struct EdgeTotals {
  double requests = 0;
  double failed = 0;
  LatencyDistribution client_seconds;
  LatencyDistribution server_seconds;
  int64_t born_ms = 0;  // of the oldest label set
  // What the label virtual_node says, where there is one.
  bool virtual_client = false;
  bool virtual_server = false;
};

struct GraphSnapshot {
  int64_t nanos = 0;  // monotonic clock
  int64_t wall_ms = 0;
  std::map<EdgeKey, EdgeTotals> edges;
  bool truncated = false;
};

// Adds up the edges of a registry.
GraphSnapshot TakeGraphSnapshot(Registry* registry, const Clock* clock,
                                const AnalysisLimits& limits);

// The graph, and how it was doing lately.
struct ServiceGraph {
  struct Edge {
    EdgeKey key;
    double requests = 0;  // since the series came into being
    double failed = 0;
    // Of the window.
    double rate = 0;
    double failed_rate = 0;
    LatencyDistribution client_seconds;
    LatencyDistribution server_seconds;
  };
  enum class Kind : uint8_t { kService, kDatabase, kMessaging, kVirtual };

  std::vector<Edge> edges;
  std::map<std::string, Kind> nodes;
  double window_seconds = 0;
  bool truncated = false;
};

// The edges of `now`, with rates since `before`, or since they came into being when that was later
// or `before` is null.
ServiceGraph MakeServiceGraph(const GraphSnapshot& now, const GraphSnapshot* before);

// A tenant's snapshots of late. Not thread-safe.
class GraphHistory {
 public:
  // The one to compare with at this time, or null: the oldest of the last minutes.
  const GraphSnapshot* Before(int64_t now_nanos) const;
  // Keeps the snapshot, unless there is one that is hardly older.
  void Add(std::shared_ptr<const GraphSnapshot> snapshot);

 private:
  // Ascending by time.
  std::deque<std::shared_ptr<const GraphSnapshot>> snapshots_;
};

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_SERVICE_GRAPH_H_
