// What waits for one receiver: blocks in order, bounded by bytes and by age, on disk or in memory.

#ifndef SPANMETER_BLOCK_QUEUE_H_
#define SPANMETER_BLOCK_QUEUE_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "spanmeter/block.h"
#include "spanmeter/block_index.h"
#include "spanmeter/clock.h"
#include "spanmeter/drop_reason.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/remote_write_options.h"

namespace spanmeter {

class BlockStore;
struct StoredBlock;

// What may wait in a queue. 0 = what the storage allows; the lower of both holds.
struct QueueLimits {
  uint64_t max_size = 0;    // bytes, in memory and on disk
  uint64_t max_memory = 0;  // bytes, in memory
  int64_t max_age = 0;      // nanoseconds

  bool operator==(const QueueLimits&) const = default;
};

// The gauges of a queue, as of one instant.
struct QueueStats {
  uint64_t blocks = 0;
  uint64_t bytes = 0;         // compressed, of all blocks
  uint64_t memory_bytes = 0;  // of these, in memory
  SampleCounts counts;
  int64_t oldest_ms = 0;  // the oldest sample's timestamp; 0 = nothing waits
};

// Blocks that were dropped.
struct DroppedBlocks {
  SampleCounts counts;
  uint64_t blocks = 0;
  uint64_t bytes = 0;
};

// Thread-safe.
class BlockQueue {
 public:
  // Blocks that are on their way; given back by Settle() or Return().
  struct Lease {
    std::vector<uint64_t> ids;
    std::vector<Block> blocks;  // ascending; of one tenant when `by_tenant` was set
    // The bodies of the blocks, which have none of their own then. Only of TakeShared().
    std::vector<std::shared_ptr<const std::string>> bodies;

    bool empty() const { return blocks.empty(); }
  };
  using TakeOptions = spanmeter::TakeOptions;
  // Told of what is dropped, and why. Called without a lock, from any thread.
  using DropCallback = std::function<void(DropReason, const DroppedBlocks&)>;

  // Queues are made by QueueStorage; the store may be nullptr. `unit` is what blocks hold, for the
  // log. Ids come from `next_id`, which must outlive the queue.
  BlockQueue(std::string name, const StorageOptions& storage, std::string unit,
             std::shared_ptr<BlockStore> store, std::atomic<uint64_t>* next_id, const Clock* clock,
             const Logger* logger);

  // Gives out the oldest blocks for which nothing of the same tenant with an overlapping hash range
  // that came earlier is still unsettled (given out, or waiting for its retry). Blocks of one lease
  // may overlap each other. What failed before takes turns with what did not (see BlockIndex).
  // Empty when there is nothing now; *next_nanos (monotonic clock) is then when it is worth asking
  // again without an Append(), Settle() or Return() in between.
  Lease Take(const TakeOptions& options, int64_t* next_nanos);
  // The same, without a copy of what is in memory.
  Lease TakeShared(const TakeOptions& options, int64_t* next_nanos);
  // Forgets the blocks for good: they arrived, or were refused.
  void Settle(const Lease& lease);
  // They are to be sent again, not before that time (monotonic clock).
  void Return(const Lease& lease, int64_t not_before_nanos);

  // Keeps room for so many bytes that Append() will bring; false when there is not so much without
  // something being dropped. The room is given back by Append(), or by Unreserve().
  bool Reserve(uint64_t bytes);
  void Unreserve(uint64_t bytes);
  // Appends a block that is in memory until it is settled or QueueStorage::Maintain() moves it to
  // the disk. Never waits for the disk. The block's own body is not looked at. `reserved`: what
  // Reserve() kept for it.
  void Append(const Block& block, std::shared_ptr<const std::string> body, uint64_t reserved);

  // Drops what is in memory only, because the process ends, or whom it waits for is gone.
  void DropMemory();

  // Drops what is too old or too much, the oldest first. What is given out stays. To be called
  // every second or so; QueueStorage::Maintain() does.
  void EnforceBounds();

  // Blocks that are given out count as well.
  QueueStats stats() const;

  const std::string& name() const { return name_; }

 private:
  friend class QueueStorage;

  using Body = std::shared_ptr<const std::string>;
  using Entry = BlockIndex::Entry;
  // What has been dropped under the lock, to be told afterwards.
  using Drops = std::array<DroppedBlocks, kDropReasonNames.size()>;
  struct NewBlock {
    Entry entry;
    Body body;  // nullptr: on disk
  };

  // A user comes, or another one with the same name; the last one goes.
  void Configure(const QueueLimits& limits, DropCallback on_drop);
  uint64_t Claim();
  void Unclaim(uint64_t claim);
  bool claimed() const;

  // Drops the oldest until there is room for so many more bytes.
  void MakeRoom(uint64_t bytes);
  void AppendAll(std::vector<NewBlock> blocks, const std::string& tenant);
  // Makes the index agree with what is on disk: what is missing there was lost, what is new there
  // was written by a former process.
  void Reconcile(const std::vector<StoredBlock>& stored, const std::vector<uint64_t>& forgotten);
  struct InMemory {
    Entry entry;
    std::string tenant;
    Body body;
  };
  // What is in memory only, and was appended up to that time (monotonic clock). Ascending, and not
  // much more than `max_bytes`.
  std::vector<InMemory> Memory(int64_t until_nanos, uint64_t max_bytes) const;
  uint64_t blocks_on_disk() const;
  // They are on disk now.
  void MovedToDisk(const std::vector<uint64_t>& ids);

  // What a block counts as: small ones take room in the file and in the index as well.
  static uint64_t Charge(uint64_t body_bytes);
  static uint64_t Charge(const Entry& entry) { return Charge(entry.body_bytes); }

  static Entry MakeEntry(uint64_t id, const Block& block, uint64_t body_bytes, int64_t now_nanos);
  Lease TakeAny(const TakeOptions& options, bool shared, int64_t* next_nanos);
  Lease TakeOnce(const TakeOptions& options, bool shared, int64_t* next_nanos, bool* again);
  uint64_t max_size() const REQUIRES_LOCK(mutex_);
  uint64_t max_memory() const REQUIRES_LOCK(mutex_);
  void Add(const Entry& entry) REQUIRES_LOCK(mutex_);
  void Forget(Entry* entry) REQUIRES_LOCK(mutex_);
  void Drop(Entry* entry, DropReason reason, Drops* drops) REQUIRES_LOCK(mutex_);
  void DropOld(Drops* drops) REQUIRES_LOCK(mutex_);
  void DropSurplus(uint64_t more_bytes, Drops* drops) REQUIRES_LOCK(mutex_);
  void Report(const Drops& drops);

  const std::string name_;
  const StorageOptions storage_;
  const std::string unit_;
  const std::shared_ptr<BlockStore> store_;
  std::atomic<uint64_t>* const next_id_;
  const Clock* const clock_;
  const Logger* const logger_;
  // One per reason.
  std::array<LogThrottle, kDropReasonNames.size()> throttles_;

  // Taken before the store's locks, but never while those may wait for the disk.
  mutable Mutex mutex_;
  BlockIndex index_ GUARDED_BY(mutex_);
  // The bodies that are not on disk.
  std::map<uint64_t, Body> memory_ GUARDED_BY(mutex_);
  QueueLimits limits_ GUARDED_BY(mutex_);
  DropCallback on_drop_ GUARDED_BY(mutex_);
  uint64_t claims_ GUARDED_BY(mutex_) = 0;
  uint64_t claim_ GUARDED_BY(mutex_) = 0;  // 0 = nobody uses the queue
  int64_t next_full_check_nanos_ GUARDED_BY(mutex_) = 0;
  // Sums over the index; `charge_` is what counts against the bounds.
  SampleCounts counts_ GUARDED_BY(mutex_);
  uint64_t bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t charge_ GUARDED_BY(mutex_) = 0;
  uint64_t memory_bytes_ GUARDED_BY(mutex_) = 0;
  uint64_t memory_charge_ GUARDED_BY(mutex_) = 0;
  // What Append() will bring.
  uint64_t reserved_ GUARDED_BY(mutex_) = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_BLOCK_QUEUE_H_
