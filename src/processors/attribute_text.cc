#include "processors/attribute_text.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "spanmeter/wire_reader.h"

namespace spanmeter {

namespace {

// CutToBytes() looks at up to 3 bytes beyond its limit.
constexpr size_t kLookAhead = 4;

// Field numbers of opentelemetry/proto/common/v1/common.proto.
constexpr uint32_t kAnyString = WireTag(1, WireType::kLengthDelimited);
constexpr uint32_t kAnyBool = WireTag(2, WireType::kVarint);
constexpr uint32_t kAnyInt = WireTag(3, WireType::kVarint);
constexpr uint32_t kAnyDouble = WireTag(4, WireType::kFixed64);
constexpr uint32_t kAnyArray = WireTag(5, WireType::kLengthDelimited);
constexpr uint32_t kAnyKeyValueList = WireTag(6, WireType::kLengthDelimited);
constexpr uint32_t kAnyBytes = WireTag(7, WireType::kLengthDelimited);
constexpr uint32_t kListElement = WireTag(1, WireType::kLengthDelimited);
constexpr uint32_t kKeyValueKey = WireTag(1, WireType::kLengthDelimited);
constexpr uint32_t kKeyValueValue = WireTag(2, WireType::kLengthDelimited);

// A message field as protobuf reads it: occurrences of one field merge, which is the same as
// reading their bytes one after the other. Hardly any encoder repeats such a field; the usual
// single occurrence is not copied.
class MergedField {
 public:
  void Add(std::string_view bytes) {
    if (occurrences_++ == 0) {
      bytes_ = bytes;
      return;
    }
    if (occurrences_ == 2) merged_ = bytes_;
    merged_ += bytes;
    bytes_ = merged_;
  }
  void Clear() { occurrences_ = 0; }
  std::string_view bytes() const { return occurrences_ == 0 ? std::string_view() : bytes_; }

 private:
  size_t occurrences_ = 0;
  std::string_view bytes_;
  std::string merged_;
};

// Appends texts to a string up to a limit.
class TextWriter {
 public:
  TextWriter(size_t limit, std::string* out)
      : out_(out), end_(limit == 0 ? SIZE_MAX : out->size() + limit + kLookAhead) {}

  // `nesting` is the number of lists around the value.
  void AppendValue(const AnyValue& value, int nesting);

 private:
  void AppendInt(int64_t value) {
    char buffer[20];  // "-9223372036854775808"
    const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
    Append({buffer, static_cast<size_t>(result.ptr - buffer)});
  }

  void AppendDouble(double value);
  void AppendArray(std::string_view encoded, int nesting);
  void AppendKeyValueList(std::string_view encoded, int nesting);
  // Appends an encoded AnyValue.
  void AppendEncoded(std::string_view encoded, int nesting);

  bool full() const { return out_->size() >= end_; }
  void Append(std::string_view text) {
    if (!full()) out_->append(text.substr(0, end_ - out_->size()));
  }

  std::string* const out_;
  const size_t end_;
};

void TextWriter::AppendDouble(double value) {
  if (std::isnan(value)) return Append("NaN");
  if (std::isinf(value)) return Append(value > 0 ? "+Inf" : "-Inf");

  // to_chars() has the shortest digits only in scientific notation (its fixed notation gives large
  // numbers all of the digits of their exact value), so the digits are taken from there:
  // "-d.ddde+xx".
  char buffer[32];
  const auto result =
      std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific);
  std::string_view text(buffer, static_cast<size_t>(result.ptr - buffer));
  if (text[0] == '-') {
    Append("-");
    text.remove_prefix(1);
  }
  const size_t e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), result.ptr, exponent);
  char digits[20];  // 17 at most
  size_t count = 0;
  for (const char c : text.substr(0, e)) {
    if (c != '.') digits[count++] = c;
  }

  const std::string_view all(digits, count);
  if (exponent < 0) {
    Append("0.");
    Append(std::string(static_cast<size_t>(-exponent - 1), '0'));
    Append(all);
    return;
  }
  const size_t whole = static_cast<size_t>(exponent) + 1;
  Append(all.substr(0, whole));
  if (count > whole) {
    Append(".");
    Append(all.substr(whole));
  } else {
    Append(std::string(whole - count, '0'));
  }
}

void TextWriter::AppendArray(std::string_view encoded, int nesting) {
  Append("[");
  WireReader reader(encoded);
  while (!full() && reader.NextField()) {
    if (reader.tag() == kListElement) {
      AppendEncoded(reader.ReadBytes(), nesting);
    } else {
      reader.Skip();
    }
  }
  Append("]");
}

void TextWriter::AppendKeyValueList(std::string_view encoded, int nesting) {
  Append("{");
  WireReader reader(encoded);
  while (!full() && reader.NextField()) {
    if (reader.tag() != kListElement) {
      reader.Skip();
      continue;
    }
    std::string_view key;
    MergedField value;
    WireReader pair(reader.ReadBytes());
    while (pair.NextField()) {
      switch (pair.tag()) {
        case kKeyValueKey:
          key = pair.ReadBytes();
          break;
        case kKeyValueValue:
          value.Add(pair.ReadBytes());
          break;
        default:
          pair.Skip();
      }
    }
    Append(key);
    Append(":");
    AppendEncoded(value.bytes(), nesting);
  }
  Append("}");
}

void TextWriter::AppendEncoded(std::string_view encoded, int nesting) {
  // The last member of the oneof counts, whole; only a list that follows a list of its kind adds to
  // it.
  AnyValue value;
  MergedField list;
  const auto add_to_list = [&](AnyValue::Type type, std::string_view bytes) {
    if (value.type() != type) list.Clear();
    list.Add(bytes);
    value = type == AnyValue::Type::kArray ? AnyValue::Array(list.bytes())
                                           : AnyValue::KeyValueList(list.bytes());
  };
  WireReader reader(encoded);
  while (reader.NextField()) {
    switch (reader.tag()) {
      case kAnyString:
        value = AnyValue::String(reader.ReadBytes());
        break;
      case kAnyBool:
        value = AnyValue::Bool(reader.ReadVarint() != 0);
        break;
      case kAnyInt:
        value = AnyValue::Int(static_cast<int64_t>(reader.ReadVarint()));
        break;
      case kAnyDouble:
        value = AnyValue::Double(std::bit_cast<double>(reader.ReadFixed64()));
        break;
      case kAnyArray:
        add_to_list(AnyValue::Type::kArray, reader.ReadBytes());
        break;
      case kAnyKeyValueList:
        add_to_list(AnyValue::Type::kKeyValueList, reader.ReadBytes());
        break;
      case kAnyBytes:
        value = AnyValue::Bytes(reader.ReadBytes());
        break;
      default:
        reader.Skip();
    }
  }
  AppendValue(value, nesting);
}

void TextWriter::AppendValue(const AnyValue& value, int nesting) {
  switch (value.type()) {
    case AnyValue::Type::kUnset:
    case AnyValue::Type::kBytes:
      return;
    case AnyValue::Type::kString:
      return Append(value.bytes());
    case AnyValue::Type::kBool:
      return Append(value.bool_value() ? "true" : "false");
    case AnyValue::Type::kInt:
      return AppendInt(value.int_value());
    case AnyValue::Type::kDouble:
      return AppendDouble(value.double_value());
    case AnyValue::Type::kArray:
      if (nesting < kMaxNestedText) AppendArray(value.bytes(), nesting + 1);
      return;
    case AnyValue::Type::kKeyValueList:
      if (nesting < kMaxNestedText) AppendKeyValueList(value.bytes(), nesting + 1);
      return;
  }
}

}  // namespace

void AppendAttributeText(const AnyValue& value, size_t limit, std::string* out) {
  TextWriter(limit, out).AppendValue(value, 0);
}

}  // namespace spanmeter
