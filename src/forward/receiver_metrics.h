// What is counted about one receiver of spans.

#ifndef SPANMETER_FORWARD_RECEIVER_METRICS_H_
#define SPANMETER_FORWARD_RECEIVER_METRICS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "spanmeter/block_queue.h"
#include "spanmeter/drop_reason.h"
#include "spanmeter/forward.h"

namespace spanmeter {

// Thread-safe. Lives as long as the process, so that counters never go back.
class ReceiverMetrics {
 public:
  explicit ReceiverMetrics(std::string receiver) : receiver_(std::move(receiver)) {}

  // Spans that went into the queue.
  void CountIn(uint64_t spans) { Add(spans, &spans_in_); }
  // Spans that the filter policies kept back.
  void CountFiltered(uint64_t spans) { Add(spans, &spans_filtered_); }
  // A request was not let in, because there was no room for it.
  void CountRefused() { Add(1, &refused_); }
  // A request was taken, all but `rejected` of its spans.
  void CountSent(uint64_t spans, uint64_t rejected, uint64_t bytes);
  void CountRetried(uint64_t spans);
  void CountDropped(DropReason reason, const DroppedBlocks& dropped);
  // Whether the last request was taken.
  void SetUp(bool up) { up_.store(up, std::memory_order_relaxed); }

  // Fills in what this and the queue know of a receiver.
  void Describe(const QueueStats& queue, int64_t now_ms, ForwardStatus::Receiver* receiver) const;
  // Appends all families.
  void Append(const QueueStats& queue, int64_t now_ms, uint64_t max_queue_bytes,
              std::vector<prometheus::MetricFamily>* families) const;

 private:
  using Counter = std::atomic<uint64_t>;
  struct Dropped {
    Counter spans{0};
    Counter requests{0};
    Counter bytes{0};
  };

  static void Add(uint64_t value, Counter* counter) {
    counter->fetch_add(value, std::memory_order_relaxed);
  }

  const std::string receiver_;
  Counter spans_in_{0};
  Counter spans_filtered_{0};
  Counter refused_{0};
  Counter spans_{0};
  Counter requests_{0};
  Counter bytes_{0};
  Counter rejected_{0};
  Counter spans_retried_{0};
  Counter requests_retried_{0};
  std::array<Dropped, kDropReasonNames.size()> dropped_;
  std::atomic<bool> up_{true};
};

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_RECEIVER_METRICS_H_
