// The decisions about sending to one receiver, without a thread.

#ifndef SPANMETER_FORWARD_FORWARD_LOOP_H_
#define SPANMETER_FORWARD_FORWARD_LOOP_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "spanmeter/block_queue.h"
#include "spanmeter/clock.h"
#include "spanmeter/forward_options.h"
#include "spanmeter/log.h"
#include "spanmeter/send_thread.h"

#include "forward/export_client.h"
#include "forward/gzip_stream.h"
#include "forward/receiver_metrics.h"

namespace spanmeter {

// Used by one thread, but for status().
//
// A failure that may pass leaves the receiver alone for a while, longer with each one in a row, and
// then one request tries whether it works again. What a receiver refuses otherwise is dropped.
class ForwardLoop {
 public:
  struct Parts {
    std::shared_ptr<BlockQueue> queue;
    std::unique_ptr<ExportClient> client;
    ReceiverMetrics* metrics = nullptr;
    const Clock* clock = nullptr;
    const Logger* logger = nullptr;
  };
  // The pointers must outlive this.
  ForwardLoop(const ForwardOptions& options, Parts parts);

  // Starts what may be started, waits for answers for at most a second, and acts on them.
  void Step();
  // From now on no Step() lasts beyond `deadline_nanos` (monotonic clock).
  void Hurry(int64_t deadline_nanos) {
    hurried_ = true;
    deadline_nanos_ = deadline_nanos;
  }
  // Whether it is time to end after Hurry(): nothing is left, or sending fails and what is left
  // can stay on disk.
  bool Done() const;
  // Gives up what is under way: it goes back to the queue.
  void Cancel();

  ExportClient* client() { return parts_.client.get(); }

  struct Status {
    std::string last_error;  // empty = none yet
    int64_t last_error_ms = 0;
    int64_t last_success_ms = 0;
  };
  Status status() const;

 private:
  // A request under way.
  struct Flight {
    BlockQueue::Lease lease;  // one block
    uint64_t body_bytes = 0;
  };

  static uint64_t Spans(const Flight& flight) { return flight.lease.blocks.front().counts.samples; }
  void Start(BlockQueue::Lease lease);
  void Handle(const ExportAnswer& answer);
  void HandleTaken(const Flight& flight, const ExportAnswer& answer);
  void HandleFailure(const Flight& flight, const ExportAnswer& answer);
  void HandleRefusal(const Flight& flight, const ExportAnswer& answer);

  const ForwardOptions options_;
  Parts parts_;
  GzipCompressor gzip_;
  bool hurried_ = false;
  int64_t deadline_nanos_ = kNeverNanos;
  std::map<uint64_t, Flight> flights_;  // by the request's id
  uint64_t next_id_ = 1;
  uint32_t failures_in_row_ = 0;
  int64_t pause_until_nanos_ = 0;
  // The first request that was started after the last failure in the row. What fails of those
  // before it is the same failure again.
  uint64_t first_id_after_failure_ = 0;
  // Of blocks.
  std::map<uint64_t, uint32_t> failures_;
  Backoff backoff_;

  LogThrottle error_throttle_;
  LogThrottle refusal_throttle_;
  LogThrottle rejection_throttle_;

  SendOutcome outcome_;
};

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_FORWARD_LOOP_H_
