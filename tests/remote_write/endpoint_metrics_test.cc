#include "remote_write/endpoint_metrics.h"

#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote_write/metric_reader.h"

namespace spanmeter {
namespace {

constexpr int64_t kNowMs = 1'700'000'100'000;
constexpr SampleCounts kCounts = {5, 3, 2};

class EndpointMetricsTest : public testing::Test {
 protected:
  double Read(const std::string& name, const std::string& label = "",
              const std::string& value = "") const {
    return ReadMetric(metrics_, stats_, kNowMs, "spanmeter_remote_storage_" + name, label, value);
  }
  // Of samples, histograms and exemplars.
  std::vector<double> Kinds(const std::string& suffix, const std::string& label = "",
                            const std::string& value = "") const {
    return {Read("samples" + suffix, label, value), Read("histograms" + suffix, label, value),
            Read("exemplars" + suffix, label, value)};
  }

  EndpointMetrics metrics_{"name", "http://host/write"};
  QueueStats stats_;
};

const std::vector<double> kOnce = {5, 3, 2};
const std::vector<double> kNone = {0, 0, 0};

TEST_F(EndpointMetricsTest, CountsEachFateForItself) {
  const std::vector<std::string> suffixes = {"_in_total",      "_total",        "_written_total",
                                             "_retried_total", "_failed_total", "_pending"};
  for (const std::string& suffix : suffixes) {
    SCOPED_TRACE(suffix);
    EndpointMetrics fresh("name", "http://host/write");
    QueueStats stats;
    if (suffix == "_in_total") fresh.CountIn(kCounts, 0);
    if (suffix == "_total") fresh.CountSent(kCounts, 100, 0);
    if (suffix == "_written_total") fresh.CountWritten(kCounts);
    if (suffix == "_retried_total") fresh.CountRetried(kCounts);
    if (suffix == "_failed_total") fresh.CountFailed(kCounts);
    if (suffix == "_pending") stats.counts = kCounts;
    for (const std::string& other : suffixes) {
      const bool counted = other == suffix;
      for (const auto& [kind, count] :
           std::map<std::string, double>{{"samples", 5}, {"histograms", 3}, {"exemplars", 2}}) {
        EXPECT_EQ(ReadMetric(fresh, stats, kNowMs, "spanmeter_remote_storage_" + kind + other),
                  counted ? count : 0)
            << kind << other;
      }
    }
  }
}

TEST_F(EndpointMetricsTest, ShowsEveryReasonFromTheStart) {
  const std::vector<std::string> reasons = {"too_old", "queue_full", "rejected", "corrupt",
                                            "shutdown"};
  for (const std::string& reason : reasons) {
    EXPECT_EQ(Kinds("_dropped_total", "reason", reason), kNone);
  }
  metrics_.CountDropped(DropReason::kRejected, kCounts);
  for (const std::string& reason : reasons) {
    EXPECT_EQ(Kinds("_dropped_total", "reason", reason), reason == "rejected" ? kOnce : kNone);
  }
}

TEST_F(EndpointMetricsTest, TimestampsOnlyGrow) {
  metrics_.CountIn(kCounts, 1'700'000'000'500);
  metrics_.CountIn(kCounts, 1'600'000'000'000);
  metrics_.CountSent(kCounts, 10, 1'700'000'000'250);
  metrics_.CountSent(kCounts, 20, 1'600'000'000'000);
  EXPECT_EQ(Read("highest_timestamp_in_seconds"), 1'700'000'000.5);
  EXPECT_EQ(Read("queue_highest_sent_timestamp_seconds"), 1'700'000'000.25);
  EXPECT_EQ(Read("bytes_total"), 30);
}

TEST_F(EndpointMetricsTest, ShowsTheQueueAndTheShards) {
  stats_ = {7, 1000, 300, kCounts, kNowMs - 2'500};
  metrics_.SetShards(4, 50);
  EXPECT_EQ(Read("queue_blocks"), 7);
  EXPECT_EQ(Read("queue_bytes"), 1000);
  EXPECT_EQ(Read("queue_memory_bytes"), 300);
  EXPECT_EQ(Read("queue_age_seconds"), 2.5);
  EXPECT_EQ(Read("shards"), 4);
  EXPECT_EQ(Read("shards_max"), 50);
  // Nothing waits; or the clock was set back.
  stats_.oldest_ms = 0;
  EXPECT_EQ(Read("queue_age_seconds"), 0);
  stats_.oldest_ms = kNowMs + 1'000;
  EXPECT_EQ(Read("queue_age_seconds"), 0);
}

TEST_F(EndpointMetricsTest, CountsMetadata) {
  metrics_.CountMetadata(10, 200);
  metrics_.CountMetadataRetried(4);
  metrics_.CountMetadataFailed(3);
  EXPECT_EQ(Read("metadata_total"), 10);
  EXPECT_EQ(Read("metadata_bytes_total"), 200);
  EXPECT_EQ(Read("metadata_retried_total"), 4);
  EXPECT_EQ(Read("metadata_failed_total"), 3);
}

TEST_F(EndpointMetricsTest, MeasuresRequestsByCode) {
  metrics_.CountRequest(200, 0.005);
  metrics_.CountRequest(200, 0.03);
  metrics_.CountRequest(200, 100);
  metrics_.CountRequest(0, 30);
  std::vector<prometheus::MetricFamily> families;
  metrics_.Append(stats_, kNowMs, &families);
  const prometheus::ClientMetric* const metric =
      FindMetric(families, "spanmeter_remote_storage_sent_batch_duration_seconds", "code", "200");
  ASSERT_NE(metric, nullptr);
  EXPECT_EQ(metric->histogram.sample_count, 3U);
  EXPECT_DOUBLE_EQ(metric->histogram.sample_sum, 100.035);
  std::map<double, uint64_t> buckets;
  for (const auto& bucket : metric->histogram.bucket) {
    buckets[bucket.upper_bound] = bucket.cumulative_count;
  }
  EXPECT_EQ(buckets.at(0.005), 1U);  // bounds belong to their buckets
  EXPECT_EQ(buckets.at(0.025), 1U);
  EXPECT_EQ(buckets.at(0.1), 2U);
  EXPECT_EQ(buckets.at(30), 2U);
  EXPECT_EQ(buckets.rbegin()->second, 3U);
  EXPECT_TRUE(std::isinf(buckets.rbegin()->first));
  EXPECT_EQ(Read("sent_batch_duration_seconds", "code", "0"), 1);
}

TEST_F(EndpointMetricsTest, EverySeriesNamesItsReceiverAndHasAHelpText) {
  metrics_.CountRequest(200, 1);
  std::vector<prometheus::MetricFamily> families;
  metrics_.Append(stats_, kNowMs, &families);
  std::set<std::string> seen;
  for (const prometheus::MetricFamily& family : families) {
    EXPECT_EQ(family.name.rfind("spanmeter_remote_storage_", 0), 0U) << family.name;
    EXPECT_EQ(family.help.find('%'), std::string::npos) << family.help;
    EXPECT_EQ(family.help.back(), '.') << family.help;
    const bool is_counter = family.type == prometheus::MetricType::Counter;
    EXPECT_EQ(family.name.ends_with("_total"), is_counter) << family.name;
    for (const prometheus::ClientMetric& metric : family.metric) {
      std::map<std::string, std::string> labels;
      std::string key = family.name;
      for (const auto& label : metric.label) {
        EXPECT_TRUE(labels.emplace(label.name, label.value).second);
        key += "," + label.name + "=" + label.value;
      }
      EXPECT_EQ(labels["remote_name"], "name");
      EXPECT_EQ(labels["url"], "http://host/write");
      EXPECT_TRUE(seen.insert(key).second) << key;
    }
  }
  EXPECT_GT(seen.size(), 40U);
}

TEST_F(EndpointMetricsTest, CountsExactlyFromSeveralThreads) {
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([this, thread] {
      for (int i = 0; i < 1000; ++i) {
        metrics_.CountSent(kCounts, 1, 1'000 * thread + i);
        metrics_.CountRequest(200 + thread % 2, 0.01);
        metrics_.CountDropped(DropReason::kCorrupt, kCounts);
        if (i % 100 == 0) Read("samples_total");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Kinds("_total"), (std::vector<double>{20'000, 12'000, 8'000}));
  EXPECT_EQ(Kinds("_dropped_total", "reason", "corrupt"),
            (std::vector<double>{20'000, 12'000, 8'000}));
  EXPECT_EQ(Read("sent_batch_duration_seconds", "code", "200"), 2'000);
  EXPECT_EQ(Read("queue_highest_sent_timestamp_seconds"), 3.999);
}

}  // namespace
}  // namespace spanmeter
