// What is counted about one receiver.

#ifndef SPANMETER_REMOTE_WRITE_ENDPOINT_METRICS_H_
#define SPANMETER_REMOTE_WRITE_ENDPOINT_METRICS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include <prometheus/metric_family.h>

#include "spanmeter/block_queue.h"
#include "spanmeter/drop_reason.h"
#include "spanmeter/mutex.h"
#include "spanmeter/remote_write.h"

namespace spanmeter {

// Thread-safe. Lives as long as the process, so that counters never go back.
class EndpointMetrics {
 public:
  // The labels of all metrics.
  EndpointMetrics(std::string remote_name, std::string url);

  // Samples that went into the queue; `newest_ms` is the newest of them.
  void CountIn(const SampleCounts& counts, int64_t newest_ms);
  // A request was answered (`code`: HTTP status, 0 = no answer).
  void CountRequest(int code, double seconds);
  void CountSent(const SampleCounts& counts, uint64_t body_bytes, int64_t newest_ms);
  // What the receiver says it has written of what was sent; protocol 2.0 only.
  void CountWritten(const SampleCounts& counts);
  void CountRetried(const SampleCounts& counts);
  // The receiver refused them for good; counted as dropped as well.
  void CountFailed(const SampleCounts& counts);
  void CountDropped(DropReason reason, const SampleCounts& counts);
  void CountMetadata(uint64_t metrics, uint64_t body_bytes);
  void CountMetadataRetried(uint64_t metrics);
  void CountMetadataFailed(uint64_t metrics);
  // How many requests may be under way at a time.
  void SetShards(uint64_t now, uint64_t max);

  // Fills in what this and the queue know of a receiver.
  void Describe(const QueueStats& queue, int64_t now_ms,
                RemoteWriteStatus::Receiver* receiver) const;
  // Appends all families.
  void Append(const QueueStats& queue, int64_t now_ms,
              std::vector<prometheus::MetricFamily>* families) const;

 private:
  static constexpr std::array<double, 9> kSecondsBounds = {0.005, 0.025, 0.1, 0.25, 0.5,
                                                           1,     2.5,   10,  30};
  using Counter = std::atomic<uint64_t>;
  struct Counters {
    Counter samples{0};
    Counter histograms{0};
    Counter exemplars{0};

    void Add(const SampleCounts& counts);
    SampleCounts Load() const;
  };
  // Requests with one code.
  struct Requests {
    std::array<uint64_t, kSecondsBounds.size() + 1> buckets = {};  // not cumulative
    double seconds = 0;
  };

  const std::string remote_name_;
  const std::string url_;

  Counters in_;
  Counters sent_;
  Counters written_;
  Counters retried_;
  Counters failed_;
  std::array<Counters, kDropReasonNames.size()> dropped_;
  Counter bytes_{0};
  Counter metadata_{0};
  Counter metadata_bytes_{0};
  Counter metadata_retried_{0};
  Counter metadata_failed_{0};
  std::atomic<int64_t> newest_in_ms_{0};
  std::atomic<int64_t> newest_sent_ms_{0};
  Counter shards_{1};
  Counter max_shards_{0};

  mutable Mutex mutex_;
  std::map<int, Requests> requests_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_ENDPOINT_METRICS_H_
