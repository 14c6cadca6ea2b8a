// From complete edges to updates of the registry.

#ifndef SPANMETER_PROCESSORS_EDGE_RECORDER_H_
#define SPANMETER_PROCESSORS_EDGE_RECORDER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "spanmeter/options.h"
#include "spanmeter/registry.h"

#include "processors/edge_counters.h"
#include "processors/edge_labels.h"
#include "processors/edge_store.h"

namespace spanmeter {

// The family of the edges. Immutable and thread-safe.
struct EdgeFamily {
  // Adds the family to `registry`.
  EdgeFamily(const GeneratorOptions& options, const EdgeLabels& labels, Registry* registry);

  FamilyId id = 0;
  // Indices of the metrics; those that are switched off have none.
  std::optional<uint8_t> server_seconds;
  std::optional<uint8_t> client_seconds;
  std::optional<uint8_t> requests;
  std::optional<uint8_t> failed;
  std::optional<uint8_t> messaging_seconds;
  std::optional<uint8_t> connection_info;
};

// Collects updates. Belongs to one session. Not thread-safe.
class EdgeRecorder {
 public:
  // Both must outlive the recorder.
  EdgeRecorder(const EdgeLabels* labels, const EdgeFamily* family);
  EdgeRecorder(const EdgeRecorder&) = delete;
  EdgeRecorder& operator=(const EdgeRecorder&) = delete;

  // Adds the edge that is complete with `side`, whose texts are `texts`. Returns false, and adds
  // nothing, when a label is not valid UTF-8. REQUIRES: side.complete.
  bool AddMatch(const EdgeSide& side, std::string_view texts);

  // Adds the edge from a client side that has waited in vain to the node that it names.
  // REQUIRES: NamesVirtualServer(half).
  bool AddVirtual(const HalfEdge& half);
  static bool NamesVirtualServer(const HalfEdge& half);

  // Applies and forgets what was added; returns how many edges relabelling dropped. The spans'
  // trace ids must still be valid.
  uint64_t Apply(Registry* registry, EdgeCounters* counters);

 private:
  // What is known of both sides.
  struct Edge {
    EdgeNames names;
    const char* trace_id = nullptr;
    double client_seconds = 0;
    double server_seconds = 0;
    double messaging_seconds = 0;
    double weight = 1;
  };

  // Forgets what was known of the edge before.
  void StartEdge();
  // Adds the current edge.
  bool Add();

  const EdgeLabels& labels_;
  const EdgeFamily& family_;

  UpdateBatch batch_;
  std::array<uint64_t, kEdgeTypes> edges_ = {};
  // The current edge, and the texts of its sides (edge_texts.h). Kept, because clearing all of it
  // costs more than setting what matters.
  Edge edge_;
  std::vector<std::string_view> client_texts_;
  std::vector<std::string_view> server_texts_;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_EDGE_RECORDER_H_
