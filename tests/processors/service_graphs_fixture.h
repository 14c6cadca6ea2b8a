// A service-graphs processor with a real registry behind it: spans in, series out.

#ifndef SPANMETER_TESTS_PROCESSORS_SERVICE_GRAPHS_FIXTURE_H_
#define SPANMETER_TESTS_PROCESSORS_SERVICE_GRAPHS_FIXTURE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/registry.h"
#include "spanmeter/service_graphs.h"

#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter::testing {

inline constexpr char kEdges[] = "traces_service_graph_request_total";
inline constexpr char kFailedEdges[] = "traces_service_graph_request_failed_total";
inline constexpr char kServerSeconds[] = "traces_service_graph_request_server_seconds";
inline constexpr char kClientSeconds[] = "traces_service_graph_request_client_seconds";
inline constexpr char kMessagingSeconds[] = "traces_service_graph_request_messaging_system_seconds";
inline constexpr char kConnectionInfo[] = "traces_service_graph_connection_info";

inline std::string TraceIdOf(int n) {
  std::string id = "trace-id-" + std::to_string(n);
  id.resize(kTraceIdSize, '.');
  return id;
}
inline std::string SpanIdOf(int n) {
  std::string id = "s" + std::to_string(n);
  id.resize(kSpanIdSize, '.');
  return id;
}

// A span that is the client's side of request `n` of trace `trace`, half a second long.
inline TestSpan ClientSpan(int trace, int n, const Attributes& attributes = {}) {
  TestSpan span;
  span.kind = kSpanKindClient;
  span.trace_id = TraceIdOf(trace);
  span.span_id = SpanIdOf(n);
  span.parent_span_id = SpanIdOf(1'000'000);
  span.end_nanos = span.start_nanos + 500'000'000;
  span.attributes = attributes;
  return span;
}

// A span that is the server's side of the same request, a quarter of a second long.
inline TestSpan ServerSpan(int trace, int n, const Attributes& attributes = {}) {
  TestSpan span;
  span.kind = kSpanKindServer;
  span.trace_id = TraceIdOf(trace);
  span.span_id = SpanIdOf(n + 2'000'000);
  span.parent_span_id = SpanIdOf(n);
  span.end_nanos = span.start_nanos + 250'000'000;
  span.attributes = attributes;
  return span;
}

// A server span without a parent.
inline TestSpan RootSpan(int trace, const Attributes& attributes = {}) {
  TestSpan span = ServerSpan(trace, 0, attributes);
  span.parent_span_id.clear();
  return span;
}

inline TestSpan OfKind(TestSpan span, SpanKind kind) {
  span.kind = kind;
  return span;
}
inline TestSpan Failed(TestSpan span) {
  span.status_code = kStatusCodeError;
  return span;
}
inline TestSpan Lasting(TestSpan span, uint64_t nanos) {
  span.end_nanos = span.start_nanos + nanos;
  return span;
}
inline TestSpan Named(TestSpan span, const std::string& name) {
  span.name = name;
  return span;
}

inline TestResource Service(const std::string& name, const std::vector<TestSpan>& spans) {
  return {{{"service.name", name}}, spans};
}

class ServiceGraphsTest : public ::testing::Test {
 protected:
  using Values = std::map<std::string, double>;

  ServiceGraphsTest() {
    options_.processors = {};
    options_.processors.span_metrics_count = false;
    options_.processors.span_metrics_latency = false;
    options_.processors.span_metrics_size = false;
    options_.processors.service_graphs_request = true;
    options_.processors.service_graphs_latency = true;
  }

  // Sends the resources as one request.
  ProcessorCounts Send(const std::vector<TestResource>& resources) {
    if (processor_ == nullptr) Start(nullptr);
    return Process(*index_, resources, session_.get());
  }

  // Builds the processor from `options_`, with a registry of its own.
  void Start(Processor* previous) {
    ASSERT_THAT(ValidateServiceGraphs(options_), ::testing::IsEmpty());
    registry_ = std::make_unique<Registry>(options_, &clock_);
    index_ = std::make_unique<AttributeIndex>();
    session_.reset();
    processor_ = NewServiceGraphs(options_, index_.get(), registry_.get(), &clock_, previous);
    session_ = processor_->NewSession();
  }
  // What a reload does with changed options.
  void Reload() {
    const auto registry = std::move(registry_);
    const auto index = std::move(index_);
    const auto previous = std::move(processor_);
    const auto session = std::move(session_);
    Start(previous.get());
  }

  // Lets time pass and does what is due.
  void Pass(int64_t nanos) {
    clock_.Advance(nanos);
    processor_->Maintain();
  }

  // The values of a metric by label text; sums for histograms.
  Values ValuesOf(const std::string& metric) {
    sink_ = CollectingSink();
    EXPECT_TRUE(registry_->Visit(&sink_));
    EXPECT_THAT(sink_.repeated(), ::testing::IsEmpty());
    Values values;
    const auto found = sink_.metrics().find(metric);
    if (found == sink_.metrics().end()) return values;
    for (const auto& [labels, series] : found->second) values[labels] = series.value;
    return values;
  }
  Values Edges() { return ValuesOf(kEdges); }

  // What the processor counts about itself, without what is 0: name, or name{value of the label}.
  Values Stats() {
    Values stats;
    for (const ProcessorStat& stat : processor_->Stats()) {
      constexpr std::string_view kPrefix = "spanmeter_service_graph_";
      EXPECT_TRUE(stat.name.starts_with(kPrefix)) << stat.name;
      std::string name(stat.name.substr(kPrefix.size()));
      if (!stat.label_name.empty()) name += "{" + std::string(stat.label_value) + "}";
      if (stat.value != 0) stats[name] = stat.value;
    }
    return stats;
  }

  static uint64_t Discarded(const ProcessorCounts& counts, DiscardReason reason) {
    return counts.discarded[static_cast<size_t>(reason)];
  }

  FakeClock clock_;
  GeneratorOptions options_;
  std::unique_ptr<AttributeIndex> index_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<Processor> processor_;
  std::unique_ptr<ProcessorSession> session_;
  CollectingSink sink_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_PROCESSORS_SERVICE_GRAPHS_FIXTURE_H_
