// Reads the protobuf wire format (https://protobuf.dev/programming-guides/encoding/) from one
// contiguous buffer, field by field, accepting and refusing exactly what libprotobuf does.

#ifndef SPANMETER_WIRE_READER_H_
#define SPANMETER_WIRE_READER_H_

#include <cstdint>
#include <cstring>
#include <string_view>

namespace spanmeter {

enum class WireType : uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kLengthDelimited = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5,
};

// Groups (of unknown fields; nothing we read uses them) may nest this deep; libprotobuf's own limit.
inline constexpr int kMaxGroupDepth = 100;

// Walks the fields of one message:
//
//   WireReader reader(bytes);
//   while (reader.NextField()) {
//     if (reader.Is(1, WireType::kLengthDelimited)) { name = reader.ReadBytes(); } else reader.Skip();
//   }
//   if (!reader.ok()) ...
//
// After each NextField() exactly one Read...() or Skip() follows. A reader that met malformed bytes
// stays at them: ok() is false, NextField() returns false, reads return zero or empty values.
// Never reads outside of the buffer, which must outlive the reader and all views read from it.
class WireReader {
 public:
  explicit WireReader(std::string_view bytes)
      : pos_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // Moves on to the next field. False at the end of the message and after an error.
  bool NextField();

  uint32_t field() const { return tag_ >> 3; }
  WireType wire_type() const { return static_cast<WireType>(tag_ & 7); }
  bool Is(uint32_t field_number, WireType type) const {
    return tag_ == (field_number << 3 | static_cast<uint32_t>(type));
  }
  // The field's tag as encoded, for switch statements over WireTag().
  uint32_t tag() const { return tag_; }

  uint64_t ReadVarint();
  uint64_t ReadFixed64();
  uint32_t ReadFixed32();
  std::string_view ReadBytes();
  void Skip();

  bool ok() const { return ok_; }
  // Where reading stopped.
  const char* position() const { return pos_; }

 private:
  bool Fail() {
    ok_ = false;
    end_ = pos_;
    return false;
  }
  bool ReadTag();
  bool SkipGroup(uint32_t start_tag, int depth);

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
