// UTF-8 (RFC 3629): validation, and cutting between characters.

#ifndef SPANMETER_PROCESSORS_UTF8_H_
#define SPANMETER_PROCESSORS_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace spanmeter {

// The part of IsValidUtf8() that expects other characters than ASCII.
bool IsValidUtf8Slow(std::string_view text);

inline bool IsAscii(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  const auto load = [&text](size_t at, size_t bytes) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + at, bytes);
    return word;
  };
  const size_t n = text.size();
  uint64_t bits = 0;
  if (n >= 8) {
    for (size_t at = 0; at + 8 < n; at += 8) bits |= load(at, 8);
    // The last word may overlap the one before, which is faster than the last bytes one by one.
    bits |= load(n - 8, 8);
  } else if (n >= 4) {
    bits = load(0, 4) | load(n - 4, 4);
  } else {
    for (const char c : text) bits |= static_cast<uint8_t>(c);
  }
  return (bits & kHighBits) == 0;
}

inline bool IsValidUtf8(std::string_view text) { return IsAscii(text) || IsValidUtf8Slow(text); }

// The part of CutToBytes() for texts that are too long.
std::string_view CutToBytesSlow(std::string_view text, size_t limit);

// Returns at most the first `limit` bytes of `text`, fewer (by 3 at most) where `limit` would split
// a character. Bytes around the limit that are not UTF-8 are cut at the limit. A limit of 0 means
// none. Looks at no more than `limit` + 3 bytes.
inline std::string_view CutToBytes(std::string_view text, size_t limit) {
  if (limit == 0 || text.size() <= limit) [[likely]]
    return text;
  return CutToBytesSlow(text, limit);
}

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_UTF8_H_
