// Writes the protobuf wire format (https://protobuf.dev/programming-guides/encoding/) into memory
// that has room for it. Each function returns the end of what it wrote.

#ifndef SPANMETER_WIRE_WRITER_H_
#define SPANMETER_WIRE_WRITER_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace spanmeter {

// The tags of fields with numbers below 16, which take one byte.
namespace wire {

constexpr char Varint(int field) { return static_cast<char>(field << 3); }
constexpr char Fixed64(int field) { return static_cast<char>(field << 3 | 1); }
constexpr char Delimited(int field) { return static_cast<char>(field << 3 | 2); }

}  // namespace wire

inline constexpr size_t kMaxVarint = 10;

inline size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

inline char* PutVarint(uint64_t value, char* out) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

// A sint32 or sint64: small numbers of either sign are short.
inline char* PutSigned(int64_t value, char* out) {
  return PutVarint(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63), out);
}

// The format is little-endian, as are all machines that spanmeter runs on.
inline char* PutDouble(char tag, double value, char* out) {
  *out++ = tag;
  std::memcpy(out, &value, sizeof value);
  return out + sizeof value;
}

inline char* PutBytes(char tag, std::string_view bytes, char* out) {
  *out++ = tag;
  out = PutVarint(bytes.size(), out);
  std::memcpy(out, bytes.data(), bytes.size());
  return out + bytes.size();
}

// Puts a message whose length is known only afterwards: body(out) writes it and returns its end.
// `length_size` is how many bytes the length will probably take; a wrong guess costs moving the
// message.
template <typename Body>
inline char* PutMessage(char tag, size_t length_size, char* out, Body body) {
  *out++ = tag;
  char* const begin = out + length_size;
  const auto size = static_cast<size_t>(body(begin) - begin);
  const size_t needed = VarintSize(size);
  if (needed != length_size) std::memmove(out + needed, begin, size);
  return PutVarint(size, out) + size;
}

}  // namespace spanmeter

#endif  // SPANMETER_WIRE_WRITER_H_
