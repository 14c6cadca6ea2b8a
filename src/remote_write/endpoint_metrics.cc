#include "remote_write/endpoint_metrics.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "spanmeter/family_appender.h"

namespace spanmeter {

namespace {

constexpr double kMsPerSecond = 1000;
const char kDurationName[] = "spanmeter_remote_storage_sent_batch_duration_seconds";

double Load(const std::atomic<uint64_t>& counter) {
  return static_cast<double>(counter.load(std::memory_order_relaxed));
}

void Raise(int64_t value, std::atomic<int64_t>* highest) {
  int64_t known = highest->load(std::memory_order_relaxed);
  while (known < value && !highest->compare_exchange_weak(known, value)) {
  }
}

// Of the oldest sample that waits.
double AgeSeconds(const QueueStats& queue, int64_t now_ms) {
  if (queue.oldest_ms == 0) return 0;
  return static_cast<double>(std::max<int64_t>(now_ms - queue.oldest_ms, 0)) / kMsPerSecond;
}

// One counter for each kind of points: `prefix` KIND `suffix`.
void AppendKinds(const std::string& suffix, const std::string& help, const SampleCounts& counts,
                 const FamilyAppender::Labels& labels, FamilyAppender* appender) {
  const std::pair<const char*, uint64_t> kinds[] = {{"samples", counts.samples},
                                                    {"histograms", counts.histograms},
                                                    {"exemplars", counts.exemplars}};
  for (const auto& [kind, count] : kinds) {
    const std::string name = "spanmeter_remote_storage_" + std::string(kind) + suffix;
    std::string text = help;
    text.replace(text.find('%'), 1, kind);
    if (suffix == "_pending") {
      appender->Gauge(name, text, static_cast<double>(count), labels);
    } else {
      appender->Counter(name, text, static_cast<double>(count), labels);
    }
  }
}

}  // namespace

void EndpointMetrics::Counters::Add(const SampleCounts& counts) {
  samples.fetch_add(counts.samples, std::memory_order_relaxed);
  histograms.fetch_add(counts.histograms, std::memory_order_relaxed);
  exemplars.fetch_add(counts.exemplars, std::memory_order_relaxed);
}

SampleCounts EndpointMetrics::Counters::Load() const {
  SampleCounts counts;
  counts.samples = samples.load(std::memory_order_relaxed);
  counts.histograms = histograms.load(std::memory_order_relaxed);
  counts.exemplars = exemplars.load(std::memory_order_relaxed);
  return counts;
}

EndpointMetrics::EndpointMetrics(std::string remote_name, std::string url)
    : remote_name_(std::move(remote_name)), url_(std::move(url)) {}

void EndpointMetrics::CountIn(const SampleCounts& counts, int64_t newest_ms) {
  in_.Add(counts);
  Raise(newest_ms, &newest_in_ms_);
}

void EndpointMetrics::CountRequest(int code, double seconds) {
  const auto bucket =
      static_cast<size_t>(std::lower_bound(kSecondsBounds.begin(), kSecondsBounds.end(), seconds) -
                          kSecondsBounds.begin());
  const MutexLock lock(&mutex_);
  Requests& requests = requests_[code];
  ++requests.buckets[bucket];
  requests.seconds += seconds;
}

void EndpointMetrics::CountSent(const SampleCounts& counts, uint64_t body_bytes,
                                int64_t newest_ms) {
  sent_.Add(counts);
  bytes_.fetch_add(body_bytes, std::memory_order_relaxed);
  Raise(newest_ms, &newest_sent_ms_);
}

void EndpointMetrics::CountWritten(const SampleCounts& counts) { written_.Add(counts); }
void EndpointMetrics::CountRetried(const SampleCounts& counts) { retried_.Add(counts); }
void EndpointMetrics::CountFailed(const SampleCounts& counts) { failed_.Add(counts); }

void EndpointMetrics::CountDropped(DropReason reason, const SampleCounts& counts) {
  dropped_[static_cast<size_t>(reason)].Add(counts);
}

void EndpointMetrics::CountMetadata(uint64_t metrics, uint64_t body_bytes) {
  metadata_.fetch_add(metrics, std::memory_order_relaxed);
  metadata_bytes_.fetch_add(body_bytes, std::memory_order_relaxed);
}

void EndpointMetrics::CountMetadataRetried(uint64_t metrics) {
  metadata_retried_.fetch_add(metrics, std::memory_order_relaxed);
}

void EndpointMetrics::CountMetadataFailed(uint64_t metrics) {
  metadata_failed_.fetch_add(metrics, std::memory_order_relaxed);
}

void EndpointMetrics::SetShards(uint64_t now, uint64_t max) {
  shards_.store(now, std::memory_order_relaxed);
  max_shards_.store(max, std::memory_order_relaxed);
}

void EndpointMetrics::Describe(const QueueStats& queue, int64_t now_ms,
                               RemoteWriteStatus::Receiver* receiver) const {
  receiver->name = remote_name_;
  receiver->url = url_;
  receiver->shards = shards_.load(std::memory_order_relaxed);
  receiver->max_shards = max_shards_.load(std::memory_order_relaxed);
  receiver->queue_blocks = queue.blocks;
  receiver->queue_bytes = queue.bytes;
  receiver->queue_memory_bytes = queue.memory_bytes;
  receiver->queue_age_seconds = AgeSeconds(queue, now_ms);
  const SampleCounts in = in_.Load();
  const SampleCounts sent = sent_.Load();
  const SampleCounts retried = retried_.Load();
  const SampleCounts failed = failed_.Load();
  const auto counts = [&](uint64_t SampleCounts::*kind) -> RemoteWriteStatus::Counts {
    return {in.*kind, sent.*kind, retried.*kind, failed.*kind, queue.counts.*kind};
  };
  receiver->samples = counts(&SampleCounts::samples);
  receiver->histograms = counts(&SampleCounts::histograms);
  receiver->exemplars = counts(&SampleCounts::exemplars);
  for (size_t i = 0; i < kDropReasonNames.size(); ++i) {
    const SampleCounts dropped = dropped_[i].Load();
    receiver->dropped.push_back(
        {kDropReasonNames[i], dropped.samples, dropped.histograms, dropped.exemplars});
  }
  receiver->bytes_sent = bytes_.load(std::memory_order_relaxed);
  const int64_t newest_in_ms = newest_in_ms_.load(std::memory_order_relaxed);
  const int64_t newest_sent_ms = newest_sent_ms_.load(std::memory_order_relaxed);
  if (newest_sent_ms == 0) {
    // Nothing was sent since the start: what waits may be of a former process.
    receiver->lag_seconds = receiver->queue_age_seconds;
  } else {
    receiver->lag_seconds =
        static_cast<double>(std::max<int64_t>(newest_in_ms - newest_sent_ms, 0)) / kMsPerSecond;
  }
}

void EndpointMetrics::Append(const QueueStats& queue, int64_t now_ms,
                             std::vector<prometheus::MetricFamily>* families) const {
  FamilyAppender appender({{"remote_name", remote_name_}, {"url", url_}}, families);
  AppendKinds("_in_total", "How many % were collected for the receiver.", in_.Load(), {},
              &appender);
  AppendKinds("_total", "How many % were sent and taken by the receiver.", sent_.Load(), {},
              &appender);
  AppendKinds("_written_total",
              "How many % the receiver says that it has written; protocol 2.0 only.",
              written_.Load(), {}, &appender);
  AppendKinds("_retried_total", "How many % were to be sent again after a failure that may pass.",
              retried_.Load(), {}, &appender);
  AppendKinds("_failed_total", "How many % the receiver refused for good, or did not write.",
              failed_.Load(), {}, &appender);
  for (size_t i = 0; i < kDropReasonNames.size(); ++i) {
    AppendKinds("_dropped_total", "How many % were dropped without having arrived, by reason.",
                dropped_[i].Load(), {{"reason", std::string(kDropReasonNames[i])}}, &appender);
  }
  AppendKinds("_pending", "How many % wait to be sent or for their answer.", queue.counts, {},
              &appender);
  appender.Counter("spanmeter_remote_storage_bytes_total",
                   "Bytes of requests with samples that were taken, compressed.", Load(bytes_));
  appender.Counter("spanmeter_remote_storage_metadata_total",
                   "Metrics whose metadata was sent apart from samples; protocol 1.0 only.",
                   Load(metadata_));
  appender.Counter("spanmeter_remote_storage_metadata_bytes_total",
                   "Bytes of requests with metadata that were taken, compressed.",
                   Load(metadata_bytes_));
  appender.Counter("spanmeter_remote_storage_metadata_retried_total",
                   "Metrics whose metadata was to be sent again.", Load(metadata_retried_));
  appender.Counter("spanmeter_remote_storage_metadata_failed_total",
                   "Metrics whose metadata the receiver refused.", Load(metadata_failed_));
  appender.Gauge("spanmeter_remote_storage_highest_timestamp_in_seconds",
                 "Timestamp of the newest sample that was collected, in seconds since the epoch.",
                 static_cast<double>(newest_in_ms_.load()) / kMsPerSecond);
  appender.Gauge("spanmeter_remote_storage_queue_highest_sent_timestamp_seconds",
                 "Timestamp of the newest sample that was sent, in seconds since the epoch.",
                 static_cast<double>(newest_sent_ms_.load()) / kMsPerSecond);
  appender.Gauge("spanmeter_remote_storage_shards",
                 "How many requests may be under way at the same time.", Load(shards_));
  appender.Gauge("spanmeter_remote_storage_shards_max", "The most that there can be.",
                 Load(max_shards_));
  appender.Gauge("spanmeter_remote_storage_queue_blocks", "Requests that wait to be sent.",
                 static_cast<double>(queue.blocks));
  appender.Gauge("spanmeter_remote_storage_queue_bytes",
                 "Bytes that wait to be sent, compressed, on disk and in memory.",
                 static_cast<double>(queue.bytes));
  appender.Gauge("spanmeter_remote_storage_queue_memory_bytes",
                 "Bytes that wait to be sent and are in memory only.",
                 static_cast<double>(queue.memory_bytes));
  appender.Gauge("spanmeter_remote_storage_queue_age_seconds",
                 "Age of the oldest sample that waits to be sent.", AgeSeconds(queue, now_ms));

  prometheus::MetricFamily durations = {
      kDurationName,
      "Time from the start of a request to its answer, by status code; 0 is no answer.",
      prometheus::MetricType::Histogram,
      {}};
  const MutexLock lock(&mutex_);
  for (const auto& [code, requests] : requests_) {
    prometheus::ClientMetric metric;
    metric.label = {{"remote_name", remote_name_}, {"url", url_}, {"code", std::to_string(code)}};
    uint64_t count = 0;
    for (size_t i = 0; i < requests.buckets.size(); ++i) {
      count += requests.buckets[i];
      const double bound =
          i < kSecondsBounds.size() ? kSecondsBounds[i] : std::numeric_limits<double>::infinity();
      metric.histogram.bucket.push_back({count, bound});
    }
    metric.histogram.sample_count = count;
    metric.histogram.sample_sum = requests.seconds;
    durations.metric.push_back(std::move(metric));
  }
  if (!durations.metric.empty()) families->push_back(std::move(durations));
}

}  // namespace spanmeter
