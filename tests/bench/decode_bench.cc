// What decoding and validating a request costs per span, without any processor.

#include <cstdint>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>

#include "spanmeter/attribute_index.h"
#include "spanmeter/span_view.h"

#include "otlp/decoder.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

// Looks at what every processor looks at.
class TouchingVisitor final : public SpanVisitor {
 public:
  void StartResource(const ResourceView& resource) override {
    benchmark::DoNotOptimize(resource.attributes.size());
  }
  void Span(const SpanView& span) override {
    sum_ += span.end_time_unix_nano - span.start_time_unix_nano + span.name.size();
    benchmark::DoNotOptimize(sum_);
  }

 private:
  uint64_t sum_ = 0;
};

// Arguments: spans in a request, wanted attribute keys.
void BM_Decode(benchmark::State& state) {
  testing::LifelikeShape shape;
  shape.spans = static_cast<int>(state.range(0));
  const std::string request = testing::LifelikeRequest(shape);
  constexpr std::string_view kWanted[] = {
      "http.request.method", "http.route", "http.response.status_code", "server.address",
      "service.version",     "db.system",  "network.protocol.version"};
  AttributeIndex index;
  for (int64_t i = 0; i < state.range(1); ++i) index.Add(kWanted[i]);
  DecodeScratch scratch;
  TouchingVisitor visitor;
  for (auto _ : state) {
    const DecodeResult result = DecodeTraces(request, index, &scratch, &visitor);
    if (!result.ok || result.invalid_ids != 0) state.SkipWithError("cannot decode the request");
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(request.size()));
  state.counters["ns/span"] = benchmark::Counter(
      static_cast<double>(state.range(0)) * 1e-9,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_Decode)->ArgsProduct({{100, 512}, {0, 7}})->ArgNames({"spans", "wanted"});

}  // namespace
}  // namespace spanmeter
