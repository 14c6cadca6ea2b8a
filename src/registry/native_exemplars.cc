#include "registry/native_exemplars.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "registry/native_buckets.h"

namespace spanmeter {

// What is searched and reordered stands in one cache line, apart from the exemplars.
struct NativeExemplars::Block {
  static size_t Size(size_t capacity) { return sizeof(Block) + capacity * sizeof(StoredExemplar); }
  StoredExemplar* places() { return reinterpret_cast<StoredExemplar*>(this + 1); }

  int32_t buckets[kMost];  // of each place
  uint8_t order[kMost];    // places by the age of what is in them, the oldest first
  uint8_t size;
  uint8_t capacity;
  uint8_t padding[4];
};

NativeExemplars::~NativeExemplars() { std::free(block_); }

void NativeExemplars::Set(const char* trace_id, double value, int32_t schema, int64_t wall_ms) {
  static_assert(sizeof(Block) % alignof(StoredExemplar) == 0 && sizeof(Block) <= 64);
  const int32_t bucket = value > kNativeZeroThreshold ? NativeBucketIndex(value, schema)
                                                      : std::numeric_limits<int32_t>::min();
  const size_t size = block_ == nullptr ? 0 : block_->size;
  size_t place = 0;
  while (place < size && block_->buckets[place] != bucket) ++place;
  if (place == size) {
    if (size == kMost) {
      place = block_->order[0];
    } else {
      if (block_ == nullptr || size == block_->capacity) {
        const size_t capacity = std::clamp<size_t>(2 * size, 1, kMost);
        void* const grown = std::realloc(block_, Block::Size(capacity));
        if (grown == nullptr) throw std::bad_alloc();
        block_ = static_cast<Block*>(grown);
        block_->capacity = static_cast<uint8_t>(capacity);
      }
      block_->order[size] = static_cast<uint8_t>(place);
      block_->size = static_cast<uint8_t>(size + 1);
    }
    block_->buckets[place] = bucket;
  }
  // It is the newest from now on.
  uint8_t* const end = block_->order + block_->size;
  uint8_t* const old = std::find(block_->order, end, place);
  std::rotate(old, old + 1, end);
  block_->places()[place].Set(trace_id, value, wall_ms);
}

void NativeExemplars::Clear() {
  if (block_ != nullptr) block_->size = 0;
}

void NativeExemplars::Copy(std::vector<Exemplar>* exemplars) const {
  if (block_ == nullptr) return;
  for (size_t i = 0; i < block_->size; ++i) {
    exemplars->push_back(block_->places()[block_->order[i]].ToExemplar(0));
  }
}

}  // namespace spanmeter
