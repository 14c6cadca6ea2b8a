// Fuzzes the cutting of spans out of requests: what stays of a valid request is a valid request
// with exactly the spans that were to stay, of which a second cut takes nothing.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/span_filter.h"

#include "otlp/decoder.h"

namespace spanmeter {
namespace {

// Looks at the span itself and at its resource.
std::vector<FilterPolicy> Policies() {
  FilterPolicy kind;
  kind.include = FilterMatch{FilterMatch::Type::kStrict, {{"kind", "SPAN_KIND_SERVER"}}};
  kind.exclude = FilterMatch{FilterMatch::Type::kStrict, {{"resource.k0", int64_t{1}}}};
  return {kind};
}

class Counter final : public SpanVisitor {
 public:
  void StartResource(const ResourceView& /*resource*/) override {}
  void Span(const SpanView& span) override { bytes += span.encoded_size; }

  uint64_t bytes = 0;
};

void Check(bool holds) {
  if (!holds) std::abort();
}

void Run(std::string_view message) {
  static const SpanFilter filter(Policies());
  DecodeScratch scratch;
  Counter before;
  const DecodeResult decoded = DecodeTraces(message, AttributeIndex(), &scratch, &before);
  if (!decoded.ok) return;
  std::string rest;
  const SpanFilter::Result result = filter.Apply(message, &rest);
  Check(result.kept + result.cut == decoded.spans);
  Check(result.kept + decoded.invalid_ids <= decoded.spans);
  if (result.kept == 0 || result.cut == 0) return Check(rest.empty());
  Counter after;
  const DecodeResult again = DecodeTraces(rest, AttributeIndex(), &scratch, &after);
  Check(again.ok && again.spans == result.kept && again.invalid_ids == 0);
  Check(rest.size() < message.size() && after.bytes <= before.bytes);
  const SpanFilter::Result second = filter.Apply(rest, nullptr);
  Check(second.kept == result.kept && second.cut == 0);
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::Run(std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
