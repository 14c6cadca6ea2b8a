// What writing a scrape costs per line of the text format, in each format, at a million lines.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>

#include "spanmeter/exposition.h"

namespace spanmeter {
namespace {

// As span metrics are by default: a counter of calls, one of bytes, and a histogram of latency with
// 14 bounds, 19 lines for each label set.
constexpr size_t kLinesPerLabelSet = 19;
constexpr size_t kLabelSets = 1'000'000 / kLinesPerLabelSet + 1;
constexpr size_t kBuckets = 15;

struct LabelSet {
  std::string labels;
  double calls;
  double bytes;
  double seconds;
  std::array<double, kBuckets> counts;
};

std::vector<LabelSet> MakeLabelSets() {
  std::vector<LabelSet> sets(kLabelSets);
  uint64_t random = 1;
  for (size_t i = 0; i < sets.size(); ++i) {
    LabelSet& set = sets[i];
    set.labels = "service=\"service-" + std::to_string(i % 50) +
                 "\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"GET /api/v1/resource/" +
                 std::to_string(i / 50) + "\",status_code=\"STATUS_CODE_UNSET\"";
    double count = 0;
    for (double& bucket : set.counts) {
      random = random * 6364136223846793005U + 1442695040888963407U;
      count += static_cast<double>(random >> 54);
      bucket = count;
    }
    set.calls = count;
    set.bytes = count * 550;
    set.seconds = count * 0.0123456789;
  }
  return sets;
}

bool Visit(const std::vector<LabelSet>& sets, bool with_exemplars, SampleSink* sink) {
  constexpr int64_t kCreatedMs = 1'700'000'000'000;
  MetricInfo calls;
  calls.name = "traces_spanmetrics_calls_total";
  calls.help = "Number of spans.";
  if (!sink->BeginMetric(calls)) return false;
  for (const LabelSet& set : sets) {
    if (!sink->Number(set.labels, set.calls, kCreatedMs)) return false;
  }
  MetricInfo bytes = calls;
  bytes.name = "traces_spanmetrics_size_total";
  if (!sink->BeginMetric(bytes)) return false;
  for (const LabelSet& set : sets) {
    if (!sink->Number(set.labels, set.bytes, kCreatedMs)) return false;
  }
  MetricInfo latency;
  latency.name = "traces_spanmetrics_latency";
  latency.help = "Latency of spans.";
  latency.type = MetricType::kHistogram;
  for (double bound = 0.002; bound < 20; bound *= 2) latency.bounds.push_back(bound);
  if (!sink->BeginMetric(latency)) return false;
  std::array<Exemplar, 1> exemplars;
  exemplars[0].bucket = 3;
  exemplars[0].value = 0.0123456;
  exemplars[0].timestamp_ms = kCreatedMs;
  for (const LabelSet& set : sets) {
    HistogramPoint point{set.counts, set.seconds, {}};
    if (with_exemplars) point.exemplars = exemplars;
    if (!sink->Histogram(set.labels, point, kCreatedMs)) return false;
  }
  return true;
}

// Arguments: format, gzip.
void BM_Encode(benchmark::State& state) {
  const std::vector<LabelSet> sets = MakeLabelSets();
  EncoderOptions options;
  options.format = static_cast<ExpositionFormat>(state.range(0));
  options.gzip = state.range(1) != 0;
  uint64_t bytes = 0;
  for (auto _ : state) {
    const std::unique_ptr<Encoder> encoder = NewEncoder(options, [&bytes](std::string_view chunk) {
      bytes += chunk.size();
      return true;
    });
    if (!Visit(sets, options.format != ExpositionFormat::kText, encoder.get()) ||
        !encoder->Finish()) {
      state.SkipWithError("cannot encode");
    }
  }
  const auto lines = static_cast<double>(state.iterations() * kLabelSets * kLinesPerLabelSet);
  state.counters["time/line"] =
      benchmark::Counter(lines, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  state.counters["bytes/line"] = static_cast<double>(bytes) / lines;
}
BENCHMARK(BM_Encode)
    ->ArgNames({"format", "gzip"})
    ->ArgsProduct({{static_cast<int64_t>(ExpositionFormat::kText),
                    static_cast<int64_t>(ExpositionFormat::kOpenMetrics),
                    static_cast<int64_t>(ExpositionFormat::kProtobuf)},
                   {0, 1}})
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace spanmeter
