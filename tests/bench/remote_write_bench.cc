// What collecting and encoding costs per sample, in both versions of the protocol, compression
// included; and what a collection takes from those who write meanwhile.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "spanmeter/clock.h"
#include "spanmeter/key_hash.h"
#include "spanmeter/registry.h"
#include "spanmeter/remote_write_options.h"

#include "remote_write/series_writer.h"
#include "remote_write/tenant_collector.h"

namespace spanmeter {
namespace {

constexpr int64_t kStamp = 1'700'000'000'000;
constexpr size_t kSamples = 1'000'000;
constexpr size_t kBuckets = 15;
constexpr size_t kSamplesPerHistogram = kBuckets + 2;

// Ten labels with __name__.
std::vector<std::string> MakeLabelSets(size_t count) {
  std::vector<std::string> sets(count);
  for (size_t i = 0; i < count; ++i) {
    sets[i] =
        "cluster=\"eu-central-1\",deployment_environment=\"production\","
        "http_request_method=\"GET\",instance_id=\"meter-0\",k8s_namespace_name=\"shop-" +
        std::to_string(i % 7) + "\",service=\"service-" + std::to_string(i % 50) +
        "\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"GET /api/v1/resource/" +
        std::to_string(i / 50) + "\",status_code=\"STATUS_CODE_UNSET\"";
  }
  return sets;
}

void Run(benchmark::State& state, MetricType type) {
  const auto protocol = static_cast<Protocol>(state.range(0));
  const bool histogram = type == MetricType::kHistogram;
  const std::vector<std::string> sets =
      MakeLabelSets(histogram ? kSamples / kSamplesPerHistogram : kSamples);
  MetricInfo info;
  info.name = histogram ? "traces_spanmetrics_latency" : "traces_spanmetrics_calls_total";
  info.help = "What the metric is about.";
  info.type = type;
  for (size_t i = 1; i < kBuckets; ++i) info.bounds.push_back(0.001 * static_cast<double>(1 << i));
  const MetricNames metric(info, 1);
  const RemoteWriteOptions options;
  const std::string tenant = "single-tenant";
  std::array<double, kBuckets> counts;
  for (size_t i = 0; i < kBuckets; ++i) counts[i] = static_cast<double>(i * 17);
  CollectedTimes times;
  times.stamp_ms = kStamp;
  times.start_ms = kStamp - 123'456;
  uint64_t points = 0;
  uint64_t bytes = 0;
  for (auto _ : state) {
    SeriesWriter writer(options, nullptr, protocol, tenant, kSamples);
    SeriesLabels labels;
    double value = 0;
    for (const std::string& text : sets) {
      labels.Parse(text);
      const CollectedLabels collected = {&labels, KeyHash(text, 0)};
      value += 1.25;
      if (histogram) {
        writer.Histogram(collected, metric, {counts, value, {}}, times);
      } else {
        writer.Number(collected, metric, value, times);
      }
    }
    for (const Block& block : writer.Finish()) bytes += block.body.size();
    points += writer.points();
  }
  state.SetItemsProcessed(static_cast<int64_t>(points));
  state.counters["bytes/sample"] = static_cast<double>(bytes) / static_cast<double>(points);
}

void BM_EncodeHistograms(benchmark::State& state) { Run(state, MetricType::kHistogram); }
void BM_EncodeCounters(benchmark::State& state) { Run(state, MetricType::kCounter); }
BENCHMARK(BM_EncodeHistograms)->ArgName("version")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_EncodeCounters)->ArgName("version")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);

// A registry with a million series: calls, size and latency of spans.
class MillionSeries {
 public:
  MillionSeries() {
    options_.stale_duration = 3600 * kNanosPerSecond;
    registry_ = std::make_unique<Registry>(options_, &clock_);
    FamilyOptions family;
    for (const char* label : {"cluster", "environment", "instance_id", "method", "namespace",
                              "service", "span_kind", "span_name", "status_code"}) {
      family.labels.push_back({label, {}});
    }
    family.metrics = {{"latency", "", MetricType::kHistogram, {}},
                      {"calls_total", "", MetricType::kCounter, {}},
                      {"size_total", "", MetricType::kCounter, {}}};
    for (size_t i = 1; i < kBuckets; ++i) {
      family.metrics[0].bounds.push_back(0.001 * static_cast<double>(1 << i));
    }
    family_ = registry_->AddFamily(family);
    for (size_t i = 0; i < kLabelSets; i += kBatch) Apply(i);
  }

  // A request with kBatch spans.
  void Apply(size_t first) {
    batch_.Clear();
    for (size_t i = first; i < first + kBatch; ++i) {
      const size_t number = i * 7919 % kLabelSets;
      batch_.BeginKey();
      for (const char* value : {"eu-central-1", "production", "meter-0", "GET"}) {
        batch_.AppendText(value);
      }
      batch_.AppendText("shop-" + std::to_string(number % 7));
      batch_.AppendText("service-" + std::to_string(number % 50));
      batch_.AppendText("SPAN_KIND_SERVER");
      batch_.AppendText("GET /api/v1/resource/" + std::to_string(number / 50));
      batch_.AppendText("STATUS_CODE_UNSET");
      Update& update = batch_.Add(family_);
      update.metrics = 7;
      update.values = {0.01, 1, 550};
    }
    registry_->Apply(&batch_);
  }

  Registry* registry() { return registry_.get(); }
  int64_t NowMs() const { return clock_.WallNanos() / kNanosPerMilli; }

  static constexpr size_t kBatch = 512;
  static constexpr size_t kLabelSets = kSamples / (kSamplesPerHistogram + 2);

 private:
  const SystemClock clock_;
  GeneratorOptions options_;
  std::unique_ptr<Registry> registry_;
  FamilyId family_ = 0;
  UpdateBatch batch_;
};

void BM_Collect(benchmark::State& state) {
  const auto protocol = static_cast<Protocol>(state.range(0));
  MillionSeries series;
  const RemoteWriteOptions options;
  const TenantCollector::Target target = {&options, nullptr, protocol};
  TenantCollector collector("single-tenant", 0);
  uint64_t bytes = 0;
  int64_t stamp_ms = series.NowMs() + 1;
  collector.Collect(series.registry(), stamp_ms, {&target, 1});  // with the zeros
  for (auto _ : state) {
    const auto blocks = collector.Collect(series.registry(), ++stamp_ms, {&target, 1});
    for (const Block& block : blocks[0]) bytes += block.body.size();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kSamples));
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}
BENCHMARK(BM_Collect)->ArgName("version")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);

// Spans per second of one writer, without and with a collection after the other beside it.
void BM_ApplyBesideCollections(benchmark::State& state) {
  MillionSeries series;
  std::atomic<bool> stop{false};
  std::thread thread;
  if (state.range(0) != 0) {
    thread = std::thread([&] {
      const RemoteWriteOptions options;
      const TenantCollector::Target target = {&options, nullptr, Protocol::k2};
      TenantCollector collector("single-tenant", 0);
      for (int64_t stamp_ms = series.NowMs() + 1; !stop; ++stamp_ms) {
        benchmark::DoNotOptimize(collector.Collect(series.registry(), stamp_ms, {&target, 1}));
      }
    });
  }
  size_t first = 0;
  for (auto _ : state) {
    series.Apply(first);
    first += MillionSeries::kBatch;
  }
  stop = true;
  if (thread.joinable()) thread.join();
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * MillionSeries::kBatch));
}
BENCHMARK(BM_ApplyBesideCollections)->ArgName("collecting")->Arg(0)->Arg(1)->UseRealTime();

}  // namespace
}  // namespace spanmeter
