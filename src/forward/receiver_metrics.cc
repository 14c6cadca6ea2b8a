#include "forward/receiver_metrics.h"

#include <algorithm>

#include "spanmeter/family_appender.h"

namespace spanmeter {

namespace {

constexpr double kMsPerSecond = 1000;

double Load(const std::atomic<uint64_t>& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

double AgeSeconds(const QueueStats& queue, int64_t now_ms) {
  if (queue.blocks == 0) return 0;
  return static_cast<double>(std::max<int64_t>(now_ms - queue.oldest_ms, 0)) / kMsPerSecond;
}

}  // namespace

void ReceiverMetrics::CountSent(uint64_t spans, uint64_t rejected, uint64_t bytes) {
  rejected = std::min(rejected, spans);
  Add(spans - rejected, &spans_);
  Add(rejected, &rejected_);
  Add(1, &requests_);
  Add(bytes, &bytes_);
}

void ReceiverMetrics::CountRetried(uint64_t spans) {
  Add(spans, &spans_retried_);
  Add(1, &requests_retried_);
}

void ReceiverMetrics::CountDropped(DropReason reason, const DroppedBlocks& dropped) {
  Dropped& counters = dropped_[static_cast<size_t>(reason)];
  Add(dropped.counts.samples, &counters.spans);
  Add(dropped.blocks, &counters.requests);
  Add(dropped.bytes, &counters.bytes);
}

void ReceiverMetrics::Describe(const QueueStats& queue, int64_t now_ms,
                               ForwardStatus::Receiver* receiver) const {
  receiver->name = receiver_;
  receiver->up = up_.load(std::memory_order_relaxed);
  receiver->queue_requests = queue.blocks;
  receiver->queue_bytes = queue.bytes;
  receiver->queue_memory_bytes = queue.memory_bytes;
  receiver->queue_age_seconds = AgeSeconds(queue, now_ms);
  receiver->spans_pending = queue.counts.samples;
  receiver->spans_in = spans_in_.load(std::memory_order_relaxed);
  receiver->spans_sent = spans_.load(std::memory_order_relaxed);
  receiver->spans_rejected = rejected_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kDropReasonNames.size(); ++i) {
    receiver->dropped.push_back(
        {kDropReasonNames[i], dropped_[i].spans.load(std::memory_order_relaxed)});
  }
}

void ReceiverMetrics::Append(const QueueStats& queue, int64_t now_ms, uint64_t max_queue_bytes,
                             std::vector<prometheus::MetricFamily>* families) const {
  FamilyAppender appender({{"receiver", receiver_}}, families);
  appender.Counter("spanmeter_forward_spans_in_total", "Spans that were queued for the receiver.",
                   Load(spans_in_));
  appender.Counter("spanmeter_forward_spans_filtered_total",
                   "Spans that filter_policies kept back.", Load(spans_filtered_));
  appender.Counter("spanmeter_forward_refused_requests_total",
                   "Requests that senders were told to send again, because the receiver is "
                   "required and its queue had no room.",
                   Load(refused_));
  appender.Counter("spanmeter_forward_spans_total", "Spans that the receiver has taken.",
                   Load(spans_));
  appender.Counter("spanmeter_forward_spans_rejected_total",
                   "Spans that the receiver rejected in requests that it took otherwise.",
                   Load(rejected_));
  appender.Counter("spanmeter_forward_requests_total", "Requests that the receiver has taken.",
                   Load(requests_));
  appender.Counter("spanmeter_forward_bytes_total",
                   "Bytes of the requests that the receiver has taken, as they were sent.",
                   Load(bytes_));
  appender.Counter("spanmeter_forward_spans_retried_total",
                   "Spans that were to be sent again after a failure that may pass.",
                   Load(spans_retried_));
  appender.Counter("spanmeter_forward_requests_retried_total",
                   "Requests that were to be sent again after a failure that may pass.",
                   Load(requests_retried_));
  for (size_t i = 0; i < kDropReasonNames.size(); ++i) {
    const FamilyAppender::Labels labels = {{"reason", std::string(kDropReasonNames[i])}};
    appender.Counter("spanmeter_forward_spans_dropped_total",
                     "Spans that were dropped without having arrived, by reason.",
                     Load(dropped_[i].spans), labels);
    appender.Counter("spanmeter_forward_requests_dropped_total",
                     "Requests that were dropped without having arrived, by reason.",
                     Load(dropped_[i].requests), labels);
    appender.Counter("spanmeter_forward_bytes_dropped_total",
                     "Bytes of requests that were dropped without having arrived, by reason.",
                     Load(dropped_[i].bytes), labels);
  }
  appender.Gauge("spanmeter_forward_up",
                 "Whether the receiver took the last request, or there was none yet.",
                 up_.load(std::memory_order_relaxed) ? 1 : 0);
  appender.Gauge("spanmeter_forward_queue_spans", "Spans that wait to be sent or for their answer.",
                 static_cast<double>(queue.counts.samples));
  appender.Gauge("spanmeter_forward_queue_requests",
                 "Requests that wait to be sent or for their answer.",
                 static_cast<double>(queue.blocks));
  appender.Gauge("spanmeter_forward_queue_bytes",
                 "Bytes that wait to be sent or for their answer, on disk and in memory.",
                 static_cast<double>(queue.bytes));
  appender.Gauge("spanmeter_forward_queue_memory_bytes",
                 "Bytes that wait to be sent or for their answer, and are in memory.",
                 static_cast<double>(queue.memory_bytes));
  appender.Gauge("spanmeter_forward_queue_max_bytes",
                 "Bytes that may wait; beyond them the oldest requests are dropped or, where the "
                 "receiver is required, new ones refused.",
                 static_cast<double>(max_queue_bytes));
  appender.Gauge("spanmeter_forward_queue_age_seconds",
                 "Age of the oldest request that waits to be sent.", AgeSeconds(queue, now_ms));
}

}  // namespace spanmeter
