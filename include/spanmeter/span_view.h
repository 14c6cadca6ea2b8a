// Borrowed views over one decoded request, and the visitor that receives them.
//
// Field meanings are those of the OpenTelemetry protocol, opentelemetry/proto/trace/v1/trace.proto.

#ifndef SPANMETER_SPAN_VIEW_H_
#define SPANMETER_SPAN_VIEW_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "spanmeter/any_value.h"
#include "spanmeter/attribute_index.h"
#include "spanmeter/trace_id.h"

namespace spanmeter {

// Numbers of opentelemetry.proto.trace.v1.Span.SpanKind and Status.StatusCode.
enum SpanKind : int32_t {
  kSpanKindUnspecified = 0,
  kSpanKindInternal = 1,
  kSpanKindServer = 2,
  kSpanKindClient = 3,
  kSpanKindProducer = 4,
  kSpanKindConsumer = 5,
};
enum StatusCode : int32_t { kStatusCodeUnset = 0, kStatusCodeOk = 1, kStatusCodeError = 2 };

// Valid until the visitor's call returns; the bytes behind the string views live as long as the
// request's buffer, that is until its handler returns. Never stored beyond that.
struct ResourceView {
  const AttributeValues* wanted = nullptr;  // by id of the AttributeIndex in use
  std::span<const Attribute> attributes;    // all of them, in the order in which they were sent
};

struct SpanView {
  std::string_view trace_id;        // 16 bytes, not all zero
  std::string_view span_id;         // 8 bytes, not all zero
  std::string_view parent_span_id;  // empty or 8 bytes; all zero means a root, like empty
  std::string_view trace_state;     // W3C trace context, as sent
  std::string_view name;
  std::string_view status_message;
  int32_t kind = kSpanKindUnspecified;     // may be outside of SpanKind
  int32_t status_code = kStatusCodeUnset;  // may be outside of StatusCode
  uint64_t start_time_unix_nano = 0;
  uint64_t end_time_unix_nano = 0;
  uint64_t encoded_size = 0;  // bytes of the Span message, without its own tag and length
  const AttributeValues* wanted = nullptr;
};

// Receives the resources of a request and the valid spans of each, in the order in which they were
// sent. The decoder may find out later that the request is broken: until it has returned success,
// nothing visited may have a lasting effect.
class SpanVisitor {
 public:
  virtual ~SpanVisitor() = default;

  // Every following Span() belongs to `resource`, which stays valid until the next StartResource().
  virtual void StartResource(const ResourceView& resource) = 0;
  virtual void Span(const SpanView& span) = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_SPAN_VIEW_H_
