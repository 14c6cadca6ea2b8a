// The API at a million series: how long an answer takes, and what counting loses meanwhile.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "spanmeter/label_set_walk.h"
#include "spanmeter/registry.h"

#include "admin/analysis.h"
#include "admin/answer_cache.h"
#include "admin/graph_json.h"
#include "admin/matchers.h"
#include "admin/series_search.h"
#include "admin/service_graph.h"

namespace spanmeter {
namespace {

constexpr int64_t kBatch = 512;
constexpr int64_t kServices = 50;
// A million series: 14 buckets and +Inf, count, sum, and two counters each.
constexpr int64_t kLabelSets = 1'000'000 / 19;
constexpr int64_t kEdges = 5'000;
constexpr char kTraceId[] = "0123456789abcdef";

class Filled {
 public:
  Filled() : registry(GeneratorOptions(), &clock) {
    FamilyOptions spans;
    spans.labels = {{"service", {}}, {"span_name", {}}, {"instance", {}}, {"http_route", {}}};
    spans.metrics = {{"traces_spanmetrics_latency", "Latency.", MetricType::kHistogram,
                      SpanMetricsOptions().histogram_buckets},
                     {"traces_spanmetrics_calls_total", "Calls.", MetricType::kCounter, {}},
                     {"traces_spanmetrics_size_total", "Size.", MetricType::kCounter, {}}};
    family = registry.AddFamily(spans);
    FamilyOptions edges;
    edges.labels = {{"client", {}}, {"server", {}}, {"connection_type", {}}};
    edges.metrics = {{"traces_service_graph_request_server_seconds", "", MetricType::kHistogram,
                      ServiceGraphsOptions().histogram_buckets},
                     {"traces_service_graph_request_total", "", MetricType::kCounter, {}}};
    edge_family = registry.AddFamily(edges);
    UpdateBatch batch;
    for (int64_t n = 0; n < kLabelSets; ++n) {
      AddSpan(n, 0.01, &batch);
      Flush(&batch, kBatch);
    }
    for (int64_t n = 0; n < kEdges; ++n) {
      batch.BeginKey();
      batch.AppendText("service-" + std::to_string(n % 500));
      batch.AppendText("service-" + std::to_string(n % 499));
      batch.AppendText("");
      Update& update = batch.Add(edge_family);
      update.metrics = 3;
      update.values = {0.1, 1};
      Flush(&batch, kBatch);
    }
    Flush(&batch, 1);
  }

  void AddSpan(int64_t n, double latency, UpdateBatch* batch) const {
    batch->BeginKey();
    batch->AppendText("service-" + std::to_string(n % kServices));
    batch->AppendText("GET /api/v1/resource/" + std::to_string(n / kServices));
    batch->AppendText("instance-" + std::to_string(n % 400));
    batch->AppendText("/api/v1/resource/{id}");
    Update& update = batch->Add(family);
    update.metrics = 7;
    update.values = {latency, 1, 550};
    update.trace_id = kTraceId;
  }
  void Flush(UpdateBatch* batch, int64_t least) {
    if (static_cast<int64_t>(batch->updates().size()) < least) return;
    registry.Apply(batch);
    batch->Clear();
  }

  // What the page asks about a tenant.
  std::string Ask(int question) {
    std::string problem;
    switch (question) {
      case 0:
        return JsonText(AnalyzeMetrics(&registry, &clock, limits));
      case 1:
        return JsonText(AnalyzeLabels(&registry, &clock, limits));
      case 2:
        return JsonText(AnalyzeValues(&registry, &clock, limits, "span_name", 1000));
      case 3:
        return JsonText(AnalyzeTop(&registry, &clock, limits, {false, false, 50}));
      case 4:
        return JsonText(AnalyzeTop(&registry, &clock, limits, {true, true, 1000}));
      case 5:
        return JsonText(AnalyzeCost(&registry, &clock, limits, {{{"service", "instance"}}, {}}));
      case 6: {
        auto selector = SeriesSelector::Parse("{span_name=~\".*resource/1.*9\"}", &problem);
        return JsonText(SearchSeries(&registry, &clock, limits, &*selector, 1000));
      }
      default:
        return JsonText(ServiceGraphJson(
            MakeServiceGraph(TakeGraphSnapshot(&registry, &clock, limits), nullptr), {}));
    }
  }

  SystemClock clock;
  AnalysisLimits limits;
  Registry registry;
  FamilyId family = 0;
  FamilyId edge_family = 0;
};

Filled& Shared() {
  static Filled filled;
  return filled;
}

constexpr const char* kQuestions[] = {"metrics",       "labels", "values", "top service",
                                      "top operation", "cost",   "series", "service graph"};

// One answer that was not asked for before, with all of its text.
void BM_Answer(benchmark::State& state) {
  Filled& filled = Shared();
  state.SetLabel(kQuestions[state.range(0)]);
  for (auto _ : state) benchmark::DoNotOptimize(filled.Ask(static_cast<int>(state.range(0))));
}
BENCHMARK(BM_Answer)->DenseRange(0, 7)->Unit(benchmark::kMillisecond);

// The sum of a counter over all label sets.
class CallsVisitor final : public LabelSetVisitor {
 public:
  bool BeginFamily(const WalkedFamily& family) override { return family.metrics.size() == 3; }
  bool LabelSet(const WalkedLabelSet& label_set, LabelSetReader* reader) override {
    reader->Read(label_set, &values_);
    sum += values_.metrics[1].value;
    return true;
  }
  double sum = 0;

 private:
  LabelSetValues values_;
};

double CallsOf(Registry* registry) {
  CallsVisitor visitor;
  registry->Walk(WalkScope::kAll, &visitor);
  return visitor.sum;
}

// How much of their pace two threads that count spans keep while somebody asks everything once a
// second: 0 asks nothing (what is left is the noise of the measurement), 1 through the cache, as
// the API does, 2 without it. Windows with and without questions alternate, so that what else the
// machine does meets both; the median of the pairs' ratios is what counts.
void BM_ApplyWhileAsked(benchmark::State& state) {
  constexpr int kPairs = 15;
  constexpr int kSeconds = 2;
  Filled& filled = Shared();
  std::vector<std::vector<UpdateBatch>> batches(2);
  std::mt19937 random(1);
  for (auto& mine : batches) {
    mine.resize(64);
    for (UpdateBatch& batch : mine) {
      for (int64_t i = 0; i < kBatch; ++i) {
        filled.AddSpan(static_cast<int64_t>(random() % kLabelSets), 0.001 * (1 << random() % 10),
                       &batch);
      }
    }
  }
  for (auto _ : state) {
    const double calls_before = CallsOf(&filled.registry);
    std::atomic<bool> stop{false};
    std::atomic<int64_t> applied{0};
    std::vector<std::thread> threads;
    for (auto& mine : batches) {
      threads.emplace_back([&] {
        for (size_t next = 0; !stop; ++next) {
          filled.registry.Apply(&mine[next % mine.size()]);
          applied += kBatch;
        }
      });
    }
    AnswerCache cache(&filled.clock);
    const auto ask_everything = [&] {
      for (int question = 0; question < 8; ++question) {
        const auto ask = [&]() -> Json { return {{"answer", filled.Ask(question)}}; };
        if (state.range(0) == 1) {
          benchmark::DoNotOptimize(cache.Get("", kQuestions[question], ask));
        } else {
          benchmark::DoNotOptimize(ask());
        }
      }
    };
    const auto window = [&](bool asked) {
      const auto begin = std::chrono::steady_clock::now();
      const int64_t applied_before = applied;
      for (int second = 1; second <= kSeconds; ++second) {
        if (asked) ask_everything();
        std::this_thread::sleep_until(begin + std::chrono::seconds(second));
      }
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
      return static_cast<double>(applied - applied_before) / took.count();
    };
    window(false);
    std::vector<double> ratios;
    double rate = 0;
    for (int pair = 0; pair < kPairs; ++pair) {
      // Either comes first in turn.
      const bool asks = state.range(0) != 0;
      const double first = window(pair % 2 == 0 && asks);
      const double second = window(pair % 2 != 0 && asks);
      const double quiet = pair % 2 == 0 ? second : first;
      ratios.push_back((pair % 2 == 0 ? first : second) / quiet);
      rate += quiet / kPairs;
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    if (CallsOf(&filled.registry) - calls_before != static_cast<double>(applied)) {
      state.SkipWithError("updates were lost");
    }
    std::sort(ratios.begin(), ratios.end());
    state.counters["quiet_updates_per_second"] = rate;
    state.counters["kept_median"] = ratios[kPairs / 2];
    state.counters["kept_lower_quartile"] = ratios[kPairs / 4];
    state.counters["kept_upper_quartile"] = ratios[kPairs - 1 - kPairs / 4];
  }
}
BENCHMARK(BM_ApplyWhileAsked)->DenseRange(0, 2)->Iterations(1)->UseRealTime();

}  // namespace
}  // namespace spanmeter
