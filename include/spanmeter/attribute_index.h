// Which attribute keys anybody wants, and what a resource or span says under them.
//
// The processors of a tenant name the keys that they look at once, when they are built; the decoder
// then keeps only those, so that a span with a hundred attributes costs little more than their
// bytes, and a look-up is an array access.

#ifndef SPANMETER_ATTRIBUTE_INDEX_H_
#define SPANMETER_ATTRIBUTE_INDEX_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/any_value.h"

namespace spanmeter {

// Identifies a wanted key within one AttributeIndex.
using AttributeId = uint16_t;

// A set of keys, each with a small number. Built by one thread; immutable and thread-safe once it
// is shared.
class AttributeIndex {
 public:
  AttributeIndex();

  // Returns the id of `key`, a new one if it was not wanted before. REQUIRES: fewer than 32,768
  // keys.
  AttributeId Add(std::string_view key);

  size_t size() const { return keys_.size(); }
  bool empty() const { return keys_.empty(); }
  const std::string& key(AttributeId id) const { return keys_[id]; }

  static constexpr int kNotWanted = -1;

  // Returns the id of `key` or kNotWanted.
  int Find(std::string_view key) const {
    for (size_t slot = Hash(key);; ++slot) {
      const uint16_t entry = slots_[slot & mask_];
      if (entry == kFreeSlot) return kNotWanted;
      if (keys_[entry] == key) return entry;
    }
  }

 private:
  static constexpr uint16_t kFreeSlot = 0xffff;

  // Length and three characters tell the keys of the semantic conventions apart well enough; the
  // full comparison in Find() decides.
  static size_t Hash(std::string_view key) {
    if (key.empty()) return 0;
    const auto at = [key](size_t i) { return static_cast<size_t>(static_cast<uint8_t>(key[i])); };
    const size_t n = key.size();
    return n * 31 + at(0) * 7 + at(n / 2) * 131 + at(n - 1) * 521;
  }
  void Rehash(size_t slots);

  std::vector<std::string> keys_;
  std::vector<uint16_t> slots_;  // open addressing, at most a quarter full
  size_t mask_ = 0;
};

// The values that one resource or span has under the keys of an AttributeIndex. Not thread-safe.
class AttributeValues {
 public:
  // Forgets all values and makes room for `index`.
  void Reset(const AttributeIndex& index) {
    first_.resize(index.size());
    present_.assign(index.size(), 0);
    repeated_.clear();
  }

  // Adds an occurrence; occurrences come in the order in which they were sent.
  // REQUIRES: `id` belongs to the index given to Reset().
  void Add(AttributeId id, const AnyValue& value) {
    if (present_[id] == 0) {
      present_[id] = 1;
      first_[id] = value;
    } else {
      repeated_.push_back({id, value});
    }
  }

  // The first occurrence, or null when the key is absent. Valid until the next Reset() or Add().
  const AnyValue* First(AttributeId id) const { return present_[id] != 0 ? &first_[id] : nullptr; }

  // Returns the first occurrence for which `accept(const AnyValue&)` is true, or null.
  template <typename Accept>
  const AnyValue* FirstThat(AttributeId id, Accept accept) const {
    if (present_[id] == 0) return nullptr;
    if (accept(first_[id])) return &first_[id];
    for (const Repeated& r : repeated_) {
      if (r.id == id && accept(r.value)) return &r.value;
    }
    return nullptr;
  }

 private:
  struct Repeated {
    AttributeId id;
    AnyValue value;
  };

  std::vector<AnyValue> first_;
  std::vector<uint8_t> present_;
  std::vector<Repeated> repeated_;  // second and later occurrences, in order
};

}  // namespace spanmeter

#endif  // SPANMETER_ATTRIBUTE_INDEX_H_
