#include "otlp/decode_differential.h"

#include <bit>
#include <cstddef>
#include <memory>

#include <google/protobuf/io/coded_stream.h>

#include "spanmeter/attribute_index.h"
#include "spanmeter/span_view.h"

#include "bytes_variant/opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "otlp/decoder.h"

namespace spanmeter::testing {

namespace {

namespace pb = bytes_variant::opentelemetry::proto;

constexpr std::string_view kWanted[] = {"k0", "service.name", "", "k1"};

// Both sides are written down as text and the texts compared.
void Put(std::string* dump, std::string_view name, std::string_view value) {
  dump->append(name);
  dump->append(" [" + std::to_string(value.size()) + "] ");
  dump->append(value);
  dump->push_back('\n');
}
void Put(std::string* dump, std::string_view name, uint64_t value) {
  Put(dump, name, std::to_string(value));
}

bool Parse(std::string_view bytes, int recursion_limit, google::protobuf::Message* message) {
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(recursion_limit);
  return message->ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
}

constexpr int kDefaultRecursionLimit = 100;
constexpr int kNoRecursionLimit = 1'000'000;

// A list's encoding in libprotobuf's words; what it refuses stays as it is.
template <typename List>
std::string Normalized(std::string_view encoded) {
  List list;
  if (!Parse(encoded, kNoRecursionLimit, &list)) return "unparseable " + std::string(encoded);
  return list.SerializeAsString();
}

void PutValue(std::string* dump, const AnyValue& value) {
  switch (value.type()) {
    case AnyValue::Type::kUnset:
      return Put(dump, "  unset", "");
    case AnyValue::Type::kString:
      return Put(dump, "  string", value.bytes());
    case AnyValue::Type::kBool:
      return Put(dump, "  bool", value.bool_value() ? 1 : 0);
    case AnyValue::Type::kInt:
      return Put(dump, "  int", static_cast<uint64_t>(value.int_value()));
    case AnyValue::Type::kDouble:
      return Put(dump, "  double", std::bit_cast<uint64_t>(value.double_value()));
    case AnyValue::Type::kArray:
      return Put(dump, "  array", Normalized<pb::common::v1::ArrayValue>(value.bytes()));
    case AnyValue::Type::kKeyValueList:
      return Put(dump, "  kvlist", Normalized<pb::common::v1::KeyValueList>(value.bytes()));
    case AnyValue::Type::kBytes:
      return Put(dump, "  bytes", value.bytes());
  }
}

void PutValue(std::string* dump, const pb::common::v1::AnyValue& value) {
  switch (value.value_case()) {
    case pb::common::v1::AnyValue::VALUE_NOT_SET:
      return Put(dump, "  unset", "");
    case pb::common::v1::AnyValue::kStringValue:
      return Put(dump, "  string", value.string_value());
    case pb::common::v1::AnyValue::kBoolValue:
      return Put(dump, "  bool", value.bool_value() ? 1 : 0);
    case pb::common::v1::AnyValue::kIntValue:
      return Put(dump, "  int", static_cast<uint64_t>(value.int_value()));
    case pb::common::v1::AnyValue::kDoubleValue:
      return Put(dump, "  double", std::bit_cast<uint64_t>(value.double_value()));
    case pb::common::v1::AnyValue::kArrayValue:
      return Put(dump, "  array", value.array_value().SerializeAsString());
    case pb::common::v1::AnyValue::kKvlistValue:
      return Put(dump, "  kvlist", value.kvlist_value().SerializeAsString());
    case pb::common::v1::AnyValue::kBytesValue:
      return Put(dump, "  bytes", value.bytes_value());
  }
}

using KeyValues = google::protobuf::RepeatedPtrField<pb::common::v1::KeyValue>;

void PutWanted(std::string* dump, const KeyValues& attributes) {
  for (const std::string_view key : kWanted) {
    for (const auto& attribute : attributes) {
      if (attribute.key() != key) continue;
      Put(dump, " wanted", key);
      PutValue(dump, attribute.value());
    }
  }
}

void PutWanted(std::string* dump, const AttributeValues& values) {
  for (size_t i = 0; i < std::size(kWanted); ++i) {
    const auto id = static_cast<AttributeId>(i);
    const AnyValue* first = values.First(id);
    bool is_first = true;
    values.FirstThat(id, [&](const AnyValue& value) {
      if (is_first && &value != first) Put(dump, " first is another", kWanted[id]);
      is_first = false;
      Put(dump, " wanted", kWanted[id]);
      PutValue(dump, value);
      return false;
    });
  }
}

bool IsZero(std::string_view id) { return id.find_first_not_of('\0') == std::string_view::npos; }

// The expected view of a request that libprotobuf has parsed.
std::string DumpMessage(const pb::collector::trace::v1::ExportTraceServiceRequest& request,
                        uint64_t* invalid_ids) {
  std::string dump;
  for (const auto& resource_spans : request.resource_spans()) {
    Put(&dump, "resource", "");
    for (const auto& attribute : resource_spans.resource().attributes()) {
      Put(&dump, " attribute", attribute.key());
      PutValue(&dump, attribute.value());
    }
    PutWanted(&dump, resource_spans.resource().attributes());
    for (const auto& scope_spans : resource_spans.scope_spans()) {
      for (const auto& span : scope_spans.spans()) {
        const size_t parent = span.parent_span_id().size();
        if (span.trace_id().size() != 16 || IsZero(span.trace_id()) || span.span_id().size() != 8 ||
            IsZero(span.span_id()) || (parent != 0 && parent != 8)) {
          ++*invalid_ids;
          continue;
        }
        Put(&dump, "span", span.name());
        Put(&dump, " trace", span.trace_id());
        Put(&dump, " id", span.span_id());
        Put(&dump, " parent", span.parent_span_id());
        Put(&dump, " state", span.trace_state());
        Put(&dump, " kind", static_cast<uint64_t>(span.kind()));
        Put(&dump, " start", span.start_time_unix_nano());
        Put(&dump, " end", span.end_time_unix_nano());
        Put(&dump, " code", static_cast<uint64_t>(span.status().code()));
        Put(&dump, " message", span.status().message());
        PutWanted(&dump, span.attributes());
      }
    }
  }
  return dump;
}

// Writes down what the decoder says.
class DumpingVisitor final : public SpanVisitor {
 public:
  explicit DumpingVisitor(std::string_view request) : request_(request) {}

  void StartResource(const ResourceView& resource) override {
    Put(&dump_, "resource", "");
    for (const Attribute& attribute : resource.attributes) {
      Put(&dump_, " attribute", attribute.key);
      PutValue(&dump_, attribute.value);
    }
    PutWanted(&dump_, *resource.wanted);
  }

  void Span(const SpanView& span) override {
    ++spans_;
    Put(&dump_, "span", span.name);
    Put(&dump_, " trace", span.trace_id);
    Put(&dump_, " id", span.span_id);
    Put(&dump_, " parent", span.parent_span_id);
    Put(&dump_, " state", span.trace_state);
    Put(&dump_, " kind", static_cast<uint64_t>(span.kind));
    Put(&dump_, " start", span.start_time_unix_nano);
    Put(&dump_, " end", span.end_time_unix_nano);
    Put(&dump_, " code", static_cast<uint64_t>(span.status_code));
    Put(&dump_, " message", span.status_message);
    PutWanted(&dump_, *span.wanted);
    // The ids are within the span's own bytes, which are within the request.
    if (span.encoded_size < 16 + 8 || span.encoded_size > request_.size()) {
      Put(&dump_, " impossible size", span.encoded_size);
    }
  }

  const std::string& dump() const { return dump_; }
  uint64_t spans() const { return spans_; }

 private:
  const std::string_view request_;
  std::string dump_;
  uint64_t spans_ = 0;
};

}  // namespace

Comparison CompareWithLibprotobuf(std::string_view request) {
  AttributeIndex index;
  for (const std::string_view key : kWanted) index.Add(key);
  // Exactly as large as the request, so that the address sanitizer sees every byte read beyond it.
  const auto copy = std::make_unique<char[]>(request.size());
  request.copy(copy.get(), request.size());
  const std::string_view bytes(copy.get(), request.size());

  DecodeScratch scratch;
  DumpingVisitor visitor(bytes);
  const DecodeResult result = DecodeTraces(bytes, index, &scratch, &visitor);

  pb::collector::trace::v1::ExportTraceServiceRequest message;
  bool parsed = Parse(bytes, kDefaultRecursionLimit, &message);
  if (!parsed && result.ok) parsed = Parse(bytes, kNoRecursionLimit, &message);

  Comparison comparison;
  comparison.accepted = result.ok;
  comparison.spans_visited = visitor.spans();
  comparison.invalid_ids = result.invalid_ids;
  if (parsed != result.ok) {
    comparison.equal = result.ok && result.values_not_checked > 0;
    comparison.difference = parsed ? "refused: " + result.error : "accepted, libprotobuf refuses";
    return comparison;
  }
  if (!parsed) {
    comparison.equal = !result.error.empty();
    comparison.difference = "refused without an error";
    return comparison;
  }
  uint64_t invalid_ids = 0;
  const std::string expected = DumpMessage(message, &invalid_ids);
  comparison.equal = visitor.dump() == expected && result.invalid_ids == invalid_ids &&
                     result.spans == visitor.spans() + invalid_ids &&
                     result.first_invalid_id.empty() == (invalid_ids == 0);
  comparison.difference = "decoder:\n" + visitor.dump() + "libprotobuf:\n" + expected;
  return comparison;
}

}  // namespace spanmeter::testing
