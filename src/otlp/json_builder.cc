#include "otlp/json_builder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>

#include "spanmeter/wire_writer.h"

#include "otlp/json_decoder.h"

namespace spanmeter {

namespace {

enum WireType : uint8_t { kVarint = 0, kFixed64 = 1, kDelimited = 2, kFixed32 = 5 };

// No message is written in fewer bytes of JSON on average; {} is all that is shorter, and says
// nothing. A few in addition for short documents.
constexpr size_t kBytesPerMessage = 8;
constexpr size_t kFreeMessages = 1024;
// JSON is longer than what it becomes, but for negative numbers of enums, of which nothing
// consists:
// {"kind":-1}, takes one byte more.
constexpr uint64_t MaxSize(uint64_t document_size) {
  return document_size + document_size / 8 + 1024;
}

// Any tag with any number, or a length.
constexpr size_t kMaxScalarBytes = 2 * kMaxVarint;

constexpr int8_t kNoDigit = -1;

constexpr std::array<int8_t, 256> HexDigits() {
  std::array<int8_t, 256> digits = {};
  digits.fill(kNoDigit);
  for (int i = 0; i < 10; ++i) digits['0' + i] = static_cast<int8_t>(i);
  for (int i = 0; i < 6; ++i) {
    digits['a' + i] = digits['A' + i] = static_cast<int8_t>(10 + i);
  }
  return digits;
}
constexpr std::array<int8_t, 256> kHexDigits = HexDigits();

// Both alphabets of RFC 4648.
constexpr std::array<int8_t, 256> Base64Digits() {
  std::array<int8_t, 256> digits = {};
  digits.fill(kNoDigit);
  for (int i = 0; i < 26; ++i) {
    digits['A' + i] = static_cast<int8_t>(i);
    digits['a' + i] = static_cast<int8_t>(26 + i);
  }
  for (int i = 0; i < 10; ++i) digits['0' + i] = static_cast<int8_t>(52 + i);
  digits['+'] = digits['-'] = 62;
  digits['/'] = digits['_'] = 63;
  return digits;
}
constexpr std::array<int8_t, 256> kBase64Digits = Base64Digits();

int8_t Digit(const std::array<int8_t, 256>& digits, char c) {
  return digits[static_cast<unsigned char>(c)];
}

template <typename T>
bool ParseWhole(std::string_view text, T* value) {
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && rest == end;
}

bool ParseDouble(std::string_view text, double* value) {
  // from_chars() knows words as well.
  if (text.find_first_not_of("0123456789.eE+-") != std::string_view::npos) return false;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, *value);
  if (rest != end) return false;
  if (error == std::errc()) return true;
  // Too small a number is 0; too large a one is none.
  const size_t exponent = text.find_first_of("eE");
  const bool is_negative = text.front() == '-';
  const bool is_small = exponent == std::string_view::npos
                            ? text.substr(is_negative ? 1 : 0).starts_with("0.")
                            : exponent + 1 < text.size() && text[exponent + 1] == '-';
  *value = is_negative ? -0.0 : 0.0;
  return is_small;
}

// An integer in [min, max], given as its 64 bits. It may be written like 1.0 or 1e3.
std::optional<uint64_t> ParseInteger(std::string_view text, int64_t min, uint64_t max) {
  int64_t negative = 0;
  uint64_t value = 0;
  double number = 0;
  if (text.starts_with('-') && ParseWhole(text, &negative)) {
    if (negative >= min) return static_cast<uint64_t>(negative);
    return std::nullopt;
  }
  if (ParseWhole(text, &value)) return value <= max ? std::optional(value) : std::nullopt;
  // What fits into the integer, but with a fraction or an exponent.
  if (!ParseDouble(text, &number) || number != std::floor(number)) return std::nullopt;
  if (number < 0) {
    if (number < static_cast<double>(min)) return std::nullopt;
    return static_cast<uint64_t>(static_cast<int64_t>(number));
  }
  if (number >= std::ldexp(1.0, 64)) return std::nullopt;
  value = static_cast<uint64_t>(number);
  return value <= max ? std::optional(value) : std::nullopt;
}

}  // namespace

uint64_t JsonBuilder::Room(uint64_t size) {
  // What is written without the lengths, the lengths, and both together.
  return 2 * MaxSize(size) + (size / kBytesPerMessage + kFreeMessages) * sizeof(Length);
}

void JsonBuilder::Start(size_t document_size) {
  max_size_ = MaxSize(document_size);
  if (capacity_ < max_size_) {
    plain_.reset();
    plain_.reset(new char[max_size_]);
    capacity_ = max_size_;
  }
  plain_size_ = 0;
  max_lengths_ = document_size / kBytesPerMessage + kFreeMessages;
  lengths_.clear();
  lengths_.reserve(max_lengths_);
  message_size_ = 0;
  frames_.clear();
  pending_ = nullptr;
  ignored_depth_ = 0;
  error_.clear();
}

bool JsonBuilder::Finish() {
  size_t size = plain_size_;
  for (const Length& length : lengths_) size += VarintSize(length.value);
  if (size > max_size_) return Fail("the request is larger than its JSON");
  if (message_capacity_ < size || message_ == nullptr) {
    message_.reset();
    message_.reset(new char[size + 1]);
    message_capacity_ = size + 1;
  }
  char* out = message_.get();
  size_t done = 0;
  for (const Length& length : lengths_) {
    std::memcpy(out, plain_.get() + done, length.position - done);
    out = PutVarint(length.value, out + (length.position - done));
    done = length.position;
  }
  std::memcpy(out, plain_.get() + done, plain_size_ - done);
  message_size_ = size;
  return true;
}

void JsonBuilder::Trim(size_t max_bytes) {
  if (capacity_ > max_bytes) {
    plain_.reset();
    capacity_ = 0;
  }
  if (lengths_.capacity() * sizeof(Length) > max_bytes) std::vector<Length>().swap(lengths_);
  if (message_capacity_ > max_bytes) {
    message_.reset();
    message_capacity_ = message_size_ = 0;
  }
}

bool JsonBuilder::Null() {
  if (ignored_depth_ > 0) return true;
  if (frames_.empty()) return Fail("must be an object");
  // The field of an object is absent then.
  return frames_.back().message != nullptr || Fail("must hold objects");
}

bool JsonBuilder::Bool(bool value) {
  bool ignored = false;
  const JsonField* const field = FieldOfValue(&ignored);
  if (field == nullptr) return ignored;
  if (field->type != JsonType::kBool) return Fail("must be no boolean");
  return PutInteger(*field, value ? 1 : 0);
}

bool JsonBuilder::RawNumber(const char* text, uint32_t size, bool /*copy*/) {
  bool ignored = false;
  const JsonField* const field = FieldOfValue(&ignored);
  if (field == nullptr) return ignored;
  return PutNumber(*field, {text, size}, false);
}

bool JsonBuilder::String(const char* text, uint32_t size, bool /*copy*/) {
  bool ignored = false;
  const JsonField* const field = FieldOfValue(&ignored);
  if (field == nullptr) return ignored;
  const std::string_view value(text, size);
  switch (field->type) {
    case JsonType::kString:
      return PutText(*field, value);
    case JsonType::kHex:
      return PutHex(*field, value);
    case JsonType::kBase64:
      return PutBase64(*field, value);
    case JsonType::kEnum:
      return PutEnum(*field, value);
    default:
      return PutNumber(*field, value, true);
  }
}

bool JsonBuilder::StartObject() {
  if (IsTooDeep()) return false;
  if (ignored_depth_ > 0) {
    ++ignored_depth_;
    return true;
  }
  if (frames_.empty()) {
    frames_.push_back({&kJsonTraceRequest, nullptr, 0, 0, 0, 0, 0});
    return true;
  }
  Frame& top = frames_.back();
  if (top.message == nullptr) {
    ++top.elements;
    return Open(top.field);
  }
  bool ignored = false;
  const JsonField* const field = FieldOfValue(&ignored);
  if (field == nullptr) {
    ignored_depth_ = ignored ? 1 : 0;
    return ignored;
  }
  if (field->type != JsonType::kMessage) return Fail("must be no object");
  if (field->repeated) return Fail("must be a list");
  return Open(field);
}

bool JsonBuilder::Key(const char* text, uint32_t size, bool /*copy*/) {
  if (ignored_depth_ > 0) return true;
  const std::string_view name(text, size);
  pending_ = nullptr;
  for (const JsonField& field : frames_.back().message->fields) {
    if (field.name == name || field.original == name) {
      pending_ = &field;
      break;
    }
  }
  return true;
}

bool JsonBuilder::EndObject(uint32_t /*members*/) {
  if (ignored_depth_ > 0) {
    --ignored_depth_;
  } else {
    Close();
  }
  return true;
}

bool JsonBuilder::StartArray() {
  if (IsTooDeep()) return false;
  if (ignored_depth_ > 0) {
    ++ignored_depth_;
    return true;
  }
  bool ignored = false;
  const JsonField* const field = FieldOfValue(&ignored);
  if (field == nullptr) {
    ignored_depth_ = ignored ? 1 : 0;
    return ignored;
  }
  if (!field->repeated) return Fail("must be no list");
  frames_.push_back({nullptr, field, 0, 0, 0, plain_size_, 0});
  return true;
}

bool JsonBuilder::EndArray(uint32_t elements) { return EndObject(elements); }

const JsonField* JsonBuilder::FieldOfValue(bool* ignored) {
  *ignored = true;
  if (ignored_depth_ > 0) return nullptr;
  *ignored = false;
  if (frames_.empty()) {
    Fail("must be an object");
    return nullptr;
  }
  Frame& top = frames_.back();
  if (top.message == nullptr) {
    Fail("must hold objects");
    return nullptr;
  }
  if (pending_ == nullptr) {
    *ignored = true;
    return nullptr;
  }
  // Twice the same name has no meaning in JSON.
  const uint32_t bit = uint32_t{1} << (pending_ - top.message->fields.data());
  if ((top.fields_seen & bit) != 0) {
    Fail("must be there only once");
    return nullptr;
  }
  if (top.message->is_oneof && top.fields_seen != 0) {
    Fail("must not be there beside another value");
    return nullptr;
  }
  top.fields_seen |= bit;
  return pending_;
}

bool JsonBuilder::Open(const JsonField* field) {
  if (lengths_.size() >= max_lengths_) return Fail("there are too many empty objects");
  if (!HasRoom(kMaxScalarBytes)) return false;
  PutTag(field->number, kDelimited);
  lengths_.push_back({static_cast<uint32_t>(plain_size_), 0});
  frames_.push_back({field->message, field, 0, 0, lengths_.size() - 1, plain_size_, 0});
  return true;
}

void JsonBuilder::Close() {
  const Frame closed = frames_.back();
  frames_.pop_back();
  if (frames_.empty()) return;
  size_t lengths = closed.inner_lengths;
  if (closed.message != nullptr) {
    const size_t size = plain_size_ - closed.begin + closed.inner_lengths;
    lengths_[closed.length].value = static_cast<uint32_t>(size);
    lengths += VarintSize(size);
  }
  frames_.back().inner_lengths += lengths;
}

bool JsonBuilder::IsTooDeep() {
  if (frames_.size() + ignored_depth_ < kMaxJsonDepth) return false;
  Fail("nests deeper than " + std::to_string(kMaxJsonDepth));
  return true;
}

bool JsonBuilder::PutText(const JsonField& field, std::string_view text) {
  if (text.empty() && !KeepsDefault()) return true;
  if (!HasRoom(kMaxScalarBytes + text.size())) return false;
  PutTag(field.number, kDelimited);
  char* const out = PutVarint(text.size(), plain_.get() + plain_size_);
  std::memcpy(out, text.data(), text.size());
  plain_size_ = static_cast<size_t>(out + text.size() - plain_.get());
  return true;
}

bool JsonBuilder::PutNumber(const JsonField& field, std::string_view text, bool quoted) {
  std::optional<uint64_t> integer;
  switch (field.type) {
    case JsonType::kInt64:
      integer = ParseInteger(text, std::numeric_limits<int64_t>::min(),
                             std::numeric_limits<int64_t>::max());
      break;
    case JsonType::kUint32:
    case JsonType::kFixed32:
      integer = ParseInteger(text, 0, std::numeric_limits<uint32_t>::max());
      break;
    case JsonType::kFixed64:
      integer = ParseInteger(text, 0, std::numeric_limits<uint64_t>::max());
      break;
    case JsonType::kEnum:
      integer = ParseInteger(text, std::numeric_limits<int32_t>::min(),
                             std::numeric_limits<int32_t>::max());
      break;
    case JsonType::kDouble: {
      double value = 0;
      if (quoted && text == "NaN") {
        value = std::numeric_limits<double>::quiet_NaN();
      } else if (quoted && text == "Infinity") {
        value = std::numeric_limits<double>::infinity();
      } else if (quoted && text == "-Infinity") {
        value = -std::numeric_limits<double>::infinity();
      } else if (!ParseDouble(text, &value)) {
        return Fail("must be a number");
      }
      if (!HasRoom(kMaxScalarBytes)) return false;
      PutTag(field.number, kFixed64);
      std::memcpy(plain_.get() + plain_size_, &value, sizeof value);
      plain_size_ += sizeof value;
      return true;
    }
    case JsonType::kBool:
      return Fail("must be true or false");
    case JsonType::kMessage:
      return Fail(field.repeated ? "must be a list" : "must be an object");
    default:
      return Fail("must be a string");
  }
  if (!integer) return Fail("must be an integer of its size");
  return PutInteger(field, *integer);
}

bool JsonBuilder::PutInteger(const JsonField& field, uint64_t value) {
  if (value == 0 && !KeepsDefault()) return true;
  if (!HasRoom(kMaxScalarBytes)) return false;
  char* out = nullptr;
  if (field.type == JsonType::kFixed64) {
    PutTag(field.number, kFixed64);
    out = plain_.get() + plain_size_;
    std::memcpy(out, &value, sizeof value);
    out += sizeof value;
  } else if (field.type == JsonType::kFixed32) {
    PutTag(field.number, kFixed32);
    const auto half = static_cast<uint32_t>(value);
    out = plain_.get() + plain_size_;
    std::memcpy(out, &half, sizeof half);
    out += sizeof half;
  } else {
    PutTag(field.number, kVarint);
    out = PutVarint(value, plain_.get() + plain_size_);
  }
  plain_size_ = static_cast<size_t>(out - plain_.get());
  return true;
}

bool JsonBuilder::PutHex(const JsonField& field, std::string_view text) {
  if (text.empty()) return true;
  if (text.size() % 2 != 0) return Fail("must have an even number of hexadecimal digits");
  if (!HasRoom(kMaxScalarBytes + text.size() / 2)) return false;
  PutTag(field.number, kDelimited);
  char* out = PutVarint(text.size() / 2, plain_.get() + plain_size_);
  for (size_t i = 0; i < text.size(); i += 2) {
    const int8_t high = Digit(kHexDigits, text[i]);
    const int8_t low = Digit(kHexDigits, text[i + 1]);
    if (high < 0 || low < 0) return Fail("must consist of hexadecimal digits");
    *out++ = static_cast<char>(high << 4 | low);
  }
  plain_size_ = static_cast<size_t>(out - plain_.get());
  return true;
}

bool JsonBuilder::PutBase64(const JsonField& field, std::string_view text) {
  // Padding may be there, complete, or not at all.
  size_t padding = 0;
  while (padding < 2 && text.ends_with('=')) {
    text.remove_suffix(1);
    ++padding;
  }
  const size_t rest = text.size() % 4;
  if (rest == 1 || (padding != 0 && rest + padding != 4)) return Fail("must be base64");
  const size_t size = text.size() / 4 * 3 + (rest == 0 ? 0 : rest - 1);
  if (!HasRoom(kMaxScalarBytes + size)) return false;
  PutTag(field.number, kDelimited);
  char* out = PutVarint(size, plain_.get() + plain_size_);
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const int8_t digit = Digit(kBase64Digits, text[i]);
    if (digit < 0) return Fail("must be base64");
    bits = bits << 6 | static_cast<uint32_t>(digit);
    // Of four digits each but the first completes a byte.
    if (i % 4 == 1) *out++ = static_cast<char>(bits >> 4);
    if (i % 4 == 2) *out++ = static_cast<char>(bits >> 2);
    if (i % 4 == 3) *out++ = static_cast<char>(bits);
  }
  plain_size_ = static_cast<size_t>(out - plain_.get());
  return true;
}

bool JsonBuilder::PutEnum(const JsonField& field, std::string_view text) {
  for (const JsonEnumValue& value : field.values) {
    if (value.name == text) return PutInteger(field, static_cast<uint64_t>(value.number));
  }
  return PutNumber(field, text, true);
}

void JsonBuilder::PutTag(uint8_t number, uint8_t wire_type) {
  char* const out =
      PutVarint(static_cast<uint64_t>(number) << 3 | wire_type, plain_.get() + plain_size_);
  plain_size_ = static_cast<size_t>(out - plain_.get());
}

bool JsonBuilder::HasRoom(size_t bytes) {
  return plain_size_ + bytes <= max_size_ || Fail("the request is larger than its JSON");
}

bool JsonBuilder::Fail(std::string_view what) {
  error_ = Where().append(": ").append(what);
  return false;
}

// Like "resourceSpans[0].scopeSpans[0].spans[3].kind".
std::string JsonBuilder::Where() const {
  std::string where;
  for (const Frame& frame : frames_) {
    if (frame.message == nullptr) {
      if (!where.empty()) where.append(".");
      where.append(frame.field->name);
      where.append("[" + std::to_string(frame.elements == 0 ? 0 : frame.elements - 1) + "]");
    } else if (frame.field != nullptr && !frame.field->repeated) {
      if (!where.empty()) where.append(".");
      where.append(frame.field->name);
    }
  }
  const bool in_object = !frames_.empty() && frames_.back().message != nullptr;
  if (in_object && pending_ != nullptr) {
    if (!where.empty()) where.append(".");
    where.append(pending_->name);
  }
  return where.empty() ? "the request" : where;
}

}  // namespace spanmeter
