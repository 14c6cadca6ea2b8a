// What the service graphs count about themselves.

#ifndef SPANMETER_PROCESSORS_EDGE_COUNTERS_H_
#define SPANMETER_PROCESSORS_EDGE_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "processors/edge_type.h"

namespace spanmeter {

// Since the start; survives the edge store. Thread-safe.
struct EdgeCounters {
  // Edges by type, whatever relabelling makes of them, each counting 1 whatever its multiplier.
  std::array<std::atomic<uint64_t>, kEdgeTypes> edges = {};
  // Sides that waited for too long, by the kind of their span; not those that became an edge to a
  // virtual node.
  std::array<std::atomic<uint64_t>, 6> expired = {};
  // Sides that made room for others.
  std::atomic<uint64_t> evicted{0};
  // Sides whose other one was kept out by a filter.
  std::atomic<uint64_t> dropped{0};
  // Sides whose texts were too long to wait.
  std::atomic<uint64_t> too_large{0};
  // Marks of filtered sides that made room for others while they were still of use.
  std::atomic<uint64_t> marks_evicted{0};
  // Edges to virtual nodes that were not recorded because a label is not valid UTF-8.
  std::atomic<uint64_t> invalid_utf8{0};
  // Edges to virtual nodes that relabelling dropped.
  std::atomic<uint64_t> relabeled{0};
};

inline void AddTo(std::atomic<uint64_t>* counter, uint64_t n) {
  if (n != 0) counter->fetch_add(n, std::memory_order_relaxed);
}

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_EDGE_COUNTERS_H_
