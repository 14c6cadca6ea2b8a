// The service graph, or a part of it, as the API shows it.

#ifndef SPANMETER_ADMIN_GRAPH_JSON_H_
#define SPANMETER_ADMIN_GRAPH_JSON_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "admin/json.h"
#include "admin/service_graph.h"

namespace spanmeter {

struct GraphQuestion {
  // Not empty: only what is at most `depth` edges away from it, whatever their direction.
  std::string service;
  uint64_t depth = 1;
  // With more nodes, those nearest to the service, or on the busiest edges, are shown.
  size_t max_nodes = 2'000;
};
Json ServiceGraphJson(const ServiceGraph& graph, const GraphQuestion& question);

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_GRAPH_JSON_H_
