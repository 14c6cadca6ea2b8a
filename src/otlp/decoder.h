// Decodes OTLP trace requests without building objects: one walk over the bytes that checks all of
// them and hands out views of what span metrics need.

#ifndef SPANMETER_OTLP_DECODER_H_
#define SPANMETER_OTLP_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/any_value.h"
#include "spanmeter/attribute_index.h"
#include "spanmeter/span_view.h"

namespace spanmeter {

// Attribute values may nest this deep (a plain value has depth 1). What is deeper is taken for
// valid and not looked into. libprotobuf, which refuses requests of more than 100 nested messages,
// never accepts depth 49.
inline constexpr int kMaxValueDepth = 64;

// A resource may have this many attributes, and a span this many that somebody wants; a request
// with more is refused. Bounds what a request can make the decoder remember.
inline constexpr size_t kMaxAttributes = 16384;

struct DecodeResult {
  bool ok = true;
  // What is wrong, with the offset of the offending byte and the part of the request that it is in.
  // Empty when ok.
  std::string error;

  // All spans, valid ids or not. Meaningless unless ok, like everything below.
  uint64_t spans = 0;
  // Spans that were not visited: a trace id that is not 16 bytes or all zero, a span id that is not
  // 8 or all zero, a parent span id that is neither empty nor 8 bytes.
  uint64_t invalid_ids = 0;
  // What is wrong with the first of them. Empty when there are none.
  std::string first_invalid_id;
  // Values nested deeper than kMaxValueDepth.
  uint64_t values_not_checked = 0;
};

// Memory that decoding needs, for reuse by the next request. Not thread-safe.
class DecodeScratch {
 public:
  // Gives back what an unusual request left behind. Ends the life of everything decoded with this.
  void Trim();

 private:
  friend class TraceDecoder;

  AttributeValues resource_wanted_;
  AttributeValues span_wanted_;
  std::vector<Attribute> resource_attributes_;
  bool unusual_span_ = false;  // span_wanted_ has grown large
  // Arrays and key-value lists that were sent in several parts, put together. A deque because views
  // of its strings are handed out.
  std::deque<std::string> merged_;
};

// Decodes an opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest. Accepts what
// libprotobuf accepts, with its rules for fields that come twice, in unusual order or with an
// unexpected wire type, except that strings may be any bytes, and except for the two limits above.
//
// Calls `visitor` as it goes along: whatever it was told is void when the result is not ok. The
// resource of spans comes before them, wherever it was sent. What the views point to lives as long
// as `bytes` and until `scratch` is used again.
DecodeResult DecodeTraces(std::string_view bytes, const AttributeIndex& index,
                          DecodeScratch* scratch, SpanVisitor* visitor);

}  // namespace spanmeter

#endif  // SPANMETER_OTLP_DECODER_H_
