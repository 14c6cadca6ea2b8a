// Which of a queue's blocks may be sent now: the order of blocks, without their bodies.

#ifndef SPANMETER_BLOCK_INDEX_H_
#define SPANMETER_BLOCK_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <absl/container/inlined_vector.h>

#include "spanmeter/block.h"

namespace spanmeter {

// "Never", as a time of the monotonic clock.
inline constexpr int64_t kNeverNanos = std::numeric_limits<int64_t>::max();

// Which blocks one lease may consist of.
struct TakeOptions {
  // The blocks together have at most so many points (one block may have more).
  uint64_t max_points = 0;
  // With fewer points than that, nothing is given out before the oldest of the blocks has waited
  // this long since it was appended by this process.
  int64_t max_wait_nanos = 0;
  // Whether requests name their tenant: blocks of different tenants then never go together.
  bool by_tenant = false;
};

// Blocks of a tenant depend on each other where their ranges overlap: each has an edge to the next
// one on every part of its range. What no edge leads to may be sent, so that neither the number of
// blocks nor those that wait for a retry make a difference to how long it takes to find it.
//
// Not thread-safe.
class BlockIndex {
 public:
  enum class State : uint8_t {
    kFresh,     // never given out
    kGiven,     // given out at the moment
    kReturned,  // waits for its retry
    kAlone,     // waits for its retry, which must not take others along
  };
  struct Tenant;
  struct Entry;
  struct ById {
    bool operator()(const Entry* a, const Entry* b) const { return a->id < b->id; }
  };
  using EntrySet = std::set<Entry*, ById>;

  // A block. 128 bytes, and there may be a million: fields are no larger than needed.
  struct Entry {
    uint64_t points() const { return uint64_t{samples} + histograms; }
    SampleCounts counts() const { return {samples, histograms, exemplars}; }
    bool Overlaps(const Entry& other) const {
      return first_hash <= other.last_hash && other.first_hash <= last_hash;
    }

    uint64_t id = 0;
    uint64_t first_hash = 0;
    uint64_t last_hash = 0;
    int64_t oldest_ms = 0;
    int64_t newest_ms = 0;
    // Fresh: when it was appended; returned: when it may be sent again.
    int64_t nanos = 0;
    uint32_t samples = 0;
    uint32_t histograms = 0;
    uint32_t exemplars = 0;
    uint32_t body_bytes = 0;
    Protocol protocol = Protocol::k2;
    // Whether the body is in memory, and not on disk.
    bool in_memory = false;

    // The rest belongs to the index.
    State state = State::kFresh;
    bool in_lease = false;
    Tenant* tenant = nullptr;
    // The edges.
    absl::InlinedVector<Entry*, 2> before;
    absl::InlinedVector<Entry*, 2> after;
  };
  using Entries = std::map<uint64_t, Entry>;

  struct Tenant {
    // The latest block on each part of the range of hashes; a part begins at its key.
    struct Part {
      uint64_t last_hash;
      Entry* block;
    };
    using Parts = std::map<uint64_t, Part>;

    std::string name;
    size_t blocks = 0;
    EntrySet ready;
    Parts parts;
  };

  BlockIndex() = default;
  BlockIndex(BlockIndex&&) = default;
  BlockIndex& operator=(BlockIndex&&) = default;

  // Adds a block: a copy of `block`'s own fields. REQUIRES: block.id is greater than all others.
  Entry* Append(const Entry& block, std::string_view tenant);
  // The same for a block with a past: one that another index had in `block.state`.
  Entry* AppendWithState(const Entry& block, std::string_view tenant);

  // Gives out what may be sent together: ascending ids. The oldest first, but in turns with what is
  // due for a retry: that goes first as long as the receiver takes anything; after a failure
  // something else has a try, and while one failure follows another every eighth time. So neither
  // a block that the receiver never takes keeps others from being sent, nor is everything tried in
  // vain when it takes nothing.
  //
  // Empty when there is nothing now; *next_nanos is then when there may be.
  std::vector<Entry*> Take(const TakeOptions& options, int64_t now_nanos, int64_t* next_nanos);

  // Forgets the block. What may have come before it and is still there comes before what comes
  // after it.
  void Remove(Entry* block);

  // The receiver took the blocks of a lease, or refused them for good. (Remove() them.)
  void CountSettled();
  // It failed. Its blocks wait until `not_before_nanos`. When the receiver works otherwise, each is
  // then given out alone, to find the one that it has trouble with.
  void Return(const std::vector<Entry*>& lease, int64_t not_before_nanos);
  // Those that could not be given out after all. Nobody has failed.
  void PutBack(const std::vector<Entry*>& lease, int64_t not_before_nanos);

  // nullptr if there is none.
  Entry* Find(uint64_t id);
  // By id. For reading, and for the fields that do not belong to the index.
  Entries& entries() { return entries_; }
  const Entries& entries() const { return entries_; }

 private:
  struct ByTime {
    bool operator()(const Entry* a, const Entry* b) const {
      return a->nanos != b->nanos ? a->nanos < b->nanos : a->id < b->id;
    }
  };

  // Links the block to those before it, and makes it the latest on its range.
  static void Link(Entry* block);
  // The parts of which the block was the latest go to those before it.
  static void GiveUpParts(Entry* block);
  static Tenant::Parts::iterator SplitAt(Tenant::Parts* parts, uint64_t hash);
  static bool MayJoin(const Entry& block, int64_t now_nanos);

  void AddIfReady(Entry* block);
  void RemoveIfReady(Entry* block);
  void AddReady(Entry* block);
  void RemoveReady(Entry* block);

  // The largest lease of the given blocks and what they let follow; *full when no more fits.
  static std::vector<Entry*> Combine(const EntrySet& ready, uint64_t max_points, int64_t now_nanos,
                                     bool* full);
  std::vector<Entry*> CombineFresh(const TakeOptions& options, int64_t now_nanos,
                                   int64_t* next_nanos) const;
  std::vector<Entry*> CombineRetries(const TakeOptions& options, int64_t now_nanos) const;

  Entries entries_;
  std::map<std::string, std::unique_ptr<Tenant>, std::less<>> tenants_;
  // What no edge leads to. Fresh blocks: all, and tenants by the oldest of theirs.
  EntrySet ready_;
  std::map<uint64_t, Tenant*> tenant_order_;
  // Returned ones.
  std::set<Entry*, ByTime> waiting_;
  bool last_settled_ = false;
  uint64_t failures_in_row_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_BLOCK_INDEX_H_
