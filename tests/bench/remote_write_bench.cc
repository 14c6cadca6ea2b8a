// What collecting and encoding costs per sample, in both versions of the protocol, compression
// included.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "spanmeter/key_hash.h"
#include "spanmeter/remote_write_options.h"

#include "remote_write/series_writer.h"

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
  state.counters["ns/sample"] =
      benchmark::Counter(static_cast<double>(points) * 1e-9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes/sample"] = static_cast<double>(bytes) / static_cast<double>(points);
}

void BM_EncodeHistograms(benchmark::State& state) { Run(state, MetricType::kHistogram); }
void BM_EncodeCounters(benchmark::State& state) { Run(state, MetricType::kCounter); }
BENCHMARK(BM_EncodeHistograms)->ArgName("version")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_EncodeCounters)->ArgName("version")->Arg(1)->Arg(2)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace spanmeter
