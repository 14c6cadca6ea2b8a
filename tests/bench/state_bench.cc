// Writing the state of a registry and reading it back, in memory: what a restart takes besides the
// disk.

#include <memory>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "spanmeter/registry.h"
#include "spanmeter/state_stream.h"

#include "support/state_bytes.h"

namespace spanmeter {
namespace {

constexpr std::string_view kKinds[] = {"SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL",
                                       "SPAN_KIND_SERVER"};

// A registry with a family like that of span metrics.
struct Process {
  Process() : registry(GeneratorOptions(), &clock) {
    FamilyOptions spans;
    spans.labels = {{"service", {}}, {"span_name", {}}, {"span_kind", kKinds}};
    spans.metrics = {
        {"latency", "Latency.", MetricType::kHistogram, SpanMetricsOptions().histogram_buckets},
        {"calls_total", "Calls.", MetricType::kCounter, {}},
        {"size_total", "Size.", MetricType::kCounter, {}}};
    family = registry.AddFamily(std::move(spans));
  }

  void Fill(int64_t label_sets) {
    constexpr size_t kBatch = 512;
    UpdateBatch batch;
    for (int64_t n = 0; n < label_sets; ++n) {
      batch.BeginKey();
      batch.AppendText("service-" + std::to_string(n % 50));
      batch.AppendText("GET /api/v1/resource/" + std::to_string(n / 50));
      batch.AppendEnum(2);
      Update& update = batch.Add(family);
      update.metrics = 7;
      update.values = {0.01, 1, 550};
      update.trace_id = "0123456789abcdef";
      if (batch.updates().size() < kBatch) continue;
      registry.Apply(&batch);
      batch.Clear();
    }
    registry.Apply(&batch);
  }
  std::string Save() {
    return testing::StateBytes(clock, [this](StateWriter* writer) { registry.Save(writer); });
  }

  SystemClock clock;
  Registry registry;
  FamilyId family = 0;
};

void BM_Save(benchmark::State& state) {
  Process process;
  process.Fill(state.range(0));
  uint64_t bytes = 0;
  for (auto _ : state) {
    StateWriter writer(&process.clock, [](std::string_view) { return true; });
    process.registry.Save(&writer);
    writer.Finish();
    bytes = writer.bytes();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["bytes_per_label_set"] =
      static_cast<double>(bytes) / static_cast<double>(state.range(0));
}
BENCHMARK(BM_Save)->ArgName("label_sets")->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void BM_Check(benchmark::State& state) {
  Process process;
  process.Fill(state.range(0));
  const std::string bytes = process.Save();
  for (auto _ : state) {
    if (!CheckState(&process.clock, testing::ReadFrom(bytes)).empty())
      state.SkipWithError("damage");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Check)->ArgName("label_sets")->Arg(1'000'000)->Unit(benchmark::kMillisecond);

void BM_Restore(benchmark::State& state) {
  std::string bytes;
  {
    Process process;
    process.Fill(state.range(0));
    bytes = process.Save();
  }
  for (auto _ : state) {
    state.PauseTiming();
    auto process = std::make_unique<Process>();
    state.ResumeTiming();
    StateReader reader(&process->clock, testing::ReadFrom(bytes));
    RestoredState restored;
    if (!process->registry.Restore(&reader, &restored)) state.SkipWithError("no state");
    state.PauseTiming();
    process.reset();
    state.ResumeTiming();
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Restore)->ArgName("label_sets")->Arg(1'000'000)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace spanmeter
