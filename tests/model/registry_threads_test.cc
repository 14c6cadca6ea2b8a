// Several writers, readers and the expiry at once: nothing is lost, nothing counted twice, every
// reading is consistent. Run under ThreadSanitizer too.

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

constexpr int kWriters = 4;
constexpr int kBatches = 300;
constexpr int kBatchSize = 64;
constexpr char kTraceId[] = "0123456789abcdef";

FamilyOptions Family() {
  FamilyOptions family;
  family.labels = {{"a", {}}};
  family.metrics = {{"latency", "", MetricType::kHistogram, {0.5, 1}},
                    {"calls_total", "", MetricType::kCounter, {}},
                    {"native", "", MetricType::kHistogram, {}}};
  // Both kinds first, so that they are presented on the way, native only among what is noted. Their
  // buckets have to become wider.
  family.metrics[0].native = NativeHistogramOptions{.schema = 3, .max_buckets = 2};
  family.metrics[2].native = family.metrics[0].native;
  family.metrics[2].classic = false;
  return family;
}

// Writes kBatches batches over `keys` label sets and returns how often each was counted.
std::map<std::string, double> Write(Registry* registry, FamilyId family, unsigned seed,
                                    unsigned keys) {
  std::map<std::string, double> written;
  std::mt19937 random(seed);
  UpdateBatch batch;
  for (int b = 0; b < kBatches; ++b) {
    batch.Clear();
    for (int i = 0; i < kBatchSize; ++i) {
      const std::string key = "k" + std::to_string(random() % keys);
      batch.BeginKey();
      batch.AppendText(key);
      Update& update = batch.Add(family);
      update.metrics = 7;
      const double latency = static_cast<double>(random() % 5) / 2;
      update.values = {latency, 1, latency};
      update.trace_id = kTraceId;
      written["a=\"" + key + "\""] += 1;
    }
    registry->Apply(&batch);
  }
  return written;
}

void ExpectConsistent(const CollectingSink& sink) {
  EXPECT_TRUE(sink.repeated().empty());
  if (!sink.metrics().contains("latency")) return;
  const auto& calls = sink.metrics().at("calls_total");
  for (const auto& [labels, latency] : sink.metrics().at("latency")) {
    ASSERT_TRUE(calls.contains(labels)) << labels;
    ASSERT_EQ(calls.at(labels).value, latency.count()) << labels;
    ASSERT_LE(latency.cumulative[0], latency.cumulative[1]);
    const CollectedSeries* native = sink.Find("native", labels);
    ASSERT_NE(native, nullptr) << labels;
    for (const CollectedNative& histogram : {*latency.native, *native->native}) {
      double count = histogram.zero_count;
      for (const auto& [index, n] : histogram.buckets) count += n;
      ASSERT_EQ(count, latency.count()) << labels;
    }
    ASSERT_EQ(native->native->buckets, latency.native->buckets) << labels;
  }
}

// Runs the writers, with readers beside them until they are done; returns what was written.
std::map<std::string, double> RunWriters(Registry* registry, FamilyId family, unsigned keys,
                                         const std::function<void()>& beside) {
  std::vector<std::map<std::string, double>> written(kWriters);
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      std::map<std::pair<std::string, int64_t>, double> seen;
      while (!done) {
        CollectingSink sink;
        registry->Visit(&sink);
        ExpectConsistent(sink);
        if (sink.metrics().contains("calls_total")) {
          for (const auto& [labels, series] : sink.metrics().at("calls_total")) {
            double& last = seen[{labels, series.created_ms}];
            EXPECT_GE(series.value, last) << labels << " steps back";
            last = series.value;
          }
        }
        beside();
      }
    });
  }
  std::vector<std::thread> writers;
  for (unsigned i = 0; i < kWriters; ++i) {
    writers.emplace_back([&, i] { written[i] = Write(registry, family, i + 1, keys); });
  }
  for (std::thread& writer : writers) writer.join();
  done = true;
  for (std::thread& other : others) other.join();
  std::map<std::string, double> total;
  for (const auto& map : written) {
    for (const auto& [labels, count] : map) total[labels] += count;
  }
  return total;
}

TEST(RegistryThreadsTest, EveryUpdateIsCountedOnce) {
  for (const uint64_t hash_mask : {~uint64_t{0}, uint64_t{3}}) {
    FakeClock clock;
    Registry registry(GeneratorOptions(), &clock, hash_mask);
    const FamilyId family = registry.AddFamily(Family());
    const auto written = RunWriters(&registry, family, 200, [&] { registry.Expire(); });
    CollectingSink sink;
    registry.Visit(&sink);
    ExpectConsistent(sink);
    const auto& calls = sink.metrics().at("calls_total");
    ASSERT_EQ(calls.size(), written.size());
    for (const auto& [labels, count] : written) EXPECT_EQ(calls.at(labels).value, count) << labels;
  }
}

TEST(RegistryThreadsTest, AtTheLimitEverythingIsCountedSomewhereOnce) {
  FakeClock clock;
  GeneratorOptions options;
  constexpr uint64_t kSeriesPerSet = 3 + 2 + 1 + 1 + 1;
  options.max_active_series = 50 * kSeriesPerSet;
  Registry registry(options, &clock);
  const FamilyId family = registry.AddFamily(Family());
  const auto written = RunWriters(&registry, family, 5000, [] {});
  CollectingSink sink;
  registry.Visit(&sink);
  const auto& calls = sink.metrics().at("calls_total");
  EXPECT_EQ(calls.size(), 51u);
  double total = 0;
  for (const auto& [labels, series] : calls) {
    total += series.value;
    if (written.contains(labels)) {
      EXPECT_EQ(series.value, written.at(labels)) << "an admitted set has all of its updates";
    }
  }
  EXPECT_EQ(total, double{kWriters} * kBatches * kBatchSize);
  EXPECT_EQ(registry.GetStats().active_series, 50 * kSeriesPerSet);
}

TEST(RegistryThreadsTest, ExpiryAmongWritersAndReadersKeepsReadingsConsistent) {
  FakeClock clock;
  GeneratorOptions options;
  options.stale_duration = kNanosPerSecond;
  options.max_active_series = 3000;
  Registry registry(options, &clock);
  const FamilyId family = registry.AddFamily(Family());
  RunWriters(&registry, family, 5000, [&] {
    clock.Advance(kNanosPerSecond / 4);
    registry.Expire();
  });
  clock.Advance(kNanosPerSecond);
  registry.Expire();
  const RegistryStats stats = registry.GetStats();
  EXPECT_EQ(stats.active_series, 0u);
  EXPECT_EQ(stats.active_entities, 0u);
  EXPECT_EQ(stats.series_created, stats.series_expired);
  CollectingSink sink;
  registry.Visit(&sink);
  EXPECT_TRUE(sink.metrics().empty());
}

}  // namespace
}  // namespace spanmeter
