#include "spanmeter/attribute_index.h"

#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

TEST(AttributeIndexTest, AddedKeysAreFoundAndOthersAreNot) {
  AttributeIndex index;
  EXPECT_TRUE(index.empty());
  EXPECT_EQ(index.Find("http.method"), AttributeIndex::kNotWanted);
  const AttributeId method = index.Add("http.method");
  const AttributeId empty = index.Add("");
  EXPECT_NE(method, empty);
  EXPECT_EQ(index.Find("http.method"), method);
  EXPECT_EQ(index.Find(""), empty);
  EXPECT_EQ(index.Find("http.methoD"), AttributeIndex::kNotWanted);
  EXPECT_EQ(index.key(method), "http.method");
}

TEST(AttributeIndexTest, AddingAKeyAgainReturnsItsId) {
  AttributeIndex index;
  const AttributeId first = index.Add("a");
  index.Add("b");
  EXPECT_EQ(index.Add("a"), first);
  EXPECT_EQ(index.size(), 2U);
}

TEST(AttributeIndexTest, KeepsItsIdsWhileItGrows) {
  AttributeIndex index;
  // Equal length, first, middle and last character: all of them hash alike.
  for (int i = 0; i < 500; ++i) {
    const std::string number = std::to_string(1000 + i);
    ASSERT_EQ(index.Add("k" + number + "mmmmm" + number.substr(1) + "z"), i);
  }
  for (int i = 0; i < 500; ++i) {
    const std::string number = std::to_string(1000 + i);
    ASSERT_EQ(index.Find("k" + number + "mmmmm" + number.substr(1) + "z"), i);
  }
  EXPECT_EQ(index.Find("k1000mmmmm001z"), AttributeIndex::kNotWanted);
}

bool IsInt(const AnyValue& value) { return value.type() == AnyValue::Type::kInt; }
bool IsTwo(const AnyValue& value) { return IsInt(value) && value.int_value() == 2; }
bool IsThree(const AnyValue& value) { return IsInt(value) && value.int_value() == 3; }

TEST(AttributeValuesTest, FirstIsTheFirstOccurrence) {
  AttributeIndex index;
  const AttributeId a = index.Add("a");
  const AttributeId b = index.Add("b");
  AttributeValues values;
  values.Reset(index);
  EXPECT_EQ(values.First(a), nullptr);
  values.Add(a, AnyValue::Int(1));
  values.Add(a, AnyValue::Int(2));
  ASSERT_NE(values.First(a), nullptr);
  EXPECT_EQ(values.First(a)->int_value(), 1);
  EXPECT_EQ(values.First(b), nullptr);
}

TEST(AttributeValuesTest, FirstThatLooksAtAllOccurrencesInOrder) {
  AttributeIndex index;
  const AttributeId a = index.Add("a");
  const AttributeId b = index.Add("b");
  AttributeValues values;
  values.Reset(index);
  values.Add(a, AnyValue::Bool(true));
  values.Add(b, AnyValue::Int(3));
  values.Add(a, AnyValue::Int(1));
  values.Add(a, AnyValue::Int(2));
  ASSERT_NE(values.FirstThat(a, IsInt), nullptr);
  EXPECT_EQ(values.FirstThat(a, IsInt)->int_value(), 1);
  EXPECT_NE(values.FirstThat(a, IsTwo), nullptr);
  EXPECT_EQ(values.FirstThat(a, IsThree), nullptr);
  EXPECT_NE(values.FirstThat(b, IsThree), nullptr);
}

TEST(AttributeValuesTest, ResetForgetsAllValues) {
  AttributeIndex index;
  const AttributeId a = index.Add("a");
  AttributeValues values;
  values.Reset(index);
  values.Add(a, AnyValue::Int(1));
  values.Add(a, AnyValue::Int(2));
  const AttributeId b = index.Add("b");
  values.Reset(index);
  EXPECT_EQ(values.First(a), nullptr);
  EXPECT_EQ(values.First(b), nullptr);
  values.Add(a, AnyValue::Int(3));
  EXPECT_EQ(values.FirstThat(a, IsTwo), nullptr);
}

}  // namespace
}  // namespace spanmeter
