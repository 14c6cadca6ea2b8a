// What kinds of edges there are.

#ifndef SPANMETER_PROCESSORS_EDGE_TYPE_H_
#define SPANMETER_PROCESSORS_EDGE_TYPE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spanmeter {

enum class EdgeType : uint8_t { kCall, kMessagingSystem, kDatabase, kVirtualNode };
inline constexpr size_t kEdgeTypes = 4;

// The label connection_type by EdgeType; a plain call has none.
inline constexpr std::array<std::string_view, kEdgeTypes> kConnectionTypes = {
    "", "messaging_system", "database", "virtual_node"};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_EDGE_TYPE_H_
