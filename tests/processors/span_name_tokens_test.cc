#include "processors/span_name_tokens.h"

#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <re2/re2.h>

#include "processors/unicode_class.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<std::string> Split(std::string_view name, size_t max_tokens = 100) {
  std::vector<std::string_view> tokens = {"left over"};
  SplitSpanName(name, max_tokens, &tokens);
  return {tokens.begin(), tokens.end()};
}

TEST(SpanNameTokensTest, WordsAndSingleDelimiters) {
  EXPECT_THAT(Split("GET /users/me"), ElementsAre("GET", " ", "/", "users", "/", "me"));
  EXPECT_THAT(Split("order_12//x"), ElementsAre("order", "_", "12", "/", "/", "x"));
}

TEST(SpanNameTokensTest, TheEmptyNameHasNone) { EXPECT_THAT(Split(""), IsEmpty()); }

TEST(SpanNameTokensTest, WhiteSpaceIsOneToken) {
  EXPECT_THAT(Split("x \t\u00a0\u3000y"), ElementsAre("x", " \t\u00a0\u3000", "y"));
}

TEST(SpanNameTokensTest, AWordMayBeginWithHexadecimalDigits) {
  EXPECT_THAT(Split("1st cafe caf\u00e9 add"),
              ElementsAre("1st", " ", "cafe", " ", "caf\u00e9", " ", "add"));
}

TEST(SpanNameTokensTest, HexadecimalDigitsJoinedByDashesAreOneToken) {
  EXPECT_THAT(Split("order 7b1e0d6e-4b0c-4b7e"), ElementsAre("order", " ", "7b1e0d6e-4b0c-4b7e"));
  EXPECT_THAT(Split("ab--c-"), ElementsAre("ab--c-"));
  // It ends where the digits end, even within a word.
  EXPECT_THAT(Split("add-item"), ElementsAre("add-", "item"));
  EXPECT_THAT(Split("job-12"), ElementsAre("job", "-", "12"));
}

TEST(SpanNameTokensTest, PercentCodesAreOneToken) {
  EXPECT_THAT(Split("q=%3Dx%2f"), ElementsAre("q", "=", "%3D", "x", "%2f"));
  EXPECT_THAT(Split("5%of 5%3z"), ElementsAre("5", "%", "of", " ", "5", "%", "3z"));
}

TEST(SpanNameTokensTest, APercentSignTakesTheLastCharacter) {
  EXPECT_THAT(Split("a%"), ElementsAre("a", "%"));
  EXPECT_THAT(Split("a%4"), ElementsAre("a", "%4"));
  EXPECT_THAT(Split("a%\u00e9"), ElementsAre("a", "%\u00e9"));
}

TEST(SpanNameTokensTest, LettersAndNumbersOfAllScriptsAreWords) {
  EXPECT_THAT(Split("GET /\u7528\u6237/\u0663\u0664"),
              ElementsAre("GET", " ", "/", "\u7528\u6237", "/", "\u0663\u0664"));
  EXPECT_THAT(Split("\U0001F680go"), ElementsAre("\U0001F680", "go"));
}

TEST(SpanNameTokensTest, BytesThatAreNotUtf8StandAlone) {
  EXPECT_THAT(Split("a\xff\xfe"
                    "b\xe2\x82"),
              ElementsAre("a", "\xff", "\xfe", "b", "\xe2", "\x82"));
}

TEST(SpanNameTokensTest, StopsAfterOneTokenTooMany) {
  EXPECT_THAT(Split("a/b/c/d", 3), ElementsAre("a", "/", "b", "/"));
  EXPECT_THAT(Split(std::string(100'000, '/'), 80), SizeIs(81));
}

TEST(LooksLikeDataTest, HexadecimalDigitsAndPunctuationWithANumber) {
  EXPECT_TRUE(LooksLikeData("1"));
  EXPECT_TRUE(LooksLikeData("0a1b2c3d"));
  EXPECT_TRUE(LooksLikeData("abcdefabcdefabcdefabcdef1"));
  EXPECT_TRUE(LooksLikeData("7b1e-4b0c"));
  EXPECT_TRUE(LooksLikeData("%3D"));
  EXPECT_TRUE(LooksLikeData("\u0663"));
  EXPECT_FALSE(LooksLikeData("ffeeddcc"));
  EXPECT_FALSE(LooksLikeData("/"));
  EXPECT_FALSE(LooksLikeData(""));
}

TEST(LooksLikeDataTest, MoreNumbersThanAQuarterAndThanOne) {
  EXPECT_FALSE(LooksLikeData("v1"));
  EXPECT_TRUE(LooksLikeData("v12"));
  EXPECT_TRUE(LooksLikeData("xyz1234"));
  // 3 of 11 bytes are more than a quarter rounded down, 3 of 12 are not.
  EXPECT_TRUE(LooksLikeData("xyzxyzxy123"));
  EXPECT_FALSE(LooksLikeData("xyzxyzxyz123"));
}

// RE2 brings tables of its own.
TEST(UnicodeClassTest, EveryCodePointIsOfTheClassThatRe2Says) {
  const re2::RE2 letter("\\p{L}");
  const re2::RE2 number("\\p{N}");
  const re2::RE2 punctuation("\\p{P}");
  int wrong = 0;
  for (uint32_t c = 0; c <= 0x10FFFF; ++c) {
    if (c >= 0xD800 && c <= 0xDFFF) continue;
    std::string text;
    if (c < 0x80) {
      text = {static_cast<char>(c)};
    } else if (c < 0x800) {
      text = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
    } else if (c < 0x10000) {
      text = {static_cast<char>(0xE0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 0x3F)),
              static_cast<char>(0x80 | (c & 0x3F))};
    } else {
      text = {static_cast<char>(0xF0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 0x3F)),
              static_cast<char>(0x80 | (c >> 6 & 0x3F)), static_cast<char>(0x80 | (c & 0x3F))};
    }
    CharacterClass expected = CharacterClass::kOther;
    if (RE2::FullMatch(text, letter)) expected = CharacterClass::kLetter;
    if (RE2::FullMatch(text, number)) expected = CharacterClass::kNumber;
    if (RE2::FullMatch(text, punctuation)) expected = CharacterClass::kPunctuation;
    if (ClassOf(c) != expected && ++wrong <= 20) ADD_FAILURE() << "U+" << std::hex << c;
  }
  EXPECT_EQ(0, wrong);
}

}  // namespace
}  // namespace spanmeter
