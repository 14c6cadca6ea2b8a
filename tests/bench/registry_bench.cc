// Updating and reading a registry of the span-metrics family's shape, without spans around it.

#include <malloc.h>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "spanmeter/registry.h"

namespace spanmeter {
namespace {

constexpr int64_t kBatch = 512;

FamilyOptions SpanMetricsFamily(HistogramKind kind = HistogramKind::kClassic) {
  static constexpr std::string_view kKinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                                "SPAN_KIND_SERVER"};
  static constexpr std::string_view kStatuses[] = {"STATUS_CODE_UNSET", "STATUS_CODE_OK"};
  FamilyOptions family;
  family.labels = {
      {"service", {}}, {"span_name", {}}, {"span_kind", kKinds}, {"status_code", kStatuses}};
  family.metrics = {
      {"latency", "Latency.", MetricType::kHistogram, SpanMetricsOptions().histogram_buckets},
      {"calls_total", "Calls.", MetricType::kCounter, {}},
      {"size_total", "Size.", MetricType::kCounter, {}}};
  FamilyMetric& latency = family.metrics[0];
  latency.classic = kind != HistogramKind::kNative;
  if (!latency.classic) latency.bounds.clear();
  if (kind != HistogramKind::kClassic) latency.native.emplace();
  return family;
}

// Adds a span of label set `n`, with an exemplar.
void AddSpan(FamilyId family, int64_t n, double latency, UpdateBatch* batch) {
  batch->BeginKey();
  batch->AppendText("service-" + std::to_string(n % 50));
  batch->AppendText("GET /api/v1/resource/" + std::to_string(n / 50));
  batch->AppendEnum(2);
  batch->AppendEnum(0);
  Update& update = batch->Add(family);
  update.metrics = 7;
  update.values = {latency, 1, 550};
  update.trace_id = "0123456789abcdef";
}

// Requests of kBatch updates each that go round `label_sets` label sets in random order.
std::vector<UpdateBatch> MakeBatches(FamilyId family, int64_t label_sets, int64_t batches) {
  std::mt19937 random(1);
  std::vector<UpdateBatch> result(static_cast<size_t>(batches));
  for (UpdateBatch& batch : result) {
    for (int64_t i = 0; i < kBatch; ++i) {
      const auto n = static_cast<int64_t>(random() % static_cast<uint64_t>(label_sets));
      AddSpan(family, n, 0.001 * (1 << random() % 10), &batch);
    }
  }
  return result;
}

class Filled {
 public:
  explicit Filled(int64_t label_sets, HistogramKind kind = HistogramKind::kClassic)
      : registry(GeneratorOptions(), &clock) {
    family = registry.AddFamily(SpanMetricsFamily(kind));
    Fill(label_sets, 0.01);
  }

  // Counts one span of this latency for each label set.
  void Fill(int64_t label_sets, double latency) {
    UpdateBatch batch;
    for (int64_t n = 0; n < label_sets; ++n) {
      AddSpan(family, n, latency, &batch);
      if (batch.updates().size() == kBatch) {
        registry.Apply(&batch);
        batch.Clear();
      }
    }
    registry.Apply(&batch);
  }

  SystemClock clock;
  Registry registry;
  FamilyId family;
};

void BM_Update(benchmark::State& state) {
  static std::unique_ptr<Filled> filled;
  static std::vector<std::vector<UpdateBatch>> batches;
  if (state.thread_index() == 0) {
    filled = std::make_unique<Filled>(state.range(0));
    batches.clear();
    for (int i = 0; i < state.threads(); ++i) {
      batches.push_back(MakeBatches(filled->family, state.range(0), 64));
    }
  }
  size_t next = 0;
  for (auto _ : state) {
    auto& mine = batches[static_cast<size_t>(state.thread_index())];
    filled->registry.Apply(&mine[next++ % mine.size()]);
  }
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_Update)
    ->ArgName("label_sets")
    ->Arg(500)
    ->Arg(50'000)
    ->Arg(1'000'000)
    ->ThreadRange(1, 2)
    ->UseRealTime();

const char* const kKindNames[] = {"classic", "native", "both"};

// The same with each kind of histogram: latencies spread over 10 native buckets, or, log-normally
// as those of real services are, over some 30.
void BM_UpdateHistogram(benchmark::State& state) {
  constexpr int64_t kLabelSets = 5000;
  state.SetLabel(kKindNames[state.range(0)]);
  Filled filled(kLabelSets, static_cast<HistogramKind>(state.range(0)));
  std::vector<UpdateBatch> batches = MakeBatches(filled.family, kLabelSets, 64);
  if (state.range(1) != 0) {
    std::mt19937 random(2);
    std::lognormal_distribution<double> latency(-3, 0.7);
    for (UpdateBatch& batch : batches) {
      UpdateBatch spread;
      for (int64_t i = 0; i < kBatch; ++i) {
        AddSpan(filled.family, static_cast<int64_t>(random() % kLabelSets), latency(random),
                &spread);
      }
      batch = std::move(spread);
    }
  }
  size_t next = 0;
  for (auto _ : state) filled.registry.Apply(&batches[next++ % batches.size()]);
  state.SetItemsProcessed(state.iterations() * kBatch);
}
BENCHMARK(BM_UpdateHistogram)->ArgNames({"kind", "spread"})->ArgsProduct({{0, 1, 2}, {0, 1}});

// Reads everything and looks at nothing: what a visit costs without a format.
class NullSink final : public SampleSink {
 public:
  bool BeginMetric(const MetricInfo&) override { return true; }
  bool Number(std::string_view, double value, int64_t) override {
    benchmark::DoNotOptimize(value);
    return true;
  }
  bool Histogram(std::string_view, const HistogramPoint& point, int64_t) override {
    benchmark::DoNotOptimize(point.sum);
    return true;
  }
};

void BM_Visit(benchmark::State& state) {
  state.SetLabel(kKindNames[state.range(1)]);
  Filled filled(state.range(0), static_cast<HistogramKind>(state.range(1)));
  NullSink sink;
  for (auto _ : state) filled.registry.Visit(&sink);
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Visit)
    ->ArgNames({"label_sets", "kind"})
    ->ArgsProduct({{50'000}, {0, 1, 2}})
    ->Unit(benchmark::kMillisecond);

// Not a time: bytes of heap per label set, right after its birth (one exemplar) and when all of its
// classic buckets have seen an exemplar; a native histogram then has 16 buckets and, if it is
// alone, 10 exemplars.
void BM_Memory(benchmark::State& state) {
  const auto in_use = [] { return static_cast<double>(mallinfo2().uordblks + mallinfo2().hblkhd); };
  const int64_t label_sets = state.range(0);
  state.SetLabel(kKindNames[state.range(1)]);
  for (auto _ : state) {
    const double before = in_use();
    Filled filled(label_sets, static_cast<HistogramKind>(state.range(1)));
    state.counters["bytes_at_birth"] = (in_use() - before) / static_cast<double>(label_sets);
    filled.Fill(label_sets, 0);
    for (const double bound : SpanMetricsOptions().histogram_buckets) {
      filled.Fill(label_sets, bound * 1.5);
    }
    state.counters["bytes_with_all_exemplars"] =
        (in_use() - before) / static_cast<double>(label_sets);
  }
}
BENCHMARK(BM_Memory)
    ->ArgNames({"label_sets", "kind"})
    ->ArgsProduct({{200'000}, {0, 1, 2}})
    ->Iterations(1)
    ->Unit(benchmark::kSecond);

}  // namespace
}  // namespace spanmeter
