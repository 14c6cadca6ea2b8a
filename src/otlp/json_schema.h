// The messages of an OTLP trace request as JSON names their fields.

#ifndef SPANMETER_SRC_OTLP_JSON_SCHEMA_H_
#define SPANMETER_SRC_OTLP_JSON_SCHEMA_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace spanmeter {

enum class JsonType : uint8_t {
  kMessage,
  kString,
  kBase64,
  kHex,  // ids
  kBool,
  kInt64,
  kUint32,
  kFixed32,
  kFixed64,
  kDouble,
  kEnum,
};

struct JsonEnumValue {
  std::string_view name;
  int32_t number;
};

struct JsonMessage;

struct JsonField {
  std::string_view name;      // spanId
  std::string_view original;  // span_id
  uint8_t number;
  JsonType type;
  bool repeated = false;
  const JsonMessage* message = nullptr;        // of kMessage
  std::span<const JsonEnumValue> values = {};  // of kEnum
};

struct JsonMessage {
  std::string_view name;
  std::span<const JsonField> fields;
  // At most one of the fields may be there, and then its default value counts as well.
  bool is_oneof = false;
};

// opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest.
extern const JsonMessage kJsonTraceRequest;

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_JSON_SCHEMA_H_
