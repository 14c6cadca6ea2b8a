// A bound on the number of things and on the bytes that they take together.

#ifndef SPANMETER_PROCESSORS_EDGE_BUDGET_H_
#define SPANMETER_PROCESSORS_EDGE_BUDGET_H_

#include <atomic>
#include <cstdint>

namespace spanmeter {

// Thread-safe. Takes no lock: it is asked while a shard is locked.
class EdgeBudget {
 public:
  void SetLimits(uint64_t max_items, uint64_t max_bytes) {
    max_items_.store(max_items, std::memory_order_relaxed);
    max_bytes_.store(max_bytes, std::memory_order_relaxed);
  }

  // Takes what is asked for, or nothing and returns false.
  bool TryTake(uint64_t items, uint64_t bytes) {
    if (!TryAdd(items, max_items_, &items_)) return false;
    if (TryAdd(bytes, max_bytes_, &bytes_)) return true;
    items_.fetch_sub(items, std::memory_order_relaxed);
    return false;
  }
  void GiveBack(uint64_t items, uint64_t bytes) {
    items_.fetch_sub(items, std::memory_order_relaxed);
    bytes_.fetch_sub(bytes, std::memory_order_relaxed);
  }

  // Whether more is taken than the limits allow since they were changed.
  bool Exceeded() const {
    return items_.load(std::memory_order_relaxed) > max_items_.load(std::memory_order_relaxed) ||
           bytes_.load(std::memory_order_relaxed) > max_bytes_.load(std::memory_order_relaxed);
  }
  uint64_t items() const { return items_.load(std::memory_order_relaxed); }

 private:
  static bool TryAdd(uint64_t n, const std::atomic<uint64_t>& max, std::atomic<uint64_t>* sum) {
    if (n == 0) return true;
    const uint64_t most = max.load(std::memory_order_relaxed);
    uint64_t before = sum->load(std::memory_order_relaxed);
    do {
      if (before + n > most) return false;
    } while (!sum->compare_exchange_weak(before, before + n, std::memory_order_relaxed));
    return true;
  }

  std::atomic<uint64_t> max_items_{0};
  std::atomic<uint64_t> max_bytes_{0};
  std::atomic<uint64_t> items_{0};
  std::atomic<uint64_t> bytes_{0};
};

// Room that one request has taken from a budget and not used yet, so that it need not ask for each
// thing. Until it is given back, it counts as taken. Not thread-safe.
class EdgeAllowance {
 public:
  // Takes what is asked for beforehand, or nothing and returns false.
  bool TryTake(EdgeBudget* budget, uint64_t items, uint64_t bytes) {
    if (!budget->TryTake(items, bytes)) return false;
    Add(items, bytes);
    return true;
  }
  // Adds what a thing that is gone has left.
  void Add(uint64_t items, uint64_t bytes) {
    items_ += items;
    bytes_ += bytes;
  }
  // Uses room for a thing; false when there is none, here or in the budget.
  bool Use(EdgeBudget* budget, uint64_t items, uint64_t bytes) {
    if (items_ < items || bytes_ < bytes) {
      // Together with what the budget has it may be enough.
      GiveBack(budget);
      return budget->TryTake(items, bytes);
    }
    items_ -= items;
    bytes_ -= bytes;
    return true;
  }
  void GiveBack(EdgeBudget* budget) {
    budget->GiveBack(items_, bytes_);
    items_ = 0;
    bytes_ = 0;
  }

 private:
  uint64_t items_ = 0;
  uint64_t bytes_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_EDGE_BUDGET_H_
