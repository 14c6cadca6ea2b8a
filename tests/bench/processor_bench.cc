// The span-metrics processor: spans that are decoded already, to keys and on into a registry.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <time.h>
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include "spanmeter/registry.h"
#include "spanmeter/span_metrics.h"

#include "processors/label_plan.h"
#include "processors/span_labels.h"

namespace spanmeter {
namespace {

// The shape of a request: as many spans as an SDK exports at a time, of a few services.
constexpr size_t kSpansPerRequest = 512;
constexpr size_t kResourcesPerRequest = 8;

struct Scenario {
  GeneratorOptions options;
  // Label sets that the spans go round.
  size_t label_sets = 500;
  // Whether every span's name has an id of its own in it.
  bool ids_in_names = false;
};

// 7 dimensions, one of them a resource attribute; target_info; an include and an exclude policy.
GeneratorOptions EverythingOn() {
  GeneratorOptions options;
  SpanMetricsOptions& span_metrics = options.span_metrics;
  span_metrics.dimensions = {
      {"k8s.cluster.name"},          {"http.request.method"}, {"http.route"},
      {"http.response.status_code"}, {"url.scheme"},          {"server.address"},
      {"network.protocol.version"}};
  span_metrics.enable_target_info = true;
  FilterPolicy include;
  include.include = {FilterMatch::Type::kRegex,
                     {{"resource.k8s.cluster.name", std::string("^prod-")}}};
  FilterPolicy exclude;
  exclude.exclude = {FilterMatch::Type::kStrict, {{"span.http.route", std::string("/healthz")}}};
  span_metrics.filter_policies = {include, exclude};
  return options;
}

GeneratorOptions Sanitized(SpanNameSanitization mode) {
  GeneratorOptions options;
  options.span_name_sanitization = mode;
  return options;
}

// Requests as the decoder hands them over, kept in memory.
class Requests {
 public:
  Requests(const AttributeIndex& index, const Scenario& scenario)
      : index_(index), ids_in_names_(scenario.ids_in_names) {
    const size_t label_sets = scenario.label_sets;
    std::mt19937_64 random(42);
    const size_t services = 50;
    const size_t names = label_sets / services;
    // Enough of them for each label set to come up a few times.
    const size_t count = std::max<size_t>(4 * label_sets / kSpansPerRequest, 16);
    for (size_t r = 0; r < count; ++r) {
      Request& request = requests_.emplace_back();
      for (size_t i = 0; i < kResourcesPerRequest; ++i) {
        request.push_back(MakeResource(random() % services, names, &random));
      }
    }
  }

  // Moves on to the next request and brings it into the cache, where the decoder leaves it.
  void Next() {
    current_ = &requests_[next_++ % requests_.size()];
    uint64_t sum = 0;
    for (const Resource& resource : *current_) {
      for (const Attribute& attribute : resource.attributes) sum += Read(attribute.value);
      for (const Span& span : resource.spans) {
        sum += Read(AnyValue::String(span.view.name));
        for (size_t id = 0; id < index_.size(); ++id) {
          const AnyValue* value = span.wanted->First(static_cast<AttributeId>(id));
          if (value != nullptr) sum += Read(*value);
        }
      }
    }
    benchmark::DoNotOptimize(sum);
  }

  template <typename OnResource, typename OnSpan>
  void Visit(OnResource on_resource, OnSpan on_span) const {
    const Request& request = *current_;
    for (const Resource& resource : request) {
      on_resource(ResourceView{&resource.wanted, resource.attributes});
      for (const Span& span : resource.spans) on_span(span.view);
    }
  }

 private:
  struct Span {
    std::unique_ptr<AttributeValues> wanted;
    SpanView view;
  };
  struct Resource {
    std::vector<Attribute> attributes;
    AttributeValues wanted;
    std::vector<Span> spans;
  };
  using Request = std::vector<Resource>;

  static uint64_t Read(const AnyValue& value) {
    if (value.type() != AnyValue::Type::kString) return 1;
    return static_cast<uint64_t>(value.bytes().front() + value.bytes().back());
  }

  std::string_view Keep(std::string text) {
    return *texts_.emplace_back(std::make_unique<std::string>(std::move(text)));
  }

  void Want(std::string_view key, const AnyValue& value, AttributeValues* values) const {
    const int id = index_.Find(key);
    if (id != AttributeIndex::kNotWanted) values->Add(static_cast<AttributeId>(id), value);
  }

  Resource MakeResource(size_t service, size_t names, std::mt19937_64* random) {
    const std::string number = std::to_string(service);
    Resource resource;
    resource.wanted.Reset(index_);
    const std::pair<std::string_view, std::string> attributes[] = {
        {"service.name", "shop-service-" + number},
        {"service.namespace", "shop"},
        {"service.instance.id", "b7c1f0e4-7d8a-4f0e-9a51-02a4f6c1d9" + number},
        {"service.version", "1.14.2"},
        {"telemetry.sdk.name", "opentelemetry"},
        {"telemetry.sdk.language", "java"},
        {"telemetry.sdk.version", "1.32.0"},
        {"host.name", "ip-10-0-3-" + number + ".internal"},
        {"k8s.cluster.name", "prod-eu-west-1"},
        {"k8s.namespace.name", "shop"},
        {"k8s.pod.name", "shop-service-" + number + "-7d9c5b6f4-x2x7z"}};
    for (const auto& [key, text] : attributes) {
      resource.attributes.push_back({key, AnyValue::String(Keep(text))});
      Want(key, resource.attributes.back().value, &resource.wanted);
    }
    for (size_t i = 0; i < kSpansPerRequest / kResourcesPerRequest; ++i) {
      resource.spans.push_back(MakeSpan((*random)() % names, random));
    }
    return resource;
  }

  Span MakeSpan(size_t name, std::mt19937_64* random) {
    const std::string route = "/api/v1/orders/{orderId}/items-" + std::to_string(name);
    Span span;
    span.wanted = std::make_unique<AttributeValues>();
    span.wanted->Reset(index_);
    AttributeValues* const values = span.wanted.get();
    Want("http.request.method", AnyValue::String("GET"), values);
    Want("http.route", AnyValue::String(Keep(route)), values);
    Want("http.response.status_code", AnyValue::Int(200), values);
    Want("url.scheme", AnyValue::String("https"), values);
    Want("server.address", AnyValue::String("shop.example.com"), values);
    Want("network.protocol.version", AnyValue::String("1.1"), values);
    span.view.trace_id = "0123456789abcdef";
    const std::string id = ids_in_names_ ? "/" + std::to_string((*random)()) : "";
    span.view.name = Keep("GET " + route + id);
    span.view.kind = kSpanKindServer;
    span.view.start_time_unix_nano = 1'700'000'000'000'000'000;
    span.view.end_time_unix_nano = span.view.start_time_unix_nano + (*random)() % 1'000'000'000;
    span.view.encoded_size = 550;
    span.view.wanted = values;
    return span;
  }

  const AttributeIndex& index_;
  const bool ids_in_names_;
  std::vector<Request> requests_;
  std::vector<std::unique_ptr<std::string>> texts_;
  size_t next_ = 0;
  const Request* current_ = nullptr;
};

// CPU time of the calling thread.
double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Measures `process` for one request after the other.
template <typename Process>
void Measure(benchmark::State& state, Requests* requests, Process process) {
  for (auto _ : state) {
    requests->Next();
    const double start = ThreadSeconds();
    process();
    state.SetIterationTime(ThreadSeconds() - start);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSpansPerRequest));
  // Without what Next() takes, which a benchmark's own CPU time includes. The library calls it
  // seconds.
  state.counters["ns/span"] = benchmark::Counter(
      static_cast<double>(state.iterations()) * static_cast<double>(kSpansPerRequest) / 1e9,
      benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

// Keys only: no filters, no registry.
void BuildKeys(benchmark::State& state, const Scenario& scenario) {
  std::vector<OptionProblem> problems;
  AttributeIndex index;
  const SpanLabels labels(scenario.options, MakeLabelPlan(scenario.options, &problems), &index);
  Requests requests(index, scenario);
  SpanKeyBuilder builder(&labels);
  UpdateBatch batch;
  Measure(state, &requests, [&] {
    batch.Clear();
    requests.Visit([&](const ResourceView& resource) { builder.StartResource(*resource.wanted); },
                   [&](const SpanView& span) {
                     batch.BeginKey();
                     builder.AppendKey(span, &batch);
                     batch.Add(0);
                   });
    benchmark::DoNotOptimize(batch.updates().data());
  });
}

// What a request costs once it is decoded: all of the processor, and the registry's update.
void Update(benchmark::State& state, const Scenario& scenario) {
  const SystemClock clock;
  Registry registry(scenario.options, &clock);
  AttributeIndex index;
  const std::unique_ptr<Processor> processor =
      NewSpanMetrics(scenario.options, &index, &registry, &clock, nullptr);
  const std::unique_ptr<ProcessorSession> session = processor->NewSession();
  Requests requests(index, scenario);
  const auto process = [&] {
    session->StartRequest();
    requests.Visit([&](const ResourceView& resource) { session->StartResource(resource); },
                   [&](const SpanView& span) { session->Span(span); });
    session->Commit();
  };
  // Every series is born before the clock runs.
  for (size_t i = 0; i < 4 * scenario.label_sets / kSpansPerRequest; ++i) {
    requests.Next();
    process();
  }
  Measure(state, &requests, process);
  state.counters["entities"] = static_cast<double>(registry.GetStats().active_entities);
}

BENCHMARK_CAPTURE(BuildKeys, Default, Scenario{GeneratorOptions(), 50'000})->UseManualTime();
BENCHMARK_CAPTURE(BuildKeys, EverythingOn, Scenario{EverythingOn(), 50'000})->UseManualTime();
BENCHMARK_CAPTURE(Update, Default_500, Scenario{GeneratorOptions(), 500})->UseManualTime();
BENCHMARK_CAPTURE(Update, Default_50k, Scenario{GeneratorOptions(), 50'000})->UseManualTime();
// Few names, which are remembered; and names that never come again while they are.
BENCHMARK_CAPTURE(Update, Sanitized_500, Scenario{Sanitized(SpanNameSanitization::kEnabled), 500})
    ->UseManualTime();
BENCHMARK_CAPTURE(Update, Sanitized_50k,
                  Scenario{Sanitized(SpanNameSanitization::kEnabled), 50'000})
    ->UseManualTime();
BENCHMARK_CAPTURE(Update, SanitizedFreshNames_50k,
                  Scenario{Sanitized(SpanNameSanitization::kEnabled), 50'000, true})
    ->UseManualTime();
BENCHMARK_CAPTURE(Update, DryRun_500, Scenario{Sanitized(SpanNameSanitization::kDryRun), 500})
    ->UseManualTime();
BENCHMARK_CAPTURE(Update, EverythingOn_100k, Scenario{EverythingOn(), 100'000})->UseManualTime();

}  // namespace
}  // namespace spanmeter
