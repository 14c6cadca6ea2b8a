// Writes OTLP requests (opentelemetry/proto/collector/trace/v1/trace_service.proto) as bytes.

#ifndef SPANMETER_TESTS_LOADGEN_SPAN_ENCODER_H_
#define SPANMETER_TESTS_LOADGEN_SPAN_ENCODER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace spanmeter::loadgen {

// Values as the semantic conventions have them: texts and whole numbers.
using AttributeValue = std::variant<std::string, int64_t>;
using Attributes = std::vector<std::pair<std::string, AttributeValue>>;

// Field numbers of the enums SpanKind and StatusCode.
enum Kind : int { kInternal = 1, kServer = 2, kClient = 3, kProducer = 4, kConsumer = 5 };
enum Status : int { kUnset = 0, kOk = 1, kError = 2 };

struct SpanFields {
  std::string trace_id;   // 16 bytes
  std::string span_id;    // 8 bytes
  std::string parent_id;  // empty or 8 bytes
  std::string name;
  Kind kind = kInternal;
  uint64_t start_unix_nanos = 0;
  uint64_t end_unix_nanos = 0;
  Status status = kUnset;
  std::string status_message;
  Attributes attributes;
};

// Builds one ExportTraceServiceRequest, resource by resource.
class RequestEncoder {
 public:
  // Where a span's times stand in the request: the start's 8 bytes, then one tag byte, then the
  // end's 8 bytes; little-endian.
  struct TimePosition {
    size_t start;
    static constexpr size_t kEndAfterStart = 9;
  };

  void AddResource(const Attributes& attributes, const std::vector<SpanFields>& spans);

  const std::string& bytes() const { return bytes_; }
  // One per span, in order.
  const std::vector<TimePosition>& times() const { return times_; }

 private:
  std::string bytes_;
  std::vector<TimePosition> times_;
};

// Writes `value` at `position` of *bytes as a fixed64.
void PatchFixed64(size_t position, uint64_t value, std::string* bytes);

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_SPAN_ENCODER_H_
