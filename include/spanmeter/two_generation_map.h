// A bounded map from texts to values that can be worked out again: what was not looked up for a
// while is forgotten.
//
// Two hash maps: when the young one is half of what is allowed, it becomes the old one, and what
// the old one held is forgotten. What is found in the old one moves to the young one. That costs
// less per look-up than a list in the order of use, and forgets about the same.

#ifndef SPANMETER_TWO_GENERATION_MAP_H_
#define SPANMETER_TWO_GENERATION_MAP_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <absl/container/flat_hash_map.h>

namespace spanmeter {

// Not thread-safe.
template <typename Value>
class TwoGenerationMap {
 public:
  // `max_bytes` bounds the keys and what Insert() is told about the values.
  TwoGenerationMap(size_t max_entries, size_t max_bytes)
      : half_entries_(max_entries / 2), half_bytes_(max_bytes / 2) {}

  // The value of `key`, whose well mixed hash is `hash`, or null. Valid until the next call.
  Value* Find(uint64_t hash, std::string_view key) {
    const auto young = young_.entries.find(View{hash, key});
    if (young != young_.entries.end()) return &young->second.value;
    const auto old = old_.entries.find(View{hash, key});
    if (old == old_.entries.end()) return nullptr;
    const size_t bytes = old->second.bytes;
    // Only what is looked up while the young one fills up is saved, or it would grow without end.
    if (IsFull(bytes)) return &old->second.value;
    auto node = old_.entries.extract(old);
    old_.bytes -= bytes;
    young_.bytes += bytes;
    return &young_.entries.insert(std::move(node)).position->second.value;
  }

  // Adds a value, or replaces the one that is there. `bytes` is what it takes outside of the map.
  // Calls `forget(Value&)` for each value that is forgotten or replaced, and for one that is too
  // large to keep. REQUIRES: max_entries >= 2.
  template <typename Forget>
  void Insert(uint64_t hash, std::string_view key, Value value, size_t bytes, Forget forget) {
    bytes += sizeof(typename Map::value_type) + key.size();
    if (bytes > half_bytes_) return forget(value);
    for (Generation* generation : {&young_, &old_}) {
      const auto present = generation->entries.find(View{hash, key});
      if (present == generation->entries.end()) continue;
      forget(present->second.value);
      generation->bytes -= present->second.bytes;
      generation->entries.erase(present);
    }
    if (IsFull(bytes)) {
      for (auto& [old_key, entry] : old_.entries) forget(entry.value);
      old_ = std::exchange(young_, {});
    }
    young_.entries.emplace(Key{hash, std::string(key)}, Entry{std::move(value), bytes});
    young_.bytes += bytes;
  }

  // Calls `visit(Value&)` for each value.
  template <typename Visit>
  void ForEach(Visit visit) {
    for (Generation* generation : {&young_, &old_}) {
      for (auto& [key, entry] : generation->entries) visit(entry.value);
    }
  }

  size_t size() const { return young_.entries.size() + old_.entries.size(); }
  size_t bytes() const { return young_.bytes + old_.bytes; }

 private:
  struct Key {
    uint64_t hash;
    std::string text;
  };
  struct View {
    uint64_t hash;
    std::string_view text;
  };
  struct Hash {
    using is_transparent = void;
    size_t operator()(const Key& key) const { return key.hash; }
    size_t operator()(const View& key) const { return key.hash; }
  };
  struct Equal {
    using is_transparent = void;
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      // The hash alone never decides.
      return a.hash == b.hash && std::string_view(a.text) == std::string_view(b.text);
    }
  };
  struct Entry {
    Value value;
    size_t bytes;
  };
  using Map = absl::flat_hash_map<Key, Entry, Hash, Equal>;
  struct Generation {
    Map entries;
    size_t bytes = 0;
  };

  // Whether the young generation has no room for so many bytes.
  bool IsFull(size_t bytes) const {
    return young_.entries.size() >= half_entries_ || young_.bytes + bytes > half_bytes_;
  }

  const size_t half_entries_;
  const size_t half_bytes_;
  Generation young_;
  Generation old_;
};

}  // namespace spanmeter

#endif  // SPANMETER_TWO_GENERATION_MAP_H_
