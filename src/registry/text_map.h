// A hash map from texts, which can be looked up with a view.

#ifndef SPANMETER_REGISTRY_TEXT_MAP_H_
#define SPANMETER_REGISTRY_TEXT_MAP_H_

#include <functional>
#include <string>
#include <string_view>

#include <absl/container/flat_hash_map.h>
#include <absl/hash/hash.h>
#include <absl/strings/string_view.h>

namespace spanmeter {

// Abseil's own hash, which is another one in each process. Debian's Abseil has a string_view of its
// own, which its maps would ask for.
struct TextHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const {
    return absl::Hash<absl::string_view>()(absl::string_view(text.data(), text.size()));
  }
};

template <typename Value>
using TextMap = absl::flat_hash_map<std::string, Value, TextHash, std::equal_to<>>;

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_TEXT_MAP_H_
