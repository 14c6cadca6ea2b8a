// UTF-8 by the table of the Unicode standard (3-7, well-formed byte sequences), as something to
// compare with.

#ifndef SPANMETER_TESTS_FUZZ_PLAIN_UTF8_H_
#define SPANMETER_TESTS_FUZZ_PLAIN_UTF8_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spanmeter::testing {

inline bool IsPlainUtf8(std::string_view text) {
  struct Row {
    uint8_t first_low, first_high;
    uint8_t second_low, second_high;
    size_t size;
  };
  static constexpr Row kRows[] = {
      {0x00, 0x7F, 0x00, 0x00, 1}, {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
      {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
      {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4}};
  const auto between = [](char c, uint8_t low, uint8_t high) {
    return static_cast<uint8_t>(c) >= low && static_cast<uint8_t>(c) <= high;
  };
  while (!text.empty()) {
    const Row* found = nullptr;
    for (const Row& row : kRows) {
      if (between(text[0], row.first_low, row.first_high)) found = &row;
    }
    if (found == nullptr || found->size > text.size()) return false;
    if (found->size > 1 && !between(text[1], found->second_low, found->second_high)) return false;
    for (size_t i = 2; i < found->size; ++i) {
      if (!between(text[i], 0x80, 0xBF)) return false;
    }
    text.remove_prefix(found->size);
  }
  return true;
}

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_FUZZ_PLAIN_UTF8_H_
