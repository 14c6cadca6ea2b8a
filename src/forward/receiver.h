// One of those to whom requests are passed on: its filter, its queue, its thread.

#ifndef SPANMETER_FORWARD_RECEIVER_H_
#define SPANMETER_FORWARD_RECEIVER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "spanmeter/block_queue.h"
#include "spanmeter/clock.h"
#include "spanmeter/forward_options.h"
#include "spanmeter/log.h"
#include "spanmeter/queue_storage.h"
#include "spanmeter/request_tee.h"
#include "spanmeter/send_thread.h"
#include "spanmeter/span_filter.h"

#include "forward/forward_loop.h"
#include "forward/receiver_metrics.h"

namespace spanmeter {

// A request in the forms in which receivers may want it, each made once, when somebody does.
// Belongs to one thread.
class RequestBodies {
 public:
  using Body = std::shared_ptr<const std::string>;

  // `request` must outlive this.
  explicit RequestBodies(const TeeRequest* request) : request_(*request) {}

  const TeeRequest& request() const { return request_; }
  const Body& AsReceived();
  const Body& Plain();

 private:
  const TeeRequest& request_;
  Body as_received_;
  Body plain_;
};

// Thread-safe but for BeginStop() and Stop().
class Receiver {
 public:
  struct Parts {
    std::unique_ptr<ExportClient> client;
    QueueStorage* storage = nullptr;
    ReceiverMetrics* metrics = nullptr;
    const Clock* clock = nullptr;
    const Logger* logger = nullptr;
  };
  // Begins to send. The pointers must outlive the receiver, whose end stops at once.
  Receiver(const ForwardOptions& options, Parts parts);

  // Keeps room for a request where it must not be lost: *bytes is how much. False when there is
  // none.
  bool Reserve(const TeeRequest& request, uint64_t* bytes);
  void Unreserve(uint64_t bytes);
  // Queues the request, or what the filter leaves of it, in the room that was kept for it.
  void Queue(RequestBodies* bodies, uint64_t reserved);

  // Begins to end: sends what is in the queue, at most until `deadline_nanos` (monotonic clock).
  void BeginStop(int64_t deadline_nanos) { thread_.BeginStop(deadline_nanos); }
  // Waits for the end. REQUIRES: BeginStop() was called.
  void Stop() { thread_.Stop(); }
  // Drops what is in memory. REQUIRES: Stop().
  void DropMemory() { queue_->DropMemory(); }

  const ForwardOptions& options() const { return options_; }
  const ReceiverMetrics& metrics() const { return *metrics_; }
  QueueStats queue_stats() const { return queue_->stats(); }
  // What may wait, in bytes.
  uint64_t max_queue_bytes() const;
  ForwardLoop::Status status() const { return loop_.status(); }

 private:
  // The body for the receiver, and how many of its spans are in it; null when none is.
  RequestBodies::Body Choose(RequestBodies* bodies, uint64_t* spans) const;
  const RequestBodies::Body& Whole(RequestBodies* bodies) const;

  const ForwardOptions options_;
  ReceiverMetrics* const metrics_;
  const Clock* const clock_;
  const std::optional<SpanFilter> filter_;
  const std::shared_ptr<BlockQueue> queue_;
  // Gives each request a place of its own among the hashes: none waits for another.
  std::atomic<uint64_t> next_hash_{0};
  ForwardLoop loop_;
  SendThread<ForwardLoop> thread_;
};

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_RECEIVER_H_
