#include "registry/native_exemplars.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <limits>
#include <new>

#include "registry/native_buckets.h"

namespace spanmeter {

// What is searched and reordered stands in one cache line, apart from the exemplars.
struct NativeExemplars::Block {
  static size_t Size(size_t capacity) { return sizeof(Block) + capacity * sizeof(StoredExemplar); }
  StoredExemplar* places() { return reinterpret_cast<StoredExemplar*>(this + 1); }

  // The place of a bucket, or at least kMost when it has none.
  size_t Find(int32_t bucket) const {
    // Looks at all places instead of stopping at one that cannot be foreseen.
    uint32_t matches = 0;
    for (size_t i = 0; i < kMost; ++i) matches |= (buckets[i] == bucket ? 1U : 0U) << i;
    matches &= (1U << size) - 1;
    return static_cast<size_t>(std::countr_zero(matches));
  }

  size_t PlaceAt(size_t age) const { return order >> 4 * age & 15; }

  // Makes the content of `place` the newest.
  void Renew(size_t place) {
    // The lowest of the four bits that become zero where `order` has the place. Those above the
    // last place do not matter, because it is found before.
    constexpr uint64_t kOnes = 0x1111'1111'1111'1111;
    const uint64_t differs = order ^ place * kOnes;
    const auto found =
        static_cast<unsigned>(std::countr_zero((differs - kOnes) & ~differs & 8 * kOnes));
    const unsigned at = found & 60;  // its lowest bit
    const uint64_t older = order & ((uint64_t{1} << at) - 1);
    const uint64_t newer = order >> at >> 4 << at;
    order = older | newer | static_cast<uint64_t>(place) << 4 * (size - 1U);
  }

  // Four bits for each place in use, by the age of what is in it, the oldest lowest; 0 above.
  uint64_t order;
  int32_t buckets[kMost];  // of each place
  uint8_t size;
  uint8_t capacity;
};

NativeExemplars::~NativeExemplars() { std::free(block_); }

void NativeExemplars::Set(const char* trace_id, double value, int32_t schema, int64_t wall_ms) {
  static_assert(sizeof(Block) % alignof(StoredExemplar) == 0 && sizeof(Block) <= 64);
  const int32_t bucket = value > kNativeZeroThreshold ? NativeBucketIndex(value, schema)
                                                      : std::numeric_limits<int32_t>::min();
  if (block_ == nullptr) {
    block_ = static_cast<Block*>(std::calloc(1, Block::Size(1)));
    if (block_ == nullptr) throw std::bad_alloc();
    block_->capacity = 1;
  }
  size_t place = block_->Find(bucket);
  if (place < kMost) {
    block_->Renew(place);
  } else if (block_->size == kMost) {
    place = block_->PlaceAt(0);
    block_->Renew(place);
  } else {
    if (block_->size == block_->capacity) {
      const size_t capacity = std::min<size_t>(2 * size_t{block_->capacity}, kMost);
      void* const grown = std::realloc(block_, Block::Size(capacity));
      if (grown == nullptr) throw std::bad_alloc();
      block_ = static_cast<Block*>(grown);
      block_->capacity = static_cast<uint8_t>(capacity);
    }
    place = block_->size++;
    block_->order |= static_cast<uint64_t>(place) << 4 * place;
  }
  block_->buckets[place] = bucket;
  block_->places()[place].Set(trace_id, value, wall_ms);
}

void NativeExemplars::Clear() {
  if (block_ == nullptr) return;
  block_->size = 0;
  block_->order = 0;
}

void NativeExemplars::Copy(std::vector<Exemplar>* exemplars) const {
  if (block_ == nullptr) return;
  for (size_t age = 0; age < block_->size; ++age) {
    exemplars->push_back(block_->places()[block_->PlaceAt(age)].ToExemplar(0));
  }
}

}  // namespace spanmeter
