#include "forward/forward_loop.h"

#include <algorithm>
#include <utility>

namespace spanmeter {

namespace {

// Stops are looked after this often at least.
constexpr int64_t kMaxWaitNanos = kNanosPerSecond;
constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;
// Requests that failed and are remembered; more only means that some are retried earlier.
constexpr size_t kMaxFailures = 10'000;

// Each block is a request of its own, whatever it holds.
constexpr TakeOptions kOneBlock = {.max_points = 1, .max_wait_nanos = 0, .by_tenant = true};

}  // namespace

ForwardLoop::ForwardLoop(const ForwardOptions& options, Parts parts)
    : options_(options),
      parts_(std::move(parts)),
      backoff_(options.queue_config.min_backoff, options.queue_config.max_backoff),
      error_throttle_(parts_.clock, kLogIntervalNanos),
      refusal_throttle_(parts_.clock, kLogIntervalNanos),
      rejection_throttle_(parts_.clock, kLogIntervalNanos),
      outcome_(parts_.clock) {}

void ForwardLoop::Step() {
  const int64_t now = parts_.clock->MonotonicNanos();
  int64_t next_nanos = std::min(now + kMaxWaitNanos, deadline_nanos_);
  if (now >= pause_until_nanos_) {
    // After a failure one request tries whether it works again.
    const uint64_t flights = failures_in_row_ > 0 ? 1 : options_.max_concurrent_requests;
    while (flights_.size() < flights) {
      int64_t ask_again_nanos = next_nanos;
      BlockQueue::Lease lease = parts_.queue->TakeShared(kOneBlock, &ask_again_nanos);
      if (lease.empty()) {
        next_nanos = std::min(next_nanos, ask_again_nanos);
        break;
      }
      Start(std::move(lease));
    }
  } else {
    next_nanos = std::min(next_nanos, pause_until_nanos_);
  }
  const int64_t wait_nanos = std::max<int64_t>(next_nanos - parts_.clock->MonotonicNanos(), 0);
  for (const ExportAnswer& answer : parts_.client->Wait(wait_nanos)) Handle(answer);
}

void ForwardLoop::Start(BlockQueue::Lease lease) {
  const uint64_t id = next_id_++;
  ExportRequest request;
  request.id = id;
  if (options_.add_org_id_header) request.tenant = lease.blocks.front().tenant;
  request.body = lease.bodies.front();
  if (options_.compression == ForwardCompression::kGzip && !IsGzip(*request.body)) {
    request.body = std::make_shared<const std::string>(gzip_.Compress(*request.body));
  }
  Flight& flight = flights_[id];
  flight.body_bytes = request.body->size();
  flight.lease = std::move(lease);
  flight.lease.bodies.clear();  // the client has it, and the queue
  parts_.client->Start(std::move(request));
}

void ForwardLoop::Handle(const ExportAnswer& answer) {
  const auto found = flights_.find(answer.id);
  if (found == flights_.end()) return;
  const Flight flight = std::move(found->second);
  flights_.erase(found);
  switch (answer.outcome) {
    case ExportAnswer::Outcome::kTaken:
      return HandleTaken(flight, answer);
    case ExportAnswer::Outcome::kRetry:
      return HandleFailure(flight, answer);
    case ExportAnswer::Outcome::kRefused:
      return HandleRefusal(flight, answer);
  }
}

void ForwardLoop::HandleTaken(const Flight& flight, const ExportAnswer& answer) {
  // Those that were under way when something failed say nothing about how it is now.
  if (answer.id >= first_id_after_failure_) {
    failures_in_row_ = 0;
    pause_until_nanos_ = 0;
  }
  parts_.metrics->CountSent(Spans(flight), answer.rejected_spans, flight.body_bytes);
  parts_.metrics->SetUp(true);
  outcome_.NoteSuccess();
  failures_.erase(flight.lease.ids.front());
  parts_.queue->Settle(flight.lease);
  uint64_t suppressed = 0;
  if (answer.rejected_spans == 0 || !rejection_throttle_.Allow(&suppressed)) return;
  parts_.logger->Warn("a receiver of spans has rejected some of them",
                      {{"receiver", options_.name},
                       {"spans", answer.rejected_spans},
                       {"error", answer.error},
                       {"more", suppressed}});
}

void ForwardLoop::HandleFailure(const Flight& flight, const ExportAnswer& answer) {
  parts_.metrics->CountRetried(Spans(flight));
  parts_.metrics->SetUp(false);
  int64_t pause = answer.wait_nanos;
  // Requests that were under way together fail together: that is one failure.
  if (answer.id >= first_id_after_failure_) {
    first_id_after_failure_ = next_id_;
    ++failures_in_row_;
    pause = std::max(pause, backoff_.Nanos(failures_in_row_));
  }
  const int64_t now = parts_.clock->MonotonicNanos();
  pause_until_nanos_ = std::max(pause_until_nanos_, now + pause);
  // The request itself waits longer with each failure of its own: others get their turn before it.
  if (failures_.size() >= kMaxFailures) failures_.clear();
  const uint32_t failures = ++failures_[flight.lease.ids.front()];
  parts_.queue->Return(flight.lease, now + std::max(pause, backoff_.Nanos(failures)));
  outcome_.NoteError(answer.error);
  uint64_t suppressed = 0;
  if (!error_throttle_.Allow(&suppressed)) return;
  parts_.logger->Warn("cannot pass spans on to a receiver, trying again",
                      {{"receiver", options_.name}, {"error", answer.error}, {"more", suppressed}});
}

void ForwardLoop::HandleRefusal(const Flight& flight, const ExportAnswer& answer) {
  if (answer.id >= first_id_after_failure_) failures_in_row_ = 0;
  parts_.metrics->SetUp(false);
  DroppedBlocks dropped;
  dropped.counts = flight.lease.blocks.front().counts;
  dropped.blocks = 1;
  dropped.bytes = flight.body_bytes;
  parts_.metrics->CountDropped(DropReason::kRejected, dropped);
  failures_.erase(flight.lease.ids.front());
  parts_.queue->Settle(flight.lease);
  outcome_.NoteError(answer.error);
  uint64_t suppressed = 0;
  if (!refusal_throttle_.Allow(&suppressed)) return;
  parts_.logger->Error("a receiver refuses spans, which are dropped", {{"receiver", options_.name},
                                                                       {"error", answer.error},
                                                                       {"spans", Spans(flight)},
                                                                       {"more", suppressed}});
}

bool ForwardLoop::Done() const {
  if (parts_.queue->stats().blocks == 0) return true;
  if (failures_in_row_ == 0) return false;
  return options_.queue_config.spill || pause_until_nanos_ >= deadline_nanos_;
}

void ForwardLoop::Cancel() {
  parts_.client->CancelAll();
  const int64_t now = parts_.clock->MonotonicNanos();
  for (const auto& [id, flight] : flights_) parts_.queue->Return(flight.lease, now);
  flights_.clear();
}

ForwardLoop::Status ForwardLoop::status() const {
  Status status;
  outcome_.Describe(&status);
  return status;
}

}  // namespace spanmeter
