// A hash table from keys to series: open addressing with linear probing, eight bytes a slot, so
// that most look-ups cost two cache misses, the slot's and the series'.

#ifndef SPANMETER_REGISTRY_SERIES_TABLE_H_
#define SPANMETER_REGISTRY_SERIES_TABLE_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "registry/series.h"

namespace spanmeter {

// Does not own the series. Not thread-safe: the shard's lock protects it.
class SeriesTable {
 public:
  SeriesTable() : slots_(kMinSlots, 0) {}

  size_t size() const { return size_; }

  // The series with exactly this key, or null.
  Series* Find(uint64_t hash, std::string_view key) const {
    const uint64_t tag = TagOf(hash);
    for (size_t i = hash & mask();; i = (i + 1) & mask()) {
      const uint64_t slot = slots_[i];
      if (slot == 0) return nullptr;
      if ((slot & kTagMask) != tag) continue;
      Series* const series = SeriesOf(slot);
      // The hash alone never decides: equal hashes of different keys are two series.
      if (series->hash() == hash && series->key() == key) return series;
    }
  }

  // Brings the slot that Find() would look at first into the cache.
  void PrefetchSlot(uint64_t hash) const { __builtin_prefetch(&slots_[hash & mask()]); }

  // Brings the series into the cache that Find() would most likely return.
  void PrefetchSeries(uint64_t hash) const {
    const uint64_t tag = TagOf(hash);
    for (size_t i = hash & mask();; i = (i + 1) & mask()) {
      const uint64_t slot = slots_[i];
      if (slot == 0) return;
      if ((slot & kTagMask) != tag) continue;
      const char* const series = reinterpret_cast<const char*>(SeriesOf(slot));
      // Header and numbers, bucket counts, key.
      __builtin_prefetch(series, 1);
      __builtin_prefetch(series + 64, 1);
      __builtin_prefetch(series + 128, 1);
      __builtin_prefetch(series + 192);
      return;
    }
  }

  // REQUIRES: no series with this key is in the table.
  void Insert(Series* series) {
    // At most three quarters full.
    if ((size_ + 1) * 4 > slots_.size() * 3) Resize(slots_.size() * 2);
    Place(series);
    ++size_;
  }

  // REQUIRES: `series` is in the table.
  void Erase(const Series* series) {
    size_t hole = series->hash() & mask();
    while (SeriesOf(slots_[hole]) != series) hole = (hole + 1) & mask();
    // Close the hole with whatever may not be found any more across it.
    for (size_t i = (hole + 1) & mask(); slots_[i] != 0; i = (i + 1) & mask()) {
      const size_t home = SeriesOf(slots_[i])->hash() & mask();
      if (((i - home) & mask()) >= ((i - hole) & mask())) {
        slots_[hole] = slots_[i];
        hole = i;
      }
    }
    slots_[hole] = 0;
    --size_;
    if (slots_.size() > kMinSlots && size_ * 8 < slots_.size()) Resize(slots_.size() / 2);
  }

 private:
  static constexpr size_t kMinSlots = 16;
  // User space addresses have 47 bits on x86-64 and 48 on arm64 as Linux sets them up; the upper 16
  // carry bits of the hash that select neither shard nor slot.
  static constexpr uint64_t kAddressMask = (uint64_t{1} << 48) - 1;
  static constexpr uint64_t kTagMask = ~kAddressMask;

  static uint64_t TagOf(uint64_t hash) { return hash << 12 & kTagMask; }
  static Series* SeriesOf(uint64_t slot) { return reinterpret_cast<Series*>(slot & kAddressMask); }
  size_t mask() const { return slots_.size() - 1; }

  void Place(Series* series) {
    size_t i = series->hash() & mask();
    while (slots_[i] != 0) i = (i + 1) & mask();
    slots_[i] = TagOf(series->hash()) | reinterpret_cast<uint64_t>(series);
  }

  void Resize(size_t slots) {
    std::vector<uint64_t> old(slots, 0);
    old.swap(slots_);
    for (size_t i = 0; i < old.size(); ++i) {
      // The series' hash is in its header: have it on the way a few slots ahead.
      constexpr size_t kAhead = 8;
      if (i + kAhead < old.size()) __builtin_prefetch(SeriesOf(old[i + kAhead]));
      if (old[i] != 0) Place(SeriesOf(old[i]));
    }
  }

  std::vector<uint64_t> slots_;  // 0 = free; else tag and address
  size_t size_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_SERIES_TABLE_H_
