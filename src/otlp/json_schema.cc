#include "otlp/json_schema.h"

#include <array>

namespace spanmeter {

namespace {

using Type = JsonType;

extern const JsonMessage kAnyValue;
extern const JsonMessage kKeyValue;

constexpr bool kRepeated = true;

// The common ones.
constexpr JsonField Attributes(uint8_t number) {
  return {"attributes", "attributes", number, Type::kMessage, kRepeated, &kKeyValue};
}
constexpr JsonField DroppedAttributes(uint8_t number) {
  return {"droppedAttributesCount", "dropped_attributes_count", number, Type::kUint32};
}

constexpr std::array<JsonField, 1> kArrayValueFields = {{
    {"values", "values", 1, Type::kMessage, kRepeated, &kAnyValue},
}};
constexpr JsonMessage kArrayValue = {"ArrayValue", kArrayValueFields};

constexpr std::array<JsonField, 1> kKeyValueListFields = {{
    {"values", "values", 1, Type::kMessage, kRepeated, &kKeyValue},
}};
constexpr JsonMessage kKeyValueList = {"KeyValueList", kKeyValueListFields};

constexpr std::array<JsonField, 7> kAnyValueFields = {{
    {"stringValue", "string_value", 1, Type::kString},
    {"boolValue", "bool_value", 2, Type::kBool},
    {"intValue", "int_value", 3, Type::kInt64},
    {"doubleValue", "double_value", 4, Type::kDouble},
    {"arrayValue", "array_value", 5, Type::kMessage, false, &kArrayValue},
    {"kvlistValue", "kvlist_value", 6, Type::kMessage, false, &kKeyValueList},
    {"bytesValue", "bytes_value", 7, Type::kBase64},
}};
constexpr JsonMessage kAnyValue = {"AnyValue", kAnyValueFields, true};

constexpr std::array<JsonField, 2> kKeyValueFields = {{
    {"key", "key", 1, Type::kString},
    {"value", "value", 2, Type::kMessage, false, &kAnyValue},
}};
constexpr JsonMessage kKeyValue = {"KeyValue", kKeyValueFields};

constexpr std::array<JsonField, 2> kResourceFields = {Attributes(1), DroppedAttributes(2)};
constexpr JsonMessage kResource = {"Resource", kResourceFields};

constexpr std::array<JsonField, 4> kScopeFields = {{
    {"name", "name", 1, Type::kString},
    {"version", "version", 2, Type::kString},
    Attributes(3),
    DroppedAttributes(4),
}};
constexpr JsonMessage kScope = {"InstrumentationScope", kScopeFields};

constexpr std::array<JsonField, 4> kEventFields = {{
    {"timeUnixNano", "time_unix_nano", 1, Type::kFixed64},
    {"name", "name", 2, Type::kString},
    Attributes(3),
    DroppedAttributes(4),
}};
constexpr JsonMessage kEvent = {"Event", kEventFields};

constexpr std::array<JsonField, 6> kLinkFields = {{
    {"traceId", "trace_id", 1, Type::kHex},
    {"spanId", "span_id", 2, Type::kHex},
    {"traceState", "trace_state", 3, Type::kString},
    Attributes(4),
    DroppedAttributes(5),
    {"flags", "flags", 6, Type::kFixed32},
}};
constexpr JsonMessage kLink = {"Link", kLinkFields};

constexpr std::array<JsonEnumValue, 3> kStatusCodes = {{
    {"STATUS_CODE_UNSET", 0},
    {"STATUS_CODE_OK", 1},
    {"STATUS_CODE_ERROR", 2},
}};
constexpr std::array<JsonField, 2> kStatusFields = {{
    {"message", "message", 2, Type::kString},
    {"code", "code", 3, Type::kEnum, false, nullptr, kStatusCodes},
}};
constexpr JsonMessage kStatus = {"Status", kStatusFields};

constexpr std::array<JsonEnumValue, 6> kSpanKinds = {{
    {"SPAN_KIND_UNSPECIFIED", 0},
    {"SPAN_KIND_INTERNAL", 1},
    {"SPAN_KIND_SERVER", 2},
    {"SPAN_KIND_CLIENT", 3},
    {"SPAN_KIND_PRODUCER", 4},
    {"SPAN_KIND_CONSUMER", 5},
}};
constexpr std::array<JsonField, 16> kSpanFields = {{
    {"traceId", "trace_id", 1, Type::kHex},
    {"spanId", "span_id", 2, Type::kHex},
    {"traceState", "trace_state", 3, Type::kString},
    {"parentSpanId", "parent_span_id", 4, Type::kHex},
    {"name", "name", 5, Type::kString},
    {"kind", "kind", 6, Type::kEnum, false, nullptr, kSpanKinds},
    {"startTimeUnixNano", "start_time_unix_nano", 7, Type::kFixed64},
    {"endTimeUnixNano", "end_time_unix_nano", 8, Type::kFixed64},
    Attributes(9),
    DroppedAttributes(10),
    {"events", "events", 11, Type::kMessage, kRepeated, &kEvent},
    {"droppedEventsCount", "dropped_events_count", 12, Type::kUint32},
    {"links", "links", 13, Type::kMessage, kRepeated, &kLink},
    {"droppedLinksCount", "dropped_links_count", 14, Type::kUint32},
    {"status", "status", 15, Type::kMessage, false, &kStatus},
    {"flags", "flags", 16, Type::kFixed32},
}};
constexpr JsonMessage kSpan = {"Span", kSpanFields};

constexpr std::array<JsonField, 3> kScopeSpansFields = {{
    {"scope", "scope", 1, Type::kMessage, false, &kScope},
    {"spans", "spans", 2, Type::kMessage, kRepeated, &kSpan},
    {"schemaUrl", "schema_url", 3, Type::kString},
}};
constexpr JsonMessage kScopeSpans = {"ScopeSpans", kScopeSpansFields};

constexpr std::array<JsonField, 3> kResourceSpansFields = {{
    {"resource", "resource", 1, Type::kMessage, false, &kResource},
    {"scopeSpans", "scope_spans", 2, Type::kMessage, kRepeated, &kScopeSpans},
    {"schemaUrl", "schema_url", 3, Type::kString},
}};
constexpr JsonMessage kResourceSpans = {"ResourceSpans", kResourceSpansFields};

constexpr std::array<JsonField, 1> kRequestFields = {{
    {"resourceSpans", "resource_spans", 1, Type::kMessage, kRepeated, &kResourceSpans},
}};

}  // namespace

constexpr JsonMessage kJsonTraceRequest = {"ExportTraceServiceRequest", kRequestFields};

}  // namespace spanmeter
