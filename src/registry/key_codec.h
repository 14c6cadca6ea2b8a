// The encoding of keys: the values of a label set, one after the other, each readable without the
// next. A text is its length as a varint and its bytes; a number is a varint.

#ifndef SPANMETER_REGISTRY_KEY_CODEC_H_
#define SPANMETER_REGISTRY_KEY_CODEC_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace spanmeter {

// The numbers of a key have 32 bits, and one more for kKeyOverflow; a varint of these takes at most
// so many bytes.
inline constexpr size_t kMaxKeyVarint = 5;

// A number that no processor writes: the label's value was folded into kCardinalityOverflow.
inline constexpr uint64_t kKeyOverflow = uint64_t{1} << 32;

// Appends `value` to `key`, seven bits a byte, low bits first.
inline void AppendKeyVarint(uint64_t value, std::string* key) {
  if (value < 0x80) [[likely]] {
    key->push_back(static_cast<char>(value));
    return;
  }
  char buffer[kMaxKeyVarint];
  size_t size = 0;
  for (; value >= 0x80; value >>= 7) buffer[size++] = static_cast<char>(value | 0x80);
  buffer[size++] = static_cast<char>(value);
  key->append(buffer, size);
}

inline void AppendKeyText(std::string_view text, std::string* key) {
  AppendKeyVarint(text.size(), key);
  key->append(text);
}

// Reads a key that was written with this encoding, value by value.
class KeyReader {
 public:
  explicit KeyReader(std::string_view key) : rest_(key) {}

  bool done() const { return rest_.empty(); }

  // Whether what comes next is a number or a text as it would be written, for keys from elsewhere:
  // a longer encoding of the same would make two keys of one. REQUIRES for the others: it is.
  bool CanReadNumber() const {
    const size_t most = rest_.size() < kMaxKeyVarint ? rest_.size() : kMaxKeyVarint;
    for (size_t i = 0; i < most; ++i) {
      const auto byte = static_cast<uint8_t>(rest_[i]);
      if (byte < 0x80) return byte != 0 || i == 0;
    }
    return false;
  }
  bool CanReadText() const {
    if (!CanReadNumber()) return false;
    KeyReader ahead(*this);
    const uint64_t size = ahead.ReadNumber();
    return size <= ahead.rest_.size();
  }

  uint64_t ReadNumber() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  }

  std::string_view ReadText() {
    const size_t size = ReadNumber();
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }

 private:
  std::string_view rest_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_KEY_CODEC_H_
