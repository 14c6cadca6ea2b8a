// Memory for a list of unknown length whose elements stay where they are.

#ifndef SPANMETER_SRC_REGISTRY_ARENA_H_
#define SPANMETER_SRC_REGISTRY_ARENA_H_

#include <cstddef>
#include <memory>
#include <vector>

namespace spanmeter {

// Elements of a trivial type in blocks of `kBlock`, so that a growing list is never copied. Not
// thread-safe.
template <typename T, size_t kBlock>
class Arena {
 public:
  // `n` elements side by side, valid until Clear(). REQUIRES: n <= kBlock.
  T* Take(size_t n) {
    if (blocks_in_use_ == 0 || used_ + n > kBlock) {
      if (blocks_in_use_ == blocks_.size()) {
        blocks_.push_back(std::make_unique_for_overwrite<T[]>(kBlock));
      }
      ++blocks_in_use_;
      used_ = 0;
    }
    T* const taken = blocks_[blocks_in_use_ - 1].get() + used_;
    used_ += n;
    return taken;
  }
  // Keeps the memory of the first block.
  void Clear() {
    if (blocks_.size() > 1) blocks_.resize(1);
    blocks_in_use_ = 0;
  }
  // Where piece `i` is, when all pieces that were taken since Clear() have `n` elements.
  T* Piece(size_t i, size_t n) const {
    return blocks_[i / (kBlock / n)].get() + i % (kBlock / n) * n;
  }

 private:
  std::vector<std::unique_ptr<T[]>> blocks_;
  size_t blocks_in_use_ = 0;
  size_t used_ = 0;  // of the last block in use
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_REGISTRY_ARENA_H_
