// The service-graphs processor: what an edge costs, what it adds to span metrics, and whether
// requests notice when what has waited too long is let go. From encoded requests on, because the
// decoder is what brings a span into the cache.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <malloc.h>
#include <memory>
#include <string>
#include <thread>
#include <time.h>
#include <vector>

#include <benchmark/benchmark.h>

#include "spanmeter/registry.h"
#include "spanmeter/service_graphs.h"
#include "spanmeter/span_metrics.h"

#include "otlp/decoder.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using testing::RequestBuilder;
using testing::SpanBuilder;

constexpr uint64_t kEnd = 1'700'000'000'000'000'000;

// CPU time of the calling thread.
double ThreadSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

enum Processors { kNone, kSpanMetrics, kServiceGraphs, kBoth };

GeneratorOptions Options() {
  GeneratorOptions options;
  options.processors.service_graphs_request = true;
  options.processors.service_graphs_latency = true;
  options.service_graphs.max_items = 2'000'000;
  return options;
}

// The processors of a tenant, and a session of each. All wanted keys are decoded, whichever
// processors there are; what decoding them costs alone is seen with kNone.
class Tenant final : public SpanVisitor {
 public:
  Tenant(const GeneratorOptions& options, const Clock* clock, Processors processors)
      : registry_(options, clock) {
    if (processors != kServiceGraphs) {
      processors_.push_back(NewSpanMetrics(options, &index_, &registry_, clock, nullptr));
    }
    if (processors != kSpanMetrics) {
      processors_.push_back(NewServiceGraphs(options, &index_, &registry_, clock, nullptr));
    }
    if (processors == kNone) return;
    for (const auto& processor : processors_) sessions_.push_back(processor->NewSession());
  }

  void StartResource(const ResourceView& resource) override {
    for (const auto& session : sessions_) session->StartResource(resource);
  }
  void Span(const SpanView& span) override {
    for (const auto& session : sessions_) {
      session->Span(span);
      pending_ += session->PendingBytes();
    }
  }

  void Process(const std::string& request) {
    for (const auto& session : sessions_) session->StartRequest();
    benchmark::DoNotOptimize(DecodeTraces(request, index_, &scratch_, this).spans);
    benchmark::DoNotOptimize(pending_);
    for (const auto& session : sessions_) session->Commit();
  }

  Processor& service_graphs() { return *processors_.back(); }

 private:
  Registry registry_;
  AttributeIndex index_;
  std::vector<std::unique_ptr<Processor>> processors_;
  std::vector<std::unique_ptr<ProcessorSession>> sessions_;
  DecodeScratch scratch_;
  size_t pending_ = 0;
};

// Ids with no zeros in them that differ in all of their bytes, as random ones do.
std::string Id(uint64_t n, size_t size) {
  std::string id(size, '\0');
  uint64_t bits = n * 0x9e3779b97f4a7c15 + 1;
  for (char& c : id) {
    bits ^= bits >> 29;
    bits *= 0xbf58476d1ce4e5b9;
    c = static_cast<char>(bits >> 56 | 1);
  }
  return id;
}

// A span with nine attributes. `parent` 0: none.
SpanBuilder MakeSpan(SpanKind kind, const std::string& name, uint64_t trace, uint64_t id,
                     uint64_t parent) {
  SpanBuilder span;
  span.TraceId(Id(trace, kTraceIdSize)).SpanId(Id(id, kSpanIdSize));
  if (parent != 0) span.ParentSpanId(Id(parent, kSpanIdSize));
  span.Name(name)
      .Kind(kind)
      .Start(kEnd - (id * 7919 % 400 + 1) * 1'000'000)
      .End(kEnd)
      .Attribute("http.request.method", "GET")
      .Attribute("http.route", name)
      .Attribute("http.response.status_code", 200)
      .Attribute("url.path", "/api/v1/orders/8f14e45f/items")
      .Attribute("url.scheme", "https")
      .Attribute("client.address", "203.0.113.77")
      .Attribute("user_agent.original", "okhttp/4.12.0 (Linux; Android 14) shop-app/7.3.1")
      .Attribute("network.protocol.version", "1.1")
      .Attribute("thread.name", "http-nio-8080-exec-17");
  return span;
}

void AddResource(const std::string& service, RequestBuilder* request) {
  request
      ->Resource({{"service.name", service},
                  {"service.namespace", "shop"},
                  {"service.instance.id", "b7c1f0e4-7d8a-4f0e-9a51-02a4f6c1d910"},
                  {"service.version", "1.14.2"},
                  {"telemetry.sdk.name", "opentelemetry"},
                  {"telemetry.sdk.language", "java"},
                  {"telemetry.sdk.version", "1.32.0"},
                  {"host.name", "ip-10-0-3-4.internal"}})
      .Scope("io.opentelemetry.tomcat-10.0", "1.32.0-alpha");
}

// Traces of a shop, 8 spans each: a root server span, two calls of other services, a database, and
// two internal spans: 4 edges. 64 traces a request, of 20 deployments of the shop. With `apart` the
// called services' spans come one request after those of the callers, as they do when each service
// exports its own; the edges have to wait meanwhile.
constexpr uint64_t kShopSpans = 512;
std::vector<std::string> ShopRequests(bool apart) {
  constexpr uint64_t kRequests = 64;
  constexpr uint64_t kTraces = 64;
  std::vector<std::string> requests;
  for (uint64_t r = 0; r < kRequests; ++r) {
    RequestBuilder request;
    const uint64_t called = apart ? (r + kRequests - 1) % kRequests : r;
    AddResource("shop-web-" + std::to_string(r % 20), &request);
    for (uint64_t t = 0; t < kTraces; ++t) {
      const uint64_t trace = r * kTraces + t + 1;
      const uint64_t id = trace * 16;
      const std::string route = "/api/v1/orders/{orderId}/items-" + std::to_string(t % 10);
      request.Span(MakeSpan(kSpanKindServer, "GET " + route, trace, id, 0))
          .Span(MakeSpan(kSpanKindInternal, "render", trace, id + 1, id))
          .Span(MakeSpan(kSpanKindClient, "GET /cart", trace, id + 2, id)
                    .Attribute("server.address", "cart.internal"))
          .Span(MakeSpan(kSpanKindClient, "POST /pay", trace, id + 3, id)
                    .Attribute("server.address", "pay.internal"));
    }
    AddResource("shop-cart-" + std::to_string(called % 20), &request);
    for (uint64_t t = 0; t < kTraces; ++t) {
      const uint64_t trace = called * kTraces + t + 1;
      const uint64_t id = trace * 16;
      request.Span(MakeSpan(kSpanKindServer, "GET /cart", trace, id + 4, id + 2))
          .Span(MakeSpan(kSpanKindInternal, "load", trace, id + 5, id + 4))
          .Span(MakeSpan(kSpanKindClient, "SELECT carts", trace, id + 6, id + 4)
                    .Attribute("db.system", "postgresql")
                    .Attribute("db.name", "carts")
                    .Attribute("server.address", "db.internal"));
    }
    AddResource("shop-pay-" + std::to_string(called % 20), &request);
    for (uint64_t t = 0; t < kTraces; ++t) {
      const uint64_t trace = called * kTraces + t + 1;
      request.Span(MakeSpan(kSpanKindServer, "POST /pay", trace, trace * 16 + 7, trace * 16 + 3));
    }
    requests.push_back(request.Encode());
  }
  return requests;
}

// Requests with `spans` client spans each whose servers never answer; every other one names a
// virtual node.
std::vector<std::string> OrphanRequests(uint64_t requests, uint64_t spans) {
  std::vector<std::string> encoded;
  for (uint64_t r = 0; r < requests; ++r) {
    RequestBuilder request;
    AddResource("shop-orphans-" + std::to_string(r % 50), &request);
    for (uint64_t i = 0; i < spans; ++i) {
      SpanBuilder span;
      span.TraceId(Id(1'000'000'000 + r * spans + i, kTraceIdSize))
          .SpanId(Id(i + 1, kSpanIdSize))
          .Kind(kSpanKindClient)
          .Start(kEnd - 1'000'000)
          .End(kEnd);
      if (i % 2 == 0) span.Attribute("peer.service", "stripe");
      request.Span(span);
    }
    encoded.push_back(request.Encode());
  }
  return encoded;
}

// ns per span of the shop's traces. `waiting` sides wait for nothing all the while.
void Shop(benchmark::State& state, Processors processors, bool apart, uint64_t waiting = 0) {
  const SystemClock clock;
  Tenant tenant(Options(), &clock, processors);
  for (const std::string& request : OrphanRequests(waiting / 100, 100)) tenant.Process(request);
  const std::vector<std::string> requests = ShopRequests(apart);
  for (const std::string& request : requests) tenant.Process(request);
  size_t next = 0;
  for (auto _ : state) {
    const double start = ThreadSeconds();
    tenant.Process(requests[next++ % requests.size()]);
    state.SetIterationTime(ThreadSeconds() - start);
  }
  state.counters["ns/span"] =
      benchmark::Counter(static_cast<double>(state.iterations() * kShopSpans) / 1e9,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}
BENCHMARK_CAPTURE(Shop, DecodeOnly, kNone, false)->UseManualTime();
BENCHMARK_CAPTURE(Shop, SpanMetrics, kSpanMetrics, false)->UseManualTime();
BENCHMARK_CAPTURE(Shop, ServiceGraphs, kServiceGraphs, false)->UseManualTime();
BENCHMARK_CAPTURE(Shop, Both, kBoth, false)->UseManualTime();
BENCHMARK_CAPTURE(Shop, Both_Apart, kBoth, true)->UseManualTime();
BENCHMARK_CAPTURE(Shop, Both_Apart_200kWaiting, kBoth, true, 200'000)->UseManualTime();

// Time of requests with 100 orphans each, a thousand of them a second, while 200,000 sides wait:
// as many expire as come. With `expiry` another thread calls Maintain() once a second, as the
// program does. Without it nothing expires, and the store holds more and more.
void RequestsBesideExpiry(benchmark::State& state, bool expiry) {
  constexpr uint64_t kSides = 100;
  constexpr uint64_t kRequests = 8000;
  constexpr int64_t kWaitSeconds = 2;
  constexpr auto kPeriod = std::chrono::milliseconds(1);
  const SystemClock clock;
  GeneratorOptions options = Options();
  options.service_graphs.wait = (expiry ? kWaitSeconds : 3600) * kNanosPerSecond;
  const std::vector<std::string> requests = OrphanRequests(kRequests, kSides);
  for (auto _ : state) {
    Tenant tenant(options, &clock, kServiceGraphs);
    std::atomic<bool> done{false};
    std::thread maintenance([&] {
      while (!done && expiry) {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        tenant.service_graphs().Maintain();
      }
    });
    std::vector<double> micros;
    auto due = std::chrono::steady_clock::now();
    for (uint64_t r = 0; r < kRequests; ++r) {
      std::this_thread::sleep_until(due);
      due += kPeriod;
      const auto start = std::chrono::steady_clock::now();
      tenant.Process(requests[r]);
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - start;
      // From when on as many expire as come.
      if (r > kWaitSeconds * 1000) micros.push_back(took.count());
    }
    done = true;
    maintenance.join();
    std::sort(micros.begin(), micros.end());
    const auto quantile = [&](double q) {
      return micros[static_cast<size_t>(q * static_cast<double>(micros.size() - 1))];
    };
    state.counters["p50_us"] = quantile(0.5);
    state.counters["p99_us"] = quantile(0.99);
    state.counters["p99.9_us"] = quantile(0.999);
    state.counters["max_us"] = quantile(1);
  }
}
BENCHMARK_CAPTURE(RequestsBesideExpiry, Without, false)->Iterations(1)->UseRealTime();
BENCHMARK_CAPTURE(RequestsBesideExpiry, With, true)->Iterations(1)->UseRealTime();

// Bytes of a side that waits: everything that malloc gives for it.
void Memory(benchmark::State& state) {
  const auto allocated = [] {
    const auto info = mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
  };
  const SystemClock clock;
  const std::vector<std::string> requests = OrphanRequests(1000, 100);
  for (auto _ : state) {
    Tenant tenant(Options(), &clock, kServiceGraphs);
    const double before = allocated();
    for (const std::string& request : requests) tenant.Process(request);
    state.counters["bytes/side"] = (allocated() - before) / 100'000;
  }
}
BENCHMARK(Memory)->Iterations(1);

}  // namespace
}  // namespace spanmeter
