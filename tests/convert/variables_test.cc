#include "convert/variables.h"

#include <optional>
#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

TEST(Variables, StayAsTheyAre) {
  const VariableText text = ConvertVariables("https://${HOST}:${PORT}/write");
  EXPECT_EQ(text.text, "https://${HOST}:${PORT}/write");
  EXPECT_TRUE(text.has_variable);
  EXPECT_FALSE(text.is_variable);
  EXPECT_FALSE(text.has_default);
}

TEST(Variables, AreToldFromTextsWithVariables) {
  EXPECT_TRUE(ConvertVariables("${A}").is_variable);
  EXPECT_TRUE(ConvertVariables("${A:-x}").is_variable);
  EXPECT_FALSE(ConvertVariables("${A}${B}").is_variable);
  EXPECT_FALSE(ConvertVariables(" ${A}").is_variable);
  EXPECT_FALSE(ConvertVariables("A").has_variable);
}

TEST(Variables, LoseTheirDefaults) {
  for (const char* const variable :
       {"${A:-b}", "${A-b}", "${A:=b}", "${A:b}", "${A:-${B:-c}}", "${A^^}", "${A#b}"}) {
    const VariableText text = ConvertVariables(std::string("<") + variable + ">");
    EXPECT_EQ(text.text, "<${A}>") << variable;
    EXPECT_TRUE(text.has_default) << variable;
  }
}

TEST(Variables, AreNotWhatHasNoName) {
  EXPECT_EQ(ConvertVariables("${1}").text, "$${1}");
  EXPECT_EQ(ConvertVariables("${}").text, "$${}");
  EXPECT_EQ(ConvertVariables("${A").text, "$${A");
  EXPECT_EQ(ConvertVariables("$1 $A $").text, "$1 $A $");
  EXPECT_FALSE(ConvertVariables("${1}${}${A").has_variable);
}

TEST(Variables, CanBeEscapedInBothLanguages) {
  const VariableText text = ConvertVariables("$${A} ${B}");
  EXPECT_EQ(text.text, "$${A} ${B}");
  EXPECT_TRUE(text.has_variable);
  EXPECT_FALSE(ConvertVariables("$${A}").has_variable);
}

TEST(Variables, GiveTheirDefaultsForValuesThatAreNoStrings) {
  EXPECT_EQ(DefaultOfVariable("${A:-20}"), "20");
  EXPECT_EQ(DefaultOfVariable("${A-20}"), "20");
  EXPECT_EQ(DefaultOfVariable("${A:=20}"), "20");
  EXPECT_EQ(DefaultOfVariable("${A:20}"), "20");
  EXPECT_EQ(DefaultOfVariable("${A:-}"), "");
  EXPECT_EQ(DefaultOfVariable("${A}"), std::nullopt);
  EXPECT_EQ(DefaultOfVariable("${A^^}"), std::nullopt);
  EXPECT_EQ(DefaultOfVariable("${A:-1}0"), std::nullopt);
  EXPECT_EQ(DefaultOfVariable("20"), std::nullopt);
}

}  // namespace
}  // namespace spanmeter
