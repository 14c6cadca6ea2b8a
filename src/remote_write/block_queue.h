// What waits for one receiver: blocks in order, bounded by bytes and by age, on disk or in memory.

#ifndef SPANMETER_REMOTE_WRITE_BLOCK_QUEUE_H_
#define SPANMETER_REMOTE_WRITE_BLOCK_QUEUE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/remote_write_options.h"

#include "remote_write/block.h"
#include "remote_write/endpoint_metrics.h"

namespace spanmeter {

// Thread-safe.
class BlockQueue {
 public:
  // Blocks that are on their way; given back by Settle() or Return().
  struct Lease {
    std::vector<uint64_t> ids;
    std::vector<Block> blocks;  // ascending; of one tenant when `by_tenant` was set

    bool empty() const { return blocks.empty(); }
  };
  struct TakeOptions {
    // The blocks together have at most so many points (one block may have more).
    uint64_t max_points = 0;
    // With fewer points than that, nothing is given out before the oldest of the blocks has waited
    // this long since it was appended by this process.
    int64_t max_wait_nanos = 0;
    // Whether requests name their tenant: blocks of different tenants then never go together.
    bool by_tenant = false;
  };
  // Gives out the oldest blocks for which nothing of the same tenant with an overlapping hash range
  // that came earlier is still unsettled (given out, or waiting for its retry). Blocks of one lease
  // may overlap each other. Empty when there is nothing now; *next_nanos (monotonic clock) is then
  // when it is worth asking again without an Append(), Settle() or Return() in between.
  Lease Take(const TakeOptions& options, int64_t* next_nanos);
  // Forgets the blocks for good: they arrived, or were refused.
  void Settle(const Lease& lease);
  // They are to be sent again, not before that time (monotonic clock).
  void Return(const Lease& lease, int64_t not_before_nanos);

  // Drops what is too old or too much. Called by Append(), and to be called every second or so.
  void EnforceBounds();

  QueueStats stats() const;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_BLOCK_QUEUE_H_
