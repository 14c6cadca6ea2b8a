// A hash table that also knows the order in which its entries came: what is oldest is found and
// removed without looking at anything else.

#ifndef SPANMETER_PROCESSORS_AGED_TABLE_H_
#define SPANMETER_PROCESSORS_AGED_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace spanmeter {

// Node has the members `Node* older` and `Node* newer`, which belong to the table, and
// `bool Is(const Key&)`, which compares completely: the hash alone never decides.
//
// Open addressing with linear probing. A slot holds the whole hash, so that a miss, a removal and a
// growing table touch no nodes. Does not own the nodes. Not thread-safe.
template <typename Node>
class AgedTable {
 public:
  AgedTable() = default;
  AgedTable(const AgedTable&) = delete;
  AgedTable& operator=(const AgedTable&) = delete;

  size_t size() const { return size_; }
  // The one that was inserted before all others, or null.
  Node* oldest() const { return oldest_; }

  template <typename Key>
  Node* Find(uint64_t hash, const Key& key) const {
    if (size_ == 0) return nullptr;
    for (size_t i = hash & mask();; i = (i + 1) & mask()) {
      const Slot& slot = slots_[i];
      if (slot.node == nullptr) return nullptr;
      if (slot.hash == hash && slot.node->Is(key)) return slot.node;
    }
  }

  // Brings the slot that Find() would look at first into the cache, and then the node that it would
  // most likely return.
  void PrefetchSlot(uint64_t hash) const {
    if (size_ != 0) __builtin_prefetch(&slots_[hash & mask()]);
  }
  void PrefetchNode(uint64_t hash) const {
    if (size_ == 0) return;
    const Slot& slot = slots_[hash & mask()];
    if (slot.hash != hash || slot.node == nullptr) return;
    __builtin_prefetch(slot.node, 1);
    __builtin_prefetch(reinterpret_cast<const char*>(slot.node) + 64, 1);
  }

  // Adds the newest node. REQUIRES: no node is the same.
  void Insert(uint64_t hash, Node* node) {
    // At most three quarters full.
    if ((size_ + 1) * 4 > slots_.size() * 3) Grow();
    Place({hash, node});
    ++size_;
    node->older = newest_;
    node->newer = nullptr;
    (newest_ == nullptr ? oldest_ : newest_->newer) = node;
    newest_ = node;
  }

  // REQUIRES: `node` was inserted with `hash`.
  void Remove(uint64_t hash, Node* node) {
    size_t hole = hash & mask();
    while (slots_[hole].node != node) hole = (hole + 1) & mask();
    // Moves up what would not be found any more behind the hole.
    for (size_t i = (hole + 1) & mask(); slots_[i].node != nullptr; i = (i + 1) & mask()) {
      const size_t distance = (i - (slots_[i].hash & mask())) & mask();
      if (distance < ((i - hole) & mask())) continue;
      slots_[hole] = slots_[i];
      hole = i;
    }
    slots_[hole] = {};
    --size_;
    (node->older == nullptr ? oldest_ : node->older->newer) = node->newer;
    (node->newer == nullptr ? newest_ : node->newer->older) = node->older;
  }

  // Puts `after`, which is the same, in the place and at the age of `before`. REQUIRES: `before`
  // was inserted with `hash`.
  void Replace(uint64_t hash, Node* before, Node* after) {
    size_t i = hash & mask();
    while (slots_[i].node != before) i = (i + 1) & mask();
    slots_[i].node = after;
    after->older = before->older;
    after->newer = before->newer;
    (after->older == nullptr ? oldest_ : after->older->newer) = after;
    (after->newer == nullptr ? newest_ : after->newer->older) = after;
  }

  // Returns the memory of an empty table that was large.
  void ShrinkIfEmpty() {
    if (size_ == 0 && slots_.size() > kMinSlots) std::vector<Slot>().swap(slots_);
  }

  size_t SlotBytes() const { return slots_.capacity() * sizeof(Slot); }

 private:
  static constexpr size_t kMinSlots = 16;

  struct Slot {
    uint64_t hash = 0;
    Node* node = nullptr;
  };

  size_t mask() const { return slots_.size() - 1; }

  void Place(const Slot& slot) {
    size_t i = slot.hash & mask();
    while (slots_[i].node != nullptr) i = (i + 1) & mask();
    slots_[i] = slot;
  }

  void Grow() {
    std::vector<Slot> before(slots_.empty() ? kMinSlots : slots_.size() * 2);
    before.swap(slots_);
    for (const Slot& slot : before) {
      if (slot.node != nullptr) Place(slot);
    }
  }

  std::vector<Slot> slots_;  // a power of two, or none
  size_t size_ = 0;
  Node* oldest_ = nullptr;
  Node* newest_ = nullptr;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_AGED_TABLE_H_
