// All queues of a process, and the file that they are kept in.

#ifndef SPANMETER_QUEUE_STORAGE_H_
#define SPANMETER_QUEUE_STORAGE_H_

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "spanmeter/block_queue.h"
#include "spanmeter/mutex.h"

namespace spanmeter {

struct StoreRow;

// Whose storage it is.
struct StorageUse {
  std::string name;   // of the file in the directory: NAME.db
  std::string title;  // for the log: "the storage of TITLE"
  std::string unit;   // what the blocks hold, for the log: "samples"
  // How long something is in memory before Maintain() moves it to the disk. Only of queues to which
  // BlockQueue::Append() brings something; QueueStorage::Append() writes at once.
  int64_t memory_nanos = 0;
};

// Thread-safe.
class QueueStorage {
 public:
  // Opens or makes the file; what is damaged is set aside, and without a usable directory
  // everything is kept in memory until there is one. Never fails. The pointers must outlive the
  // storage and its queues.
  QueueStorage(const StorageOptions& options, StorageUse use, const Clock* clock,
               const Logger* logger);
  ~QueueStorage();

  // The queue of the receiver with this name, with what is left in it from before. One queue per
  // name exists at a time and is shared; the limits and the callback of the last call hold. A
  // queue that nobody has any more keeps its blocks until they are too old, for when somebody opens
  // it again. `on_drop` must work for as long as the storage lives, and must not call it.
  std::shared_ptr<BlockQueue> Open(const std::string& name, const QueueLimits& limits,
                                   BlockQueue::DropCallback on_drop);

  // Says in the log how much waits in queues that nobody has opened. To be called when all
  // receivers have theirs.
  void LogUnclaimed() const;

  // One collection's share for one receiver.
  struct Share {
    BlockQueue* queue;
    std::vector<Block> blocks;
  };
  // Appends one collection of a tenant to the queues of all receivers, and remembers its stamp: all
  // of it survives a crash from now on, or nothing does. (In memory, nothing does.)
  void Append(const std::string& tenant, int64_t stamp_ms, std::vector<Share> shares);

  // The stamp of the tenant's last collection, of former processes too.
  std::optional<int64_t> LastStampMs(const std::string& tenant) const;

  // Enforces the bounds of all queues, moves to the disk what has been in memory for long enough,
  // deletes from it what was settled, and tries the disk again after a failure. To be called every
  // second or so; waits for the disk.
  void Maintain();

  // Tries for a last time to write what is in memory to the disk, and drops what stays there.
  void DropMemory();

  struct Status {
    // Whether there is a directory, and whether it works; if not, why.
    bool has_disk = false;
    bool disk_ok = false;
    std::string error;
    uint64_t file_bytes = 0;
    // Damaged files that were set aside.
    uint64_t files_set_aside = 0;
    // In queues that nobody has opened.
    uint64_t unclaimed_blocks = 0;
    uint64_t unclaimed_bytes = 0;
  };
  // As of the last Maintain(), or since when the disk fails or works again. Never waits for the
  // disk.
  Status status() const;

 private:
  struct Queue {
    std::shared_ptr<BlockQueue> queue;
    // What the users share.
    std::weak_ptr<BlockQueue> handle;
  };

  std::shared_ptr<BlockQueue> QueueOf(const std::string& name) REQUIRES_LOCK(mutex_);
  // Whether the disk may be written to, after what has to be done for that.
  bool PrepareDisk() REQUIRES_LOCK(mutex_);
  bool OpenFile() REQUIRES_LOCK(mutex_);
  // What was appended up to that time (monotonic clock).
  bool MoveMemoryToDisk(int64_t until_nanos) REQUIRES_LOCK(mutex_);
  // Writes rows and all stamps that are not on disk yet.
  bool Write(const std::vector<StoreRow>& rows) REQUIRES_LOCK(mutex_);
  bool NoteFailure() REQUIRES_LOCK(mutex_);
  void NoteSuccess() REQUIRES_LOCK(mutex_);
  void PublishStatus() REQUIRES_LOCK(mutex_);
  int64_t OldestStampMs() const;

  const StorageOptions options_;
  const StorageUse use_;
  const Clock* const clock_;
  const Logger* const logger_;
  // nullptr without a path.
  const std::shared_ptr<BlockStore> store_;

  // Ids ascend over all queues and processes.
  std::atomic<uint64_t> next_id_{0};

  // Taken before the queues' and the store's, and held while the disk is waited for.
  mutable Mutex mutex_;
  std::map<std::string, Queue, std::less<>> queues_ GUARDED_BY(mutex_);
  std::map<std::string, int64_t, std::less<>> stamps_ GUARDED_BY(mutex_);
  // The tenants whose stamps are not on disk yet.
  std::set<std::string, std::less<>> new_stamps_ GUARDED_BY(mutex_);
  bool failing_ GUARDED_BY(mutex_) = false;
  int64_t retry_nanos_ GUARDED_BY(mutex_);

  // Taken last.
  mutable Mutex status_mutex_;
  Status status_ GUARDED_BY(status_mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_QUEUE_STORAGE_H_
