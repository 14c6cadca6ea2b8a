// What decoding and validating a request costs per span, without any processor.

#include <cstdint>
#include <string>
#include <string_view>

#include <benchmark/benchmark.h>
#include <google/protobuf/stubs/strutil.h>
#include <google/protobuf/util/json_util.h>

#include "spanmeter/attribute_index.h"
#include "spanmeter/span_view.h"

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "otlp/decoder.h"
#include "otlp/json_decoder.h"
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

// The request in OTLP/JSON. libprotobuf writes bytes in base64, so that ids which are the bytes of
// their own hexadecimal digits in base64 are written as these digits.
std::string InJson(const std::string& request) {
  opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest message;
  message.ParseFromString(request);
  const auto to_hex = [](std::string* id) {
    std::string digits;
    for (const char c : *id) {
      constexpr char kDigits[] = "0123456789abcdef";
      digits.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
      digits.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
    }
    google::protobuf::Base64Unescape(digits, id);
  };
  for (auto& resource : *message.mutable_resource_spans()) {
    for (auto& scope : *resource.mutable_scope_spans()) {
      for (auto& span : *scope.mutable_spans()) {
        to_hex(span.mutable_trace_id());
        to_hex(span.mutable_span_id());
        to_hex(span.mutable_parent_span_id());
      }
    }
  }
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_enums_as_ints = true;
  std::string json;
  google::protobuf::util::MessageToJsonString(message, &json, options);
  return json;
}

// What it takes to turn JSON into protobuf, which is decoded afterwards. Argument: spans.
void BM_FromJson(benchmark::State& state) {
  testing::LifelikeShape shape;
  shape.spans = static_cast<int>(state.range(0));
  const std::string request = testing::LifelikeRequest(shape);
  const std::string json = InJson(request);
  JsonDecoder decoder;
  std::string error;
  for (auto _ : state) {
    if (!decoder.Decode(json, &error)) state.SkipWithError(error.c_str());
  }
  if (decoder.message().size() != request.size()) state.SkipWithError("it is another request");
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(json.size()));
  state.counters["ns/span"] = benchmark::Counter(
      static_cast<double>(state.range(0)) * 1e-9,
      benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}
BENCHMARK(BM_FromJson)->Arg(100)->Arg(512)->ArgName("spans");

}  // namespace
}  // namespace spanmeter
