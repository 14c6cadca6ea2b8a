// Memory for the bodies of requests that are being received, of which there is a bounded amount.

#ifndef SPANMETER_SRC_OTLP_BODY_BUFFER_H_
#define SPANMETER_SRC_OTLP_BODY_BUFFER_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace spanmeter {

// The bytes that all bodies may take together. Thread-safe.
class BodyBudget {
 public:
  explicit BodyBudget(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  // Takes more for one that has `has` already. It is always let go on when there is no other, so
  // that a large one does not starve.
  bool Take(uint64_t bytes, uint64_t has) {
    const uint64_t before = used_.fetch_add(bytes, std::memory_order_relaxed);
    if (before <= has || before + bytes <= max_bytes_) return true;
    used_.fetch_sub(bytes, std::memory_order_relaxed);
    return false;
  }
  void Give(uint64_t bytes) { used_.fetch_sub(bytes, std::memory_order_relaxed); }

 private:
  const uint64_t max_bytes_;
  std::atomic<uint64_t> used_{0};
};

// One body in one piece. It takes memory as bytes arrive, not as they are announced: otherwise a
// few senders that announce much and send nothing would keep out all others. Not thread-safe.
class BodyBuffer {
 public:
  enum class Outcome : uint8_t { kOk, kTooLarge, kNoRoom };

  // `budget` must outlive this.
  BodyBuffer(BodyBudget* budget, uint64_t max_size) : budget_(budget), max_size_(max_size) {}
  ~BodyBuffer() { Clear(); }
  BodyBuffer(const BodyBuffer&) = delete;
  BodyBuffer& operator=(const BodyBuffer&) = delete;

  // Gives back all memory.
  void Clear() {
    memory_.reset();
    budget_->Give(capacity_);
    capacity_ = size_ = expected_ = 0;
  }

  // So many bytes are announced.
  void Expect(uint64_t bytes) { expected_ = bytes; }

  // Makes room for at least one more byte, and as a rule for much more.
  Outcome Grow() {
    if (size_ < capacity_) return Outcome::kOk;
    if (size_ >= max_size_) return Outcome::kTooLarge;
    uint64_t capacity = std::min(std::max(kFirstBytes, capacity_ * 4), max_size_);
    if (expected_ > size_) capacity = std::min(capacity, expected_);
    if (!budget_->Take(capacity - capacity_, capacity_)) return Outcome::kNoRoom;
    std::unique_ptr<char[]> memory(new char[capacity]);
    if (size_ != 0) std::memcpy(memory.get(), memory_.get(), size_);
    memory_ = std::move(memory);
    capacity_ = capacity;
    return Outcome::kOk;
  }

  Outcome Append(std::string_view bytes) {
    while (!bytes.empty()) {
      if (const Outcome outcome = Grow(); outcome != Outcome::kOk) return outcome;
      const size_t n = std::min<uint64_t>(bytes.size(), capacity_ - size_);
      std::memcpy(memory_.get() + size_, bytes.data(), n);
      size_ += n;
      bytes.remove_prefix(n);
    }
    return Outcome::kOk;
  }

  // Where the next bytes may be put, how many, and that they were.
  char* end() { return memory_.get() + size_; }
  size_t room() const { return capacity_ - size_; }
  void Advance(size_t bytes) { size_ += bytes; }

  size_t size() const { return size_; }
  std::string_view view() const { return {memory_.get(), size_}; }

 private:
  // Most requests are smaller than four times this.
  static constexpr uint64_t kFirstBytes = uint64_t{64} << 10;

  BodyBudget* const budget_;
  const uint64_t max_size_;
  std::unique_ptr<char[]> memory_;
  uint64_t capacity_ = 0;
  uint64_t size_ = 0;
  uint64_t expected_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_BODY_BUFFER_H_
