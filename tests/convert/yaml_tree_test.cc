#include "convert/yaml_tree.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

YamlNode MustParse(const std::string& text) {
  YamlError error;
  std::optional<YamlNode> root = ParseYaml(text, &error);
  EXPECT_TRUE(root) << error.line << ": " << error.message;
  return root.value_or(YamlNode());
}

// "line: message" of a text that must be refused.
std::string ErrorOf(const std::string& text) {
  YamlError error;
  EXPECT_FALSE(ParseYaml(text, &error)) << text.substr(0, 100);
  return std::to_string(error.line) + ": " + error.message;
}

std::string Repeat(const std::string& text, int times) {
  std::string result;
  for (int i = 0; i < times; ++i) result += text;
  return result;
}

TEST(YamlTree, KeepsOrderLinesAndQuotes) {
  const YamlNode root = MustParse("b: 1\na:\n  - 'x'\n  - ~\nempty:\nlong: |\n  two\n  lines\n");
  ASSERT_EQ(root.entries.size(), 4u);
  EXPECT_EQ(root.entries[0].key, "b");
  EXPECT_EQ(root.entries[1].line, 2);
  EXPECT_TRUE(root.entries[0].value.is_plain);
  const YamlNode& list = root.entries[1].value;
  ASSERT_EQ(list.items.size(), 2u);
  EXPECT_EQ(list.items[0].text, "x");
  EXPECT_FALSE(list.items[0].is_plain);
  EXPECT_EQ(list.items[0].line, 3);
  EXPECT_TRUE(list.items[1].IsNull());
  EXPECT_TRUE(root.Find("empty")->IsNull());
  EXPECT_EQ(root.Find("long")->text, "two\nlines\n");
  EXPECT_EQ(root.Find("missing"), nullptr);
}

TEST(YamlTree, IsNullWhenThereIsNothing) {
  EXPECT_TRUE(MustParse("").IsNull());
  EXPECT_TRUE(MustParse("# a comment\n").IsNull());
}

TEST(YamlTree, WritesAliasesAndMergeKeysOut) {
  const YamlNode root = MustParse(
      "base: &base {a: 1, b: 2}\n"
      "other: &other {b: 3, c: 4}\n"
      "merged:\n  <<: [*base, *other]\n  a: 5\n"
      "alias: *base\n");
  const YamlNode& merged = *root.Find("merged");
  EXPECT_EQ(merged.entries.size(), 3u);
  EXPECT_EQ(merged.Find("a")->text, "5");
  EXPECT_EQ(merged.Find("b")->text, "2");
  EXPECT_EQ(merged.Find("c")->text, "4");
  EXPECT_EQ(root.Find("alias")->Find("b")->text, "2");
}

TEST(YamlTree, RefusesKeysTwice) {
  EXPECT_EQ(ErrorOf("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n"),
            "5: has a key that stands in line 3 already: remove one of them");
}

TEST(YamlTree, RefusesKeysThatAreNoText) {
  EXPECT_EQ(ErrorOf("? [a, b]\n: 1\n"),
            "1: has a key that is not a single word or text: write one before the colon");
}

TEST(YamlTree, RefusesSeveralDocuments) {
  EXPECT_EQ(ErrorOf("a: 1\n---\nb: 2\n"), "3: has several documents (---): give each in a file");
}

TEST(YamlTree, RefusesToMergeWhatIsNoMap) {
  EXPECT_EQ(ErrorOf("a:\n  <<: 5\n"), "2: merges (<<) what is no map: remove it");
  EXPECT_EQ(ErrorOf("a:\n  <<: [[{b: 1}]]\n"), "2: merges (<<) what is no map: remove it");
}

TEST(YamlTree, SaysWhereTextIsNoYaml) {
  EXPECT_EQ(ErrorOf("a: 1\n  b: 2\n"), "2: cannot parse as YAML: illegal map value");
  EXPECT_EQ(ErrorOf("a: *nowhere\n").substr(0, 24), "1: cannot parse as YAML:");
}

TEST(YamlTree, SuggestsQuotesForVariablesInBraces) {
  EXPECT_NE(ErrorOf("a: {b: ${C}}\n").find("a value with ${NAME} needs quotes"), std::string::npos);
}

TEST(YamlTree, RefusesWhatIsNoText) {
  EXPECT_EQ(ErrorOf("a: 1\nb: \xFF\n"), "2: is not text in UTF-8: save it as such");
  EXPECT_EQ(ErrorOf(std::string("a: \0", 4)), "1: is not text in UTF-8: save it as such");
}

TEST(YamlTree, BoundsSize) {
  EXPECT_EQ(ErrorOf(std::string((8 << 20) + 1, ' ')),
            "0: is larger than 8 MiB: this is no configuration");
}

TEST(YamlTree, BoundsDepth) {
  const std::string too_deep = "is nested too deeply: at most 64 levels";
  EXPECT_EQ(ErrorOf(Repeat("[", 65) + Repeat("]", 65)), "1: " + too_deep);
  EXPECT_EQ(ErrorOf(Repeat("[", 100'000)), "0: " + too_deep);
  EXPECT_EQ(ErrorOf(Repeat("{a: ", 100'000)), "0: " + too_deep);
  EXPECT_EQ(ErrorOf(Repeat("? ", 100'000)), "0: " + too_deep);
  EXPECT_EQ(ErrorOf(Repeat("- ", 100'000)), "0: " + too_deep);
  MustParse(Repeat("[", 64) + Repeat("]", 64));
}

TEST(YamlTree, BoundsAliases) {
  // Each line stands for nine of the line before: 9^12 values.
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string alias = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + alias +
            Repeat(", " + alias, 8) + "]\n";
  }
  EXPECT_NE(ErrorOf(bomb).find("has more than 500000 values, aliases written out"),
            std::string::npos);
}

TEST(YamlTree, BoundsAliasesThatContainThemselves) {
  YamlError error;
  EXPECT_FALSE(ParseYaml("a: &a {b: *a}\n", &error));
  EXPECT_FALSE(error.message.empty());
}

}  // namespace
}  // namespace spanmeter
