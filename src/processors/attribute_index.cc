#include "spanmeter/attribute_index.h"

namespace spanmeter {

namespace {

constexpr size_t kInitialSlots = 64;
// The table is kept sparse, so that the many keys that nobody wants meet a free slot at once.
constexpr size_t kSlotsPerKey = 4;

}  // namespace

AttributeIndex::AttributeIndex() { Rehash(kInitialSlots); }

AttributeId AttributeIndex::Add(std::string_view key) {
  const int found = Find(key);
  if (found != kNotWanted) return static_cast<AttributeId>(found);
  const auto id = static_cast<AttributeId>(keys_.size());
  keys_.emplace_back(key);
  Rehash(keys_.size() * kSlotsPerKey > slots_.size() ? slots_.size() * 2 : slots_.size());
  return id;
}

void AttributeIndex::Rehash(size_t slots) {
  slots_.assign(slots, kFreeSlot);
  mask_ = slots - 1;
  for (size_t id = 0; id < keys_.size(); ++id) {
    size_t slot = Hash(keys_[id]);
    while (slots_[slot & mask_] != kFreeSlot) ++slot;
    slots_[slot & mask_] = static_cast<uint16_t>(id);
  }
}

}  // namespace spanmeter
