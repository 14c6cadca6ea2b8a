// Several requests at a time, with the expiry beside them: every side becomes part of exactly one
// edge or is counted once as what it became instead. Run under ThreadSanitizer too.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/registry.h"
#include "spanmeter/service_graphs.h"

#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter::testing {
namespace {

constexpr int kThreads = 4;
constexpr int kRequests = 150;
constexpr int kSpansPerRequest = 40;

std::string IdOf(char prefix, int n, size_t size) {
  std::string id = prefix + std::to_string(n);
  id.resize(size, '.');
  return id;
}

// Half of thread `thread`'s spans are clients, whose servers the next thread sends.
TestResource Request(int thread, int number) {
  TestResource resource;
  resource.attributes.Add("service.name", "service");
  for (int i = 0; i < kSpansPerRequest; ++i) {
    const bool client = i % 2 == 0;
    const int sender = client ? thread : (thread + 1) % kThreads;
    const int id = (sender * kRequests + number) * kSpansPerRequest + i / 2;
    TestSpan span;
    span.kind = client ? kSpanKindClient : kSpanKindServer;
    span.trace_id = IdOf('t', id / 4, kTraceIdSize);
    (client ? span.span_id : span.parent_span_id) = IdOf('s', id, kSpanIdSize);
    resource.spans.push_back(span);
  }
  return resource;
}

GeneratorOptions Options(uint64_t max_items) {
  GeneratorOptions options;
  options.processors.service_graphs_request = true;
  options.processors.service_graphs_latency = true;
  options.service_graphs.max_items = max_items;
  // However fast the clock goes, no edge becomes stale.
  options.stale_duration = int64_t{10'000} * 24 * 3600 * kNanosPerSecond;
  return options;
}

double Stat(const Processor& processor, const std::string& name) {
  double sum = 0;
  for (const ProcessorStat& stat : processor.Stats()) {
    if (stat.name == "spanmeter_service_graph_" + name) sum += stat.value;
  }
  return sum;
}

double Edges(Registry* registry) {
  CollectingSink sink;
  registry->Visit(&sink);
  const CollectedSeries* series =
      sink.Find("traces_service_graph_request_total", R"(client="service",server="service")");
  const CollectedSeries* seconds = sink.Find("traces_service_graph_request_server_seconds",
                                             R"(client="service",server="service")");
  if (series == nullptr || seconds == nullptr) return 0;
  EXPECT_EQ(series->value, seconds->count());
  return series->value;
}

// Sends all requests from kThreads threads, with `beside` in another one until they are done.
void SendAll(const AttributeIndex& index, Processor* processor,
             const std::function<void()>& beside) {
  std::atomic<bool> done{false};
  std::thread other([&] {
    while (!done) beside();
  });
  std::vector<std::thread> senders;
  for (int t = 0; t < kThreads; ++t) {
    senders.emplace_back([&, t] {
      const std::unique_ptr<ProcessorSession> session = processor->NewSession();
      for (int r = 0; r < kRequests; ++r) Process(index, {Request(t, r)}, session.get());
    });
  }
  for (std::thread& sender : senders) sender.join();
  done = true;
  other.join();
}

constexpr double kSides = double{kThreads} * kRequests * kSpansPerRequest;

TEST(ServiceGraphsThreadsTest, EveryPairBecomesOneEdge) {
  const FakeClock clock;
  const GeneratorOptions options = Options(1'000'000);
  Registry registry(options, &clock);
  AttributeIndex index;
  const auto processor = NewServiceGraphs(options, &index, &registry, &clock, nullptr);
  SendAll(index, processor.get(), [&] {
    processor->Maintain();
    EXPECT_LE(Edges(&registry), kSides / 2);
  });
  EXPECT_EQ(Edges(&registry), kSides / 2);
  EXPECT_EQ(Stat(*processor, "waiting_spans"), 0);
}

TEST(ServiceGraphsThreadsTest, NoSideIsLostOrCountedTwiceUnderExpiryAndEviction) {
  FakeClock clock;
  const GeneratorOptions options = Options(200);
  Registry registry(options, &clock);
  AttributeIndex index;
  const auto processor = NewServiceGraphs(options, &index, &registry, &clock, nullptr);
  SendAll(index, processor.get(), [&] {
    EXPECT_LE(Stat(*processor, "waiting_spans"), 200);
    // Some of what waits is due at every other turn.
    clock.Advance(options.service_graphs.wait / 2);
    processor->Maintain();
  });
  EXPECT_LE(Stat(*processor, "waiting_spans"), 200);
  const double edges = Edges(&registry);
  EXPECT_EQ(edges, Stat(*processor, "edges_total"));
  EXPECT_EQ(2 * edges + Stat(*processor, "waiting_spans") +
                Stat(*processor, "expired_spans_total") + Stat(*processor, "evicted_spans_total"),
            kSides);
}

TEST(ServiceGraphsThreadsTest, ReloadsMeanwhileLoseNothing) {
  const FakeClock clock;
  const GeneratorOptions options = Options(1'000'000);
  Registry registry(options, &clock);
  AttributeIndex index;
  const auto processor = NewServiceGraphs(options, &index, &registry, &clock, nullptr);
  Processor* previous = processor.get();
  std::vector<std::unique_ptr<Registry>> registries;
  std::vector<std::unique_ptr<Processor>> reloaded;
  AttributeIndex other_index;
  SendAll(index, processor.get(), [&] {
    if (reloaded.size() == 100) return;
    registries.push_back(std::make_unique<Registry>(options, &clock));
    reloaded.push_back(
        NewServiceGraphs(options, &other_index, registries.back().get(), &clock, previous));
    previous = reloaded.back().get();
    previous->Maintain();
  });
  EXPECT_EQ(Edges(&registry), kSides / 2);
  EXPECT_EQ(Stat(*previous, "edges_total"), kSides / 2);
  EXPECT_EQ(Stat(*previous, "waiting_spans"), 0);
}

}  // namespace
}  // namespace spanmeter::testing
