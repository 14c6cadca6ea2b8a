// Makes choices from the bytes of a fuzz target's input, and stops it where something is wrong.

#ifndef SPANMETER_TESTS_FUZZ_FUZZ_INPUT_H_
#define SPANMETER_TESTS_FUZZ_FUZZ_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace spanmeter::testing {

// Where the input has ended, every choice is the first one and every text empty.
class FuzzInput {
 public:
  FuzzInput(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  // A number from 0 to choices - 1. REQUIRES: 1 to 256 choices.
  size_t Choose(size_t choices) {
    if (done()) return 0;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte % choices;
  }
  bool Flip() { return Choose(2) == 1; }

  template <typename List>
  auto Pick(const List& list) {
    return std::data(list)[Choose(std::size(list))];
  }

  // At most `max_size` bytes, up to 255.
  std::string_view Text(size_t max_size) {
    const size_t size = std::min(Choose(max_size + 1), rest_.size());
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }

 private:
  std::string_view rest_;
};

// Ends the program unless `ok`, saying what was wrong.
inline void Check(bool ok, const std::string& what) {
  if (ok) return;
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

template <typename T>
void CheckEqual(const T& expected, const T& actual, const std::string& what) {
  Check(expected == actual,
        what + ": expected " + std::string(expected) + ", got " + std::string(actual));
}

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_FUZZ_FUZZ_INPUT_H_
