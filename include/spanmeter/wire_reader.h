// Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding/) from one
// contiguous buffer, field by field, accepting and refusing exactly what libprotobuf 3.21 does.
// Everything is inline: decoding is the largest single cost of a span.

#ifndef SPANMETER_WIRE_READER_H_
#define SPANMETER_WIRE_READER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace spanmeter {

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the wire format is read in place");

enum class WireType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kLengthDelimited = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5,
};

// Groups (of unknown fields; nothing we read uses them) may nest this deep; libprotobuf's own limit
// for groups and messages together.
inline constexpr int kMaxGroupDepth = 100;

// Walks the fields of one message:
//
//   WireReader reader(bytes);
//   while (reader.NextField()) {
//     if (reader.Is(1, WireType::kLengthDelimited)) { name = reader.ReadBytes(); } else
//     reader.Skip();
//   }
//   if (!reader.ok()) ...
//
// After each NextField() exactly one Read...() or Skip() follows: the Read...() of the wire type
// that was compared, Skip() for everything else (Skip() is what refuses illegal tags). A reader
// that met malformed bytes stays at them: ok() is false, NextField() returns false, reads return
// zero or empty values. Never reads outside of the buffer, which must outlive the reader and all
// views read from it.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes)
      : pos_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // Moves on to the next field. False at the end of the message and after an error.
  bool NextField() {
    if (pos_ == end_) return false;
    // Fast path: field numbers below 16 take one byte.
    const auto first = static_cast<uint8_t>(*pos_);
    if (first < 0x80) [[likely]] {
      tag_ = first;
      ++pos_;
      return true;
    }
    return ReadLongTag();
  }

  uint32_t field() const { return tag_ >> 3; }
  WireType wire_type() const { return static_cast<WireType>(tag_ & 7); }
  bool Is(uint32_t field_number, WireType type) const {
    return tag_ == (field_number << 3 | static_cast<uint32_t>(type));
  }
  // The field's tag as encoded, for switch statements over WireTag().
  uint32_t tag() const { return tag_; }

  // At most ten bytes; bits beyond the 64th are dropped.
  uint64_t ReadVarint() {
    // Fast path: small numbers.
    if (pos_ != end_ && static_cast<uint8_t>(*pos_) < 0x80) [[likely]] {
      return static_cast<uint8_t>(*pos_++);
    }
    return ReadLongVarint();
  }

  uint64_t ReadFixed64() { return ReadFixed<uint64_t>(); }
  uint32_t ReadFixed32() { return ReadFixed<uint32_t>(); }

  // The content of a length-delimited field.
  std::string_view ReadBytes() {
    // Fast path: lengths below 128.
    if (pos_ != end_) [[likely]] {
      const size_t size = static_cast<uint8_t>(*pos_);
      if (size < 0x80 && size < static_cast<size_t>(end_ - pos_)) [[likely]] {
        const char* const begin = pos_ + 1;
        pos_ = begin + size;
        return {begin, size};
      }
    }
    return ReadLongBytes();
  }

  // Passes over the field whatever it is, groups included.
  void Skip() {
    switch (tag_ & 7) {
      case static_cast<uint32_t>(WireType::kStartGroup):
        SkipGroup();
        break;
      case static_cast<uint32_t>(WireType::kEndGroup):
        Fail();
        break;
      default:
        SkipPlain();
    }
  }

  bool ok() const { return ok_; }
  // Where reading stopped.
  const char* position() const { return pos_; }

 private:
  void Fail() {
    ok_ = false;
    end_ = pos_;
  }

  // Five bytes at most. The fifth may carry more than the four bits that are left: like libprotobuf
  // we drop the rest.
  __attribute__((noinline)) bool ReadLongTag() {
    uint32_t tag = 0;
    for (int i = 0; i < 5 && i < end_ - pos_; ++i) {
      const auto byte = static_cast<uint8_t>(pos_[i]);
      tag |= static_cast<uint32_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        pos_ += i + 1;
        tag_ = tag;
        return true;
      }
    }
    Fail();
    return false;
  }

  __attribute__((noinline)) uint64_t ReadLongVarint() {
    uint64_t value = 0;
    for (int i = 0; i < 10 && i < end_ - pos_; ++i) {
      const auto byte = static_cast<uint8_t>(pos_[i]);
      value |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        pos_ += i + 1;
        return value;
      }
    }
    Fail();
    return 0;
  }

  template <typename T>
  T ReadFixed() {
    if (end_ - pos_ < static_cast<ptrdiff_t>(sizeof(T))) [[unlikely]] {
      Fail();
      return 0;
    }
    T value;
    std::memcpy(&value, pos_, sizeof value);
    pos_ += sizeof value;
    return value;
  }

  // A length has five bytes at most and stays below 2^31. libprotobuf also refuses the last 16
  // values below 2^31, which no buffer of ours can hold anyway.
  __attribute__((noinline)) std::string_view ReadLongBytes() {
    uint64_t size = 0;
    for (int i = 0; i < 5 && i < end_ - pos_; ++i) {
      const auto byte = static_cast<uint8_t>(pos_[i]);
      size |= static_cast<uint64_t>(byte & 0x7f) << (7 * i);
      if (byte < 0x80) {
        const char* const begin = pos_ + i + 1;
        if (size > 0x7fffffff || size > static_cast<uint64_t>(end_ - begin)) break;
        pos_ = begin + size;
        return {begin, static_cast<size_t>(size)};
      }
    }
    Fail();
    return {};
  }

  // Passes over a field that is not a group.
  void SkipPlain() {
    if (tag_ < 8) [[unlikely]] {  // field number 0
      Fail();
      return;
    }
    switch (tag_ & 7) {
      case static_cast<uint32_t>(WireType::kVarint):
        ReadVarint();
        break;
      case static_cast<uint32_t>(WireType::kFixed64):
        ReadFixed64();
        break;
      case static_cast<uint32_t>(WireType::kLengthDelimited):
        ReadBytes();
        break;
      case static_cast<uint32_t>(WireType::kFixed32):
        ReadFixed32();
        break;
      default:  // 6 and 7 do not exist
        Fail();
    }
  }

  __attribute__((noinline)) void SkipGroup() {
    uint32_t open[kMaxGroupDepth];  // field numbers
    int depth = 0;
    do {
      const uint32_t number = tag_ >> 3;
      if (wire_type() == WireType::kStartGroup) {
        if (number == 0 || depth == kMaxGroupDepth) return Fail();
        open[depth++] = number;
      } else if (wire_type() == WireType::kEndGroup) {
        if (number != open[depth - 1]) return Fail();
        --depth;
      } else {
        SkipPlain();
      }
    } while (depth > 0 && NextField());
    if (depth > 0) Fail();
  }

  const char* pos_;
  const char* end_;
  uint32_t tag_ = 0;
  bool ok_ = true;
};

constexpr uint32_t WireTag(uint32_t field_number, WireType type) {
  return field_number << 3 | static_cast<uint32_t>(type);
}

}  // namespace spanmeter

#endif  // SPANMETER_WIRE_READER_H_
