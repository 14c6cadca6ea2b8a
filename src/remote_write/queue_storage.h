// All queues of a process, and the file that they are kept in.

#ifndef SPANMETER_REMOTE_WRITE_QUEUE_STORAGE_H_
#define SPANMETER_REMOTE_WRITE_QUEUE_STORAGE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "remote_write/block_queue.h"

namespace spanmeter {

// Thread-safe.
class QueueStorage {
 public:
  // Opens or makes the file; what is damaged is set aside, and without a usable directory
  // everything is kept in memory until there is one. Never fails.
  QueueStorage(const StorageOptions& options, const Clock* clock, const Logger* logger);

  // The queue of the receiver with this name, with what is left in it from before. One queue per
  // name exists at a time and is shared. `metrics` must outlive the queue.
  std::shared_ptr<BlockQueue> Open(const std::string& name, const QueueOptions& options,
                                   EndpointMetrics* metrics);

  // One collection's share for one receiver.
  struct Share {
    BlockQueue* queue;
    std::vector<Block> blocks;
  };
  // Appends one collection of a tenant to the queues of all receivers, and remembers its stamp: all
  // of it survives a crash from now on, or nothing does.
  void Append(const std::string& tenant, int64_t stamp_ms, std::vector<Share> shares);

  // The stamp of the tenant's last collection, of former processes too.
  std::optional<int64_t> LastStampMs(const std::string& tenant) const;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_QUEUE_STORAGE_H_
