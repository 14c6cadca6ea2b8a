// Writes OTLP trace requests for tests and benchmarks, byte by byte and without libprotobuf: tests
// can so build what a well-behaved library would not.

#ifndef SPANMETER_TESTS_SUPPORT_OTLP_BUILDER_H_
#define SPANMETER_TESTS_SUPPORT_OTLP_BUILDER_H_

#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace spanmeter::testing {

// Appends protobuf fields, in whatever order it is told.
class WireWriter {
 public:
  void RawVarint(uint64_t value) {
    while (value >= 0x80) {
      out_.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out_.push_back(static_cast<char>(value));
  }
  void Raw(std::string_view bytes) { out_.append(bytes); }
  void Tag(uint32_t field, uint32_t wire_type) { RawVarint(field << 3 | wire_type); }

  void Varint(uint32_t field, uint64_t value) {
    Tag(field, 0);
    RawVarint(value);
  }
  void Fixed64(uint32_t field, uint64_t value) {
    Tag(field, 1);
    for (int i = 0; i < 8; ++i) out_.push_back(static_cast<char>(value >> (8 * i)));
  }
  void Fixed32(uint32_t field, uint32_t value) {
    Tag(field, 5);
    for (int i = 0; i < 4; ++i) out_.push_back(static_cast<char>(value >> (8 * i)));
  }
  // Strings, bytes and messages alike.
  void Bytes(uint32_t field, std::string_view bytes) {
    Tag(field, 2);
    RawVarint(bytes.size());
    out_.append(bytes);
  }

  const std::string& out() const { return out_; }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

// An encoded AnyValue. Converts from the types that an attribute may have.
class Value {
 public:
  Value() = default;  // no type set
  Value(const char* v) : Value(std::string_view(v)) {}
  Value(const std::string& v) : Value(std::string_view(v)) {}
  Value(std::string_view v) { writer_.Bytes(1, v); }
  Value(bool v) { writer_.Varint(2, v ? 1 : 0); }
  Value(int v) : Value(int64_t{v}) {}
  Value(int64_t v) { writer_.Varint(3, static_cast<uint64_t>(v)); }
  Value(double v) {
    uint64_t bits = 0;
    std::memcpy(&bits, &v, sizeof bits);
    writer_.Fixed64(4, bits);
  }
  static Value Bytes(std::string_view v) {
    Value value;
    value.writer_.Bytes(7, v);
    return value;
  }
  static Value Array(std::initializer_list<Value> elements) {
    WireWriter array;
    for (const Value& element : elements) array.Bytes(1, element.encoded());
    Value value;
    value.writer_.Bytes(5, array.out());
    return value;
  }
  static Value KeyValueList(std::initializer_list<std::pair<std::string_view, Value>> entries);
  // The encoding of an AnyValue, as it is.
  static Value Encoded(std::string_view encoded) {
    Value value;
    value.writer_.Raw(encoded);
    return value;
  }

  const std::string& encoded() const { return writer_.out(); }

 private:
  WireWriter writer_;
};

// The encoding of a KeyValue message.
inline std::string EncodeKeyValue(std::string_view key, const Value& value) {
  WireWriter writer;
  writer.Bytes(1, key);
  writer.Bytes(2, value.encoded());
  return writer.Take();
}

inline Value Value::KeyValueList(
    std::initializer_list<std::pair<std::string_view, Value>> entries) {
  WireWriter list;
  for (const auto& [key, entry] : entries) list.Bytes(1, EncodeKeyValue(key, entry));
  Value value;
  value.writer_.Bytes(6, list.out());
  return value;
}

// Builds a Span message. Only what is set is written, in the order in which it is set.
class SpanBuilder {
 public:
  // A span with valid ids that follow from `n`, and nothing else.
  static SpanBuilder WithIds(uint64_t n) {
    return SpanBuilder().TraceId(IdBytes(n, 16)).SpanId(IdBytes(n + 1, 8));
  }
  // `size` bytes, none of them zero, that differ for different n below 2^28.
  static std::string IdBytes(uint64_t n, size_t size) {
    std::string id(size, '\x11');
    for (size_t i = 0; i < 4 && i < size; ++i) {
      id[size - 1 - i] = static_cast<char>(0x80 | (n >> (7 * i)));
    }
    return id;
  }

  SpanBuilder& TraceId(std::string_view v) { return Bytes(1, v); }
  SpanBuilder& SpanId(std::string_view v) { return Bytes(2, v); }
  SpanBuilder& TraceState(std::string_view v) { return Bytes(3, v); }
  SpanBuilder& ParentSpanId(std::string_view v) { return Bytes(4, v); }
  SpanBuilder& Name(std::string_view v) { return Bytes(5, v); }
  SpanBuilder& Kind(int32_t v) {
    writer_.Varint(6, static_cast<uint64_t>(int64_t{v}));
    return *this;
  }
  SpanBuilder& Start(uint64_t unix_nanos) {
    writer_.Fixed64(7, unix_nanos);
    return *this;
  }
  SpanBuilder& End(uint64_t unix_nanos) {
    writer_.Fixed64(8, unix_nanos);
    return *this;
  }
  SpanBuilder& Attribute(std::string_view key, const Value& value) {
    return Bytes(9, EncodeKeyValue(key, value));
  }
  SpanBuilder& Event(uint64_t unix_nanos, std::string_view name,
                     std::initializer_list<std::pair<std::string_view, Value>> attributes = {}) {
    WireWriter event;
    event.Fixed64(1, unix_nanos);
    event.Bytes(2, name);
    for (const auto& [key, value] : attributes) event.Bytes(3, EncodeKeyValue(key, value));
    return Bytes(11, event.out());
  }
  SpanBuilder& Link(std::string_view trace_id, std::string_view span_id,
                    std::initializer_list<std::pair<std::string_view, Value>> attributes = {}) {
    WireWriter link;
    link.Bytes(1, trace_id);
    link.Bytes(2, span_id);
    for (const auto& [key, value] : attributes) link.Bytes(4, EncodeKeyValue(key, value));
    return Bytes(13, link.out());
  }
  SpanBuilder& Status(int32_t code, std::string_view message = {}) {
    WireWriter status;
    if (!message.empty()) status.Bytes(2, message);
    if (code != 0) status.Varint(3, static_cast<uint64_t>(int64_t{code}));
    return Bytes(15, status.out());
  }
  SpanBuilder& Flags(uint32_t v) {
    writer_.Fixed32(16, v);
    return *this;
  }
  // A length-delimited field of any number.
  SpanBuilder& Bytes(uint32_t field, std::string_view v) {
    writer_.Bytes(field, v);
    return *this;
  }
  // Bytes as they are.
  SpanBuilder& Raw(std::string_view bytes) {
    writer_.Raw(bytes);
    return *this;
  }

  // The message, without tag and length.
  const std::string& encoded() const { return writer_.out(); }

 private:
  WireWriter writer_;
};

// Builds an ExportTraceServiceRequest:
//
//   RequestBuilder request;
//   request.Resource({{"service.name", "checkout"}}).Scope("http").Span(span).Span(other);
//   request.Encode()
class RequestBuilder {
 public:
  // Begins a ResourceSpans.
  RequestBuilder& Resource(
      std::initializer_list<std::pair<std::string_view, Value>> attributes = {}) {
    return Resource(std::vector<std::pair<std::string_view, Value>>(attributes));
  }
  RequestBuilder& Resource(const std::vector<std::pair<std::string_view, Value>>& attributes) {
    CloseResource();
    in_resource_ = true;
    WireWriter resource;
    for (const auto& [key, value] : attributes) resource.Bytes(1, EncodeKeyValue(key, value));
    resource_spans_.Bytes(1, resource.out());
    return *this;
  }
  // Begins a ScopeSpans in the current ResourceSpans.
  RequestBuilder& Scope(std::string_view name = {}, std::string_view version = {}) {
    CloseScope();
    in_resource_ = true;
    in_scope_ = true;
    WireWriter scope;
    if (!name.empty()) scope.Bytes(1, name);
    if (!version.empty()) scope.Bytes(2, version);
    scope_spans_.Bytes(1, scope.out());
    return *this;
  }
  RequestBuilder& Span(const SpanBuilder& span) { return EncodedSpan(span.encoded()); }
  RequestBuilder& EncodedSpan(std::string_view span) {
    in_resource_ = true;
    in_scope_ = true;
    scope_spans_.Bytes(2, span);
    return *this;
  }

  // The whole request. More may be added to the next one afterwards; it begins empty.
  std::string Encode() {
    CloseResource();
    return request_.Take();
  }

 private:
  void CloseScope() {
    if (in_scope_) resource_spans_.Bytes(2, scope_spans_.Take());
    scope_spans_ = WireWriter();
    in_scope_ = false;
  }
  void CloseResource() {
    CloseScope();
    if (in_resource_) request_.Bytes(1, resource_spans_.Take());
    resource_spans_ = WireWriter();
    in_resource_ = false;
  }

  WireWriter request_;
  WireWriter resource_spans_;
  WireWriter scope_spans_;
  bool in_resource_ = false;
  bool in_scope_ = false;
};

// What LifelikeRequest() varies.
struct LifelikeShape {
  int spans = 512;
  int services = 4;       // each is one resource
  int names = 10;         // distinct span names per service
  uint64_t first_id = 1;  // ids follow from it
  uint64_t end_unix_nanos = 1'700'000'000'000'000'000;
};

// A request as HTTP services send it: about 550 bytes a span, 11 attributes each, 8 a resource.
inline std::string LifelikeRequest(const LifelikeShape& shape) {
  RequestBuilder request;
  int sent = 0;
  for (int service = 0; service < shape.services; ++service) {
    const std::string service_name = "shop-service-" + std::to_string(service);
    request
        .Resource({{"service.name", service_name},
                   {"service.namespace", "shop"},
                   {"service.instance.id",
                    "b7c1f0e4-7d8a-4f0e-9a51-02a4f6c1d9" + std::to_string(10 + service % 90)},
                   {"service.version", "1.14.2"},
                   {"telemetry.sdk.name", "opentelemetry"},
                   {"telemetry.sdk.language", "java"},
                   {"telemetry.sdk.version", "1.32.0"},
                   {"host.name", "ip-10-0-3-" + std::to_string(service) + ".internal"}})
        .Scope("io.opentelemetry.tomcat-10.0", "1.32.0-alpha");
    const int until = static_cast<int>(int64_t{shape.spans} * (service + 1) / shape.services);
    for (; sent < until; ++sent) {
      const uint64_t id = shape.first_id + static_cast<uint64_t>(sent);
      const std::string route = "/api/v1/orders/{orderId}/items-" +
                                std::to_string(id % static_cast<uint64_t>(shape.names));
      const uint64_t duration = 1'000'000 + id * 7919 % 400 * 1'000'000;
      SpanBuilder span;
      span.TraceId(SpanBuilder::IdBytes(id / 4, 16))
          .SpanId(SpanBuilder::IdBytes(id, 8))
          .ParentSpanId(SpanBuilder::IdBytes(id + 1, 8))
          .Flags(257)
          .Name("GET " + route)
          .Kind(static_cast<int32_t>(2 + id % 2))
          .Start(shape.end_unix_nanos - duration)
          .End(shape.end_unix_nanos)
          .Attribute("http.request.method", "GET")
          .Attribute("http.route", route)
          .Attribute("http.response.status_code", id % 50 == 0 ? 500 : 200)
          .Attribute("url.path", "/api/v1/orders/8f14e45f/items-" + std::to_string(id % 10))
          .Attribute("url.scheme", "https")
          .Attribute("server.address", "shop.example.com")
          .Attribute("server.port", 443)
          .Attribute("client.address", "203.0.113.77")
          .Attribute("user_agent.original", "okhttp/4.12.0 (Linux; Android 14) shop-app/7.3.1")
          .Attribute("network.protocol.version", "1.1")
          .Attribute("thread.name", "http-nio-8080-exec-" + std::to_string(id % 64))
          .Status(id % 50 == 0 ? 2 : 0);
      request.Span(span);
    }
  }
  return request.Encode();
}

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_SUPPORT_OTLP_BUILDER_H_
