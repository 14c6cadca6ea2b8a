#include "loadgen/span_encoder.h"

namespace spanmeter::loadgen {
namespace {

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kLengthDelimited = 2 };

void AppendVarint(uint64_t value, std::string* out) {
  while (value >= 0x80) {
    out->push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out->push_back(static_cast<char>(value));
}

void AppendTag(uint32_t field, WireType type, std::string* out) {
  AppendVarint(field << 3 | type, out);
}

void AppendNumber(uint32_t field, uint64_t value, std::string* out) {
  AppendTag(field, kVarint, out);
  AppendVarint(value, out);
}

void AppendBytes(uint32_t field, std::string_view value, std::string* out) {
  AppendTag(field, kLengthDelimited, out);
  AppendVarint(value.size(), out);
  out->append(value);
}

void AppendText(uint32_t field, std::string_view value, std::string* out) {
  if (!value.empty()) AppendBytes(field, value, out);
}

void AppendFixed64(uint32_t field, uint64_t value, std::string* out) {
  AppendTag(field, kFixed64, out);
  const size_t position = out->size();
  out->resize(position + sizeof(value));
  PatchFixed64(position, value, out);
}

void AppendAttributes(uint32_t field, const Attributes& attributes, std::string* out) {
  for (const auto& [key, value] : attributes) {
    std::string any;
    if (const auto* text = std::get_if<std::string>(&value)) {
      AppendBytes(1, *text, &any);
    } else {
      AppendNumber(3, static_cast<uint64_t>(std::get<int64_t>(value)), &any);
    }
    std::string pair;
    AppendBytes(1, key, &pair);
    AppendBytes(2, any, &pair);
    AppendBytes(field, pair, out);
  }
}

// Appends the Span message and returns where in *out the bytes of its start time begin.
size_t AppendSpan(const SpanFields& span, std::string* out) {
  AppendBytes(1, span.trace_id, out);
  AppendBytes(2, span.span_id, out);
  AppendText(4, span.parent_id, out);
  AppendText(5, span.name, out);
  AppendNumber(6, static_cast<uint64_t>(span.kind), out);
  AppendFixed64(7, span.start_unix_nanos, out);
  const size_t start = out->size() - sizeof(span.start_unix_nanos);
  AppendFixed64(8, span.end_unix_nanos, out);
  AppendAttributes(9, span.attributes, out);
  if (span.status != kUnset) {
    std::string status;
    AppendText(2, span.status_message, &status);
    AppendNumber(3, static_cast<uint64_t>(span.status), &status);
    AppendBytes(15, status, out);
  }
  return start;
}

}  // namespace

void PatchFixed64(size_t position, uint64_t value, std::string* bytes) {
  for (size_t i = 0; i < sizeof(value); ++i) {
    (*bytes)[position + i] = static_cast<char>(value >> (8 * i));
  }
}

void RequestEncoder::AddResource(const Attributes& attributes,
                                 const std::vector<SpanFields>& spans) {
  std::string scope;
  AppendBytes(1, "spanmeter-loadgen", &scope);
  std::string scope_spans;
  AppendBytes(1, scope, &scope_spans);
  std::vector<size_t> starts;  // within scope_spans
  starts.reserve(spans.size());
  std::string encoded;
  for (const SpanFields& span : spans) {
    encoded.clear();
    const size_t start = AppendSpan(span, &encoded);
    AppendBytes(2, encoded, &scope_spans);
    starts.push_back(scope_spans.size() - encoded.size() + start);
  }

  std::string resource;
  AppendAttributes(1, attributes, &resource);
  std::string resource_spans;
  AppendBytes(1, resource, &resource_spans);
  AppendBytes(2, scope_spans, &resource_spans);
  AppendBytes(1, resource_spans, &bytes_);
  // The scope's spans are the last thing in the resource's, and these the last in the request.
  const size_t base = bytes_.size() - scope_spans.size();
  for (const size_t start : starts) times_.push_back({base + start});
}

}  // namespace spanmeter::loadgen
