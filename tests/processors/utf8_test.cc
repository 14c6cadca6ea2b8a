#include "processors/utf8.h"

#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

TEST(Utf8Test, AcceptsEveryLengthOfCharacter) {
  EXPECT_TRUE(IsValidUtf8(""));
  EXPECT_TRUE(IsValidUtf8("a"));
  EXPECT_TRUE(IsValidUtf8("plain ASCII of more than eight bytes"));
  EXPECT_TRUE(IsValidUtf8("é☃😀"));
  EXPECT_TRUE(IsValidUtf8(std::string_view("\0", 1)));
  EXPECT_TRUE(IsValidUtf8("\xed\x9f\xbf"));      // U+D7FF
  EXPECT_TRUE(IsValidUtf8("\xf4\x8f\xbf\xbf"));  // U+10FFFF
}

TEST(Utf8Test, RefusesWhatIsNotUtf8) {
  EXPECT_FALSE(IsValidUtf8("\x80"));              // stray continuation byte
  EXPECT_FALSE(IsValidUtf8("\xc3"));              // cut off
  EXPECT_FALSE(IsValidUtf8("\xe2\x98"));          // cut off
  EXPECT_FALSE(IsValidUtf8("\xc0\xaf"));          // overlong
  EXPECT_FALSE(IsValidUtf8("\xe0\x80\xaf"));      // overlong
  EXPECT_FALSE(IsValidUtf8("\xed\xa0\x80"));      // surrogate
  EXPECT_FALSE(IsValidUtf8("\xf4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(IsValidUtf8("\xff"));
}

TEST(Utf8Test, FindsABadByteAtEveryPosition) {
  for (size_t size = 1; size < 40; ++size) {
    for (size_t position = 0; position < size; ++position) {
      std::string text(size, 'a');
      text[position] = '\xff';
      EXPECT_FALSE(IsValidUtf8(text)) << position << " of " << size;
      EXPECT_FALSE(IsAscii(text)) << position << " of " << size;
    }
  }
}

TEST(CutToBytesTest, ShortTextsAndNoLimitLeaveTheTextAlone) {
  EXPECT_EQ(CutToBytes("abc", 3), "abc");
  EXPECT_EQ(CutToBytes("abc", 100), "abc");
  EXPECT_EQ(CutToBytes("abc", 0), "abc");
  EXPECT_EQ(CutToBytes("", 5), "");
}

TEST(CutToBytesTest, CutsBetweenCharacters) {
  EXPECT_EQ(CutToBytes("abcdef", 4), "abcd");
  EXPECT_EQ(CutToBytes("☃☃☃x", 9), "☃☃☃");
  EXPECT_EQ(CutToBytes("☃☃☃x", 8), "☃☃");
  EXPECT_EQ(CutToBytes("☃☃☃x", 7), "☃☃");
  EXPECT_EQ(CutToBytes("☃☃☃x", 6), "☃☃");
  EXPECT_EQ(CutToBytes("é", 1), "");
  EXPECT_EQ(CutToBytes("😀a", 3), "");
  EXPECT_EQ(CutToBytes("a😀a", 4), "a");
}

TEST(CutToBytesTest, CutsWhatIsNotUtf8Plainly) {
  EXPECT_EQ(CutToBytes("abc\x80\x80", 3), "abc");
  EXPECT_EQ(CutToBytes("\x80\x80\x80\x80\x80\x80", 5), "\x80\x80\x80\x80\x80");
  EXPECT_EQ(CutToBytes("a\xe2\x98z", 3), "a\xe2\x98");
  // A lead byte that promises a character which does not follow.
  EXPECT_EQ(CutToBytes("a\xf0\x98\x80z", 3), "a\xf0\x98");
  // An overlong form is no character to keep whole.
  EXPECT_EQ(CutToBytes("a\xe0\x80\x80", 2), "a\xe0");
}

TEST(CutToBytesTest, NeverTakesMoreThanThreeBytesAway) {
  const std::string text = "é☃😀x\x80\x80\x80\x80\x80yé😀";
  for (size_t limit = 1; limit < text.size(); ++limit) {
    const std::string_view cut = CutToBytes(text, limit);
    EXPECT_LE(cut.size(), limit);
    EXPECT_GE(cut.size() + 3, limit);
  }
}

}  // namespace
}  // namespace spanmeter
