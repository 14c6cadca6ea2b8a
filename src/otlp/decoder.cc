#include "otlp/decoder.h"

#include <cstring>

#include "spanmeter/wire_reader.h"

namespace spanmeter {

namespace {

// More attributes than this are not worth keeping memory for.
constexpr size_t kUsualAttributes = 1024;

constexpr uint32_t Delimited(uint32_t field) { return WireTag(field, WireType::kLengthDelimited); }
constexpr uint32_t Varint(uint32_t field) { return WireTag(field, WireType::kVarint); }
constexpr uint32_t Fixed64(uint32_t field) { return WireTag(field, WireType::kFixed64); }

// Ids are compared as words. REQUIRES: id.size() is a multiple of 8.
bool AllZero(std::string_view id) {
  uint64_t any = 0;
  for (size_t i = 0; i < id.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, id.data() + i, sizeof word);
    any |= word;
  }
  return any == 0;
}

bool ValidIds(const SpanView& span) {
  return span.trace_id.size() == kTraceIdSize && span.span_id.size() == kSpanIdSize &&
         (span.parent_span_id.empty() || span.parent_span_id.size() == kSpanIdSize) &&
         !AllZero(span.trace_id) && !AllZero(span.span_id);
}

// REQUIRES: !ValidIds(span).
std::string DescribeInvalidId(const SpanView& span) {
  const auto wrong_size = [](std::string_view name, std::string_view id, size_t wanted) {
    return std::string(name) + " has " + std::to_string(id.size()) + " bytes instead of " +
           std::to_string(wanted);
  };
  if (span.trace_id.size() != kTraceIdSize) {
    return wrong_size("trace_id", span.trace_id, kTraceIdSize);
  }
  if (AllZero(span.trace_id)) return "trace_id is all zero";
  if (span.span_id.size() != kSpanIdSize) return wrong_size("span_id", span.span_id, kSpanIdSize);
  if (AllZero(span.span_id)) return "span_id is all zero";
  return wrong_size("parent_span_id", span.parent_span_id, kSpanIdSize);
}

}  // namespace

void DecodeScratch::Trim() {
  merged_.clear();
  merged_.shrink_to_fit();
  if (resource_attributes_.capacity() > kUsualAttributes) {
    resource_attributes_ = {};
    resource_wanted_ = {};
  }
  if (unusual_span_) span_wanted_ = {};
  unusual_span_ = false;
}

// Reads a KeyValue as every SDK writes the most common kind: a key, then a string value, all
// lengths below 128, nothing else. Returns false when it is anything else, valid or not.
inline bool ReadPlainString(std::string_view bytes, Attribute* attribute) {
  constexpr size_t kHeads = 6;  // tag and length of the key, of the value, and of the string in it
  const auto byte = [bytes](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const size_t size = bytes.size();
  if (size < kHeads || byte(0) != Delimited(1)) return false;
  const size_t key_size = byte(1);
  if (key_size >= 0x80 || key_size > size - kHeads) return false;
  const size_t text_size = size - kHeads - key_size;
  const size_t value = 2 + key_size;
  if (text_size + 2 >= 0x80 || byte(value) != Delimited(2) || byte(value + 1) != text_size + 2 ||
      byte(value + 2) != Delimited(1) || byte(value + 3) != text_size) {
    return false;
  }
  attribute->key = bytes.substr(2, key_size);
  attribute->value = AnyValue::String(bytes.substr(value + 4));
  return true;
}

// One walk through one request. Every method that takes a message's bytes returns false, with the
// error set, when they are malformed.
class TraceDecoder {
 public:
  TraceDecoder(std::string_view bytes, const AttributeIndex& index, DecodeScratch* scratch,
               SpanVisitor* visitor)
      : bytes_(bytes), index_(index), scratch_(scratch), visitor_(visitor) {}

  DecodeResult Run() {
    scratch_->merged_.clear();
    WireReader reader(bytes_);
    while (reader.NextField()) {
      if (reader.tag() != Delimited(1)) {
        reader.Skip();
        continue;
      }
      const std::string_view resource_spans = reader.ReadBytes();
      if (!reader.ok()) break;
      ++resource_spans_;
      if (!DecodeResourceSpans(resource_spans)) return std::move(result_);
      part_ = Part::kRequest;
    }
    Finish(reader);
    return std::move(result_);
  }

 private:
  // Where in the request we are, for messages.
  enum class Part : uint8_t { kRequest, kResourceSpans, kResource, kScopeSpans, kScope, kSpan };

  bool DecodeResourceSpans(std::string_view bytes) {
    part_ = Part::kResourceSpans;
    scope_spans_ = 0;
    scratch_->resource_wanted_.Reset(index_);
    scratch_->resource_attributes_.clear();

    // The resource may follow its spans, and may come in several parts. So first only the resource;
    // this passes over the spans by their lengths.
    bool any_scope_spans = false;
    WireReader reader(bytes);
    while (reader.NextField()) {
      if (reader.tag() == Delimited(1)) {
        if (!DecodeResource(reader.ReadBytes())) return false;
      } else {
        any_scope_spans |= reader.tag() == Delimited(2);
        reader.Skip();
      }
    }
    if (!Finish(reader)) return false;

    ResourceView resource;
    resource.wanted = &scratch_->resource_wanted_;
    resource.attributes = scratch_->resource_attributes_;
    visitor_->StartResource(resource);
    if (!any_scope_spans) return true;

    WireReader again(bytes);
    while (again.NextField()) {
      if (again.tag() == Delimited(2)) {
        ++scope_spans_;
        if (!DecodeScopeSpans(again.ReadBytes())) return false;
      } else {
        again.Skip();
      }
    }
    return true;
  }

  bool DecodeResource(std::string_view bytes) {
    part_ = Part::kResource;
    WireReader reader(bytes);
    while (reader.NextField()) {
      if (reader.tag() != Delimited(1)) {
        reader.Skip();
        continue;
      }
      Attribute attribute;
      const std::string_view encoded = reader.ReadBytes();
      if (!DecodeKeyValue<true>(encoded, 1, &attribute)) return false;
      if (scratch_->resource_attributes_.size() == kMaxAttributes) return FailTooMany(encoded);
      scratch_->resource_attributes_.push_back(attribute);
      if (const int id = index_.Find(attribute.key); id != AttributeIndex::kNotWanted) {
        scratch_->resource_wanted_.Add(static_cast<AttributeId>(id), attribute.value);
      }
    }
    if (!Finish(reader)) return false;
    part_ = Part::kResourceSpans;
    return true;
  }

  bool DecodeScopeSpans(std::string_view bytes) {
    part_ = Part::kScopeSpans;
    spans_in_scope_ = 0;
    WireReader reader(bytes);
    while (reader.NextField()) {
      if (reader.tag() == Delimited(2)) {
        const std::string_view span = reader.ReadBytes();
        if (!reader.ok()) break;
        part_ = Part::kSpan;
        ++spans_in_scope_;
        if (!DecodeSpan(span)) return false;
        part_ = Part::kScopeSpans;
      } else if (reader.tag() == Delimited(1)) {
        part_ = Part::kScope;
        if (!CheckAttributes(reader.ReadBytes(), Delimited(3))) return false;
        part_ = Part::kScopeSpans;
      } else {
        reader.Skip();
      }
    }
    return Finish(reader);
  }

  bool DecodeSpan(std::string_view bytes) {
    SpanView span;
    span.encoded_size = bytes.size();
    span.wanted = &scratch_->span_wanted_;
    const bool any_wanted = !index_.empty();
    if (any_wanted) scratch_->span_wanted_.Reset(index_);
    size_t wanted = 0;

    WireReader reader(bytes);
    while (reader.NextField()) {
      switch (reader.tag()) {
        case Delimited(1):
          span.trace_id = reader.ReadBytes();
          break;
        case Delimited(2):
          span.span_id = reader.ReadBytes();
          break;
        case Delimited(3):
          span.trace_state = reader.ReadBytes();
          break;
        case Delimited(4):
          span.parent_span_id = reader.ReadBytes();
          break;
        case Delimited(5):
          span.name = reader.ReadBytes();
          break;
        case Varint(6):
          span.kind = static_cast<int32_t>(reader.ReadVarint());
          break;
        case Fixed64(7):
          span.start_time_unix_nano = reader.ReadFixed64();
          break;
        case Fixed64(8):
          span.end_time_unix_nano = reader.ReadFixed64();
          break;
        case Delimited(9): {
          Attribute attribute;
          const std::string_view encoded = reader.ReadBytes();
          if (!DecodeKeyValue<true>(encoded, 1, &attribute)) return false;
          if (!any_wanted) break;
          const int id = index_.Find(attribute.key);
          if (id == AttributeIndex::kNotWanted) break;
          if (wanted++ == kMaxAttributes) return FailTooMany(encoded);
          scratch_->span_wanted_.Add(static_cast<AttributeId>(id), attribute.value);
          break;
        }
        case Delimited(11):  // event
          if (!CheckAttributes(reader.ReadBytes(), Delimited(3))) return false;
          break;
        case Delimited(13):  // link
          if (!CheckAttributes(reader.ReadBytes(), Delimited(4))) return false;
          break;
        case Delimited(15):
          if (!DecodeStatus(reader.ReadBytes(), &span)) return false;
          break;
        default:
          reader.Skip();
      }
    }
    if (!Finish(reader)) return false;
    if (wanted > kUsualAttributes) scratch_->unusual_span_ = true;

    ++result_.spans;
    if (ValidIds(span)) [[likely]] {
      visitor_->Span(span);
    } else if (result_.invalid_ids++ == 0) {
      result_.first_invalid_id = Where() + ": " + DescribeInvalidId(span);
    }
    return true;
  }

  bool DecodeStatus(std::string_view bytes, SpanView* span) {
    WireReader reader(bytes);
    while (reader.NextField()) {
      if (reader.tag() == Delimited(2)) {
        span->status_message = reader.ReadBytes();
      } else if (reader.tag() == Varint(3)) {
        span->status_code = static_cast<int32_t>(reader.ReadVarint());
      } else {
        reader.Skip();
      }
    }
    return Finish(reader);
  }

  // Checks a message of which nothing is wanted: an event, a link, a scope. Its attributes are the
  // fields with `attribute_tag`; all others hold nothing nested.
  bool CheckAttributes(std::string_view bytes, uint32_t attribute_tag) {
    WireReader reader(bytes);
    while (reader.NextField()) {
      if (reader.tag() == attribute_tag) {
        Attribute attribute;
        if (!DecodeKeyValue<false>(reader.ReadBytes(), 1, &attribute)) return false;
      } else {
        reader.Skip();
      }
    }
    return Finish(reader);
  }

  // With kKeep, *attribute receives what the message says. Without, it is only checked.
  template <bool kKeep>
  bool DecodeKeyValue(std::string_view bytes, int depth, Attribute* attribute) {
    // Fast path.
    if (depth <= kMaxValueDepth && ReadPlainString(bytes, attribute)) [[likely]]
      return true;
    WireReader reader(bytes);
    while (reader.NextField()) {
      if (reader.tag() == Delimited(1)) {
        attribute->key = reader.ReadBytes();
      } else if (reader.tag() == Delimited(2)) {
        if (!DecodeValue<kKeep>(reader.ReadBytes(), depth, &attribute->value)) return false;
      } else {
        reader.Skip();
      }
    }
    return Finish(reader);
  }

  // Merges an encoded AnyValue into *value, as protobuf does: of the fields of the oneof the last
  // one counts, and a message that follows itself is continued.
  template <bool kKeep>
  bool DecodeValue(std::string_view bytes, int depth, AnyValue* value) {
    if (depth > kMaxValueDepth) [[unlikely]] {
      ++result_.values_not_checked;
      return true;
    }
    WireReader reader(bytes);
    while (reader.NextField()) {
      switch (reader.tag()) {
        case Delimited(1):
          *value = AnyValue::String(reader.ReadBytes());
          break;
        case Varint(2):
          *value = AnyValue::Bool(reader.ReadVarint() != 0);
          break;
        case Varint(3):
          *value = AnyValue::Int(static_cast<int64_t>(reader.ReadVarint()));
          break;
        case Fixed64(4): {
          const uint64_t bits = reader.ReadFixed64();
          double number;
          std::memcpy(&number, &bits, sizeof number);
          *value = AnyValue::Double(number);
          break;
        }
        case Delimited(5):
        case Delimited(6): {
          const auto type =
              reader.tag() == Delimited(5) ? AnyValue::Type::kArray : AnyValue::Type::kKeyValueList;
          const std::string_view encoded = reader.ReadBytes();
          if (!CheckList(type, encoded, depth + 1)) return false;
          if (kKeep) MergeList(type, encoded, value);
          break;
        }
        case Delimited(7):
          *value = AnyValue::Bytes(reader.ReadBytes());
          break;
        default:
          reader.Skip();
      }
    }
    return Finish(reader);
  }

  // Checks an encoded ArrayValue or KeyValueList, whose elements have `depth`.
  bool CheckList(AnyValue::Type type, std::string_view bytes, int depth) {
    WireReader reader(bytes);
    while (reader.NextField()) {
      if (reader.tag() != Delimited(1)) {
        reader.Skip();
        continue;
      }
      const std::string_view encoded = reader.ReadBytes();
      Attribute element;
      const bool element_ok = type == AnyValue::Type::kArray
                                  ? DecodeValue<false>(encoded, depth, &element.value)
                                  : DecodeKeyValue<false>(encoded, depth, &element);
      if (!element_ok) return false;
    }
    return Finish(reader);
  }

  void MergeList(AnyValue::Type type, std::string_view encoded, AnyValue* value) {
    std::string_view whole = encoded;
    if (value->type() == type && !value->bytes().empty()) [[unlikely]] {
      // The concatenation of two encodings is the encoding of the merged message. Of what is put
      // together already only the end grows: the cost stays linear in the number of parts.
      std::deque<std::string>& merged = scratch_->merged_;
      if (merged.empty() || merged.back().data() != value->bytes().data()) {
        merged.emplace_back(value->bytes());
      }
      merged.back().append(encoded);
      whole = merged.back();
    }
    *value =
        type == AnyValue::Type::kArray ? AnyValue::Array(whole) : AnyValue::KeyValueList(whole);
  }

  bool Finish(const WireReader& reader) {
    if (reader.ok()) [[likely]]
      return true;
    Fail("malformed protobuf", reader.position());
    return false;
  }

  bool FailTooMany(std::string_view encoded) {
    Fail("more than " + std::to_string(kMaxAttributes) + " attributes", encoded.data());
    return false;
  }

  void Fail(const std::string& what, const char* position) {
    result_.ok = false;
    result_.error =
        what + " at byte " + std::to_string(position - bytes_.data()) + " (" + Where() + ")";
  }

  std::string Where() const {
    if (part_ == Part::kRequest)
      return "after " + std::to_string(resource_spans_) + " resource_spans";
    std::string where = "resource_spans " + std::to_string(resource_spans_ - 1);
    if (part_ == Part::kResource) return "resource of " + where;
    if (part_ == Part::kResourceSpans) return where;
    where = "scope_spans " + std::to_string(scope_spans_ - 1) + " of " + where;
    if (part_ == Part::kScope) return "scope of " + where;
    if (part_ == Part::kScopeSpans) return where;
    return "span " + std::to_string(spans_in_scope_ - 1) + " of " + where;
  }

  const std::string_view bytes_;
  const AttributeIndex& index_;
  DecodeScratch* const scratch_;
  SpanVisitor* const visitor_;

  DecodeResult result_;
  Part part_ = Part::kRequest;
  uint64_t resource_spans_ = 0;  // begun so far
  uint64_t scope_spans_ = 0;     // begun in this resource_spans
  uint64_t spans_in_scope_ = 0;  // begun in this scope_spans
};

DecodeResult DecodeTraces(std::string_view bytes, const AttributeIndex& index,
                          DecodeScratch* scratch, SpanVisitor* visitor) {
  return TraceDecoder(bytes, index, scratch, visitor).Run();
}

}  // namespace spanmeter
