#include "processors/utf8.h"

#include "spanmeter/quote.h"

namespace spanmeter {

namespace {

bool IsContinuation(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

}  // namespace

bool IsValidUtf8Slow(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = ReadUtf8Character(text);
    if (!character.valid) return false;
    text.remove_prefix(character.size);
  }
  return true;
}

std::string_view CutToBytesSlow(std::string_view text, size_t limit) {
  // A character that the limit splits begins at most 3 bytes before it.
  for (size_t back = 1; back <= 3 && back <= limit; ++back) {
    const size_t begin = limit - back;
    if (IsContinuation(text[begin])) continue;
    const bool split = ReadUtf8Character(text.substr(begin)).size > back;
    return text.substr(0, split ? begin : limit);
  }
  return text.substr(0, limit);
}

}  // namespace spanmeter
