#include "processors/span_name_tokens.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "spanmeter/quote.h"

#include "processors/unicode_class.h"

namespace spanmeter {

namespace {

// Properties of a character, as bits.
constexpr uint8_t kWord = 1;      // a letter or a number
constexpr uint8_t kHexDigit = 2;  // always a word character too
constexpr uint8_t kWhiteSpace = 4;
constexpr uint8_t kIsNumber = 8;  // always a word character too
constexpr uint8_t kPunctuation = 16;

constexpr uint8_t ComputeProperties(uint32_t code_point, CharacterClass character_class) {
  uint8_t properties = 0;
  if (character_class == CharacterClass::kLetter) properties |= kWord;
  if (character_class == CharacterClass::kNumber) properties |= kWord | kIsNumber;
  if (character_class == CharacterClass::kPunctuation) properties |= kPunctuation;
  if (IsHexDigit(code_point)) properties |= kHexDigit;
  if (IsSpace(code_point)) properties |= kWhiteSpace;
  return properties;
}

constexpr std::array<uint8_t, 0x80> kAsciiProperties = [] {
  std::array<uint8_t, 0x80> properties = {};
  for (uint32_t c = 0; c < 0x80; ++c) properties[c] = ComputeProperties(c, ClassOfAscii(c));
  return properties;
}();

struct Character {
  size_t size = 0;  // in bytes; 0 at the end
  uint8_t properties = 0;
};

// Returns the character that `text` begins with. A byte that is not UTF-8 is one without
// properties. REQUIRES: !text.empty().
Character ReadCharacter(std::string_view text) {
  const auto byte = static_cast<uint8_t>(text.front());
  if (byte < 0x80) return {1, kAsciiProperties[byte]};
  const Utf8Character character = ReadUtf8Character(text);
  if (!character.valid) return {1, 0};
  return {character.size, ComputeProperties(character.code_point, ClassOf(character.code_point))};
}

// Cuts one name into tokens.
class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  bool done() const { return position_ == text_.size(); }

  std::string_view Next() {
    const size_t begin = position_;
    const Character first = Peek();
    const char byte = text_[begin];
    position_ += first.size;
    if (byte == '%') {
      FinishPercentCode();
    } else if ((first.properties & kWhiteSpace) != 0) {
      SkipAll(kWhiteSpace);
    } else if ((first.properties & kHexDigit) != 0) {
      FinishHexDigits();
    } else if ((first.properties & kWord) != 0) {
      SkipAll(kWord);
    }
    return text_.substr(begin, position_ - begin);
  }

 private:
  Character Peek() const { return done() ? Character() : ReadCharacter(text_.substr(position_)); }

  // Passes over all characters that have one of the properties.
  void SkipAll(uint8_t properties) {
    for (Character next = Peek(); (next.properties & properties) != 0; next = Peek()) {
      position_ += next.size;
    }
  }

  void FinishPercentCode() {
    const size_t after_sign = position_;
    bool digits = true;
    for (int i = 0; i < 2; ++i) {
      const Character next = Peek();
      if (next.size == 0) return;  // the name ends here: whatever is left belongs to the sign
      digits = digits && (next.properties & kHexDigit) != 0;
      position_ += next.size;
    }
    if (!digits) position_ = after_sign;
  }

  void FinishHexDigits() {
    SkipAll(kHexDigit);
    if (!done() && text_[position_] == '-') {
      for (;;) {
        SkipAll(kHexDigit);
        if (done() || text_[position_] != '-') return;
        ++position_;
      }
    }
    SkipAll(kWord);  // it was a word that began like a number
  }

  const std::string_view text_;
  size_t position_ = 0;
};

}  // namespace

void SplitSpanName(std::string_view name, size_t max_tokens,
                   std::vector<std::string_view>* tokens) {
  tokens->clear();
  Lexer lexer(name);
  while (!lexer.done() && tokens->size() <= max_tokens) tokens->push_back(lexer.Next());
}

bool LooksLikeData(std::string_view token) {
  size_t numbers = 0;
  bool like_an_id = true;
  for (std::string_view rest = token; !rest.empty();) {
    const Character character = ReadCharacter(rest);
    if ((character.properties & kIsNumber) != 0) {
      ++numbers;
    } else if ((character.properties & (kHexDigit | kPunctuation)) == 0) {
      like_an_id = false;
    }
    rest.remove_prefix(character.size);
  }
  return (like_an_id && numbers > 0) || numbers > std::max<size_t>(token.size() / 4, 1);
}

}  // namespace spanmeter
