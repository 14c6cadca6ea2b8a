#include "processors/attribute_text.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "processors/utf8.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using testing::Value;
using testing::WireWriter;

std::string Text(const AnyValue& value) {
  std::string out;
  AppendAttributeText(value, 0, &out);
  return out;
}

std::string Text(double value) { return Text(AnyValue::Double(value)); }

// The content of the one field of `value`, an array or a key-value list.
std::string ListOf(const Value& value) {
  const std::string& encoded = value.encoded();
  size_t begin = 1;
  while ((encoded[begin] & 0x80) != 0) ++begin;
  return encoded.substr(begin + 1);
}
std::string ArrayText(const Value& value) { return Text(AnyValue::Array(ListOf(value))); }
std::string ListText(const Value& value) { return Text(AnyValue::KeyValueList(ListOf(value))); }

TEST(AttributeTextTest, StringsStandAsTheyAre) {
  EXPECT_EQ(Text(AnyValue::String("a \"b\"\n\xff")), "a \"b\"\n\xff");
  EXPECT_EQ(Text(AnyValue::String("")), "");
}

TEST(AttributeTextTest, BooleansAndIntegersAreWrittenOut) {
  EXPECT_EQ(Text(AnyValue::Bool(true)), "true");
  EXPECT_EQ(Text(AnyValue::Bool(false)), "false");
  EXPECT_EQ(Text(AnyValue::Int(0)), "0");
  EXPECT_EQ(Text(AnyValue::Int(-42)), "-42");
  EXPECT_EQ(Text(AnyValue::Int(INT64_MAX)), "9223372036854775807");
  EXPECT_EQ(Text(AnyValue::Int(INT64_MIN)), "-9223372036854775808");
}

TEST(AttributeTextTest, BytesAndAbsentValuesAreEmpty) {
  EXPECT_EQ(Text(AnyValue::Bytes("abc")), "");
  EXPECT_EQ(Text(AnyValue()), "");
}

TEST(AttributeTextTest, DoublesNeverHaveAnExponent) {
  EXPECT_EQ(Text(1.5), "1.5");
  EXPECT_EQ(Text(3.0), "3");
  EXPECT_EQ(Text(100.0), "100");
  EXPECT_EQ(Text(-120.25), "-120.25");
  EXPECT_EQ(Text(0.0), "0");
  EXPECT_EQ(Text(-0.0), "-0");
  EXPECT_EQ(Text(1e-7), "0.0000001");
  EXPECT_EQ(Text(0.1), "0.1");
  EXPECT_EQ(Text(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(Text(1e21), "1000000000000000000000");
  EXPECT_EQ(Text(123456789012345680.0), "123456789012345680");
  EXPECT_EQ(Text(std::numeric_limits<double>::max()), "17976931348623157" + std::string(292, '0'));
  EXPECT_EQ(Text(5e-324), "0." + std::string(323, '0') + "5");
}

TEST(AttributeTextTest, DoublesThatAreNoNumbersHaveNames) {
  EXPECT_EQ(Text(std::nan("")), "NaN");
  EXPECT_EQ(Text(std::numeric_limits<double>::infinity()), "+Inf");
  EXPECT_EQ(Text(-std::numeric_limits<double>::infinity()), "-Inf");
}

TEST(AttributeTextTest, DoublesReadBackAsTheSameDouble) {
  std::mt19937_64 random(7);
  for (int i = 0; i < 20000; ++i) {
    const double value = std::bit_cast<double>(random());
    if (!std::isfinite(value)) continue;
    const std::string text = Text(value);
    ASSERT_EQ(std::strtod(text.c_str(), nullptr), value) << text;
    ASSERT_EQ(text.find_first_of("eE"), std::string::npos) << text;
  }
}

TEST(AttributeTextTest, ArraysAreTheirElementsWithoutSeparators) {
  EXPECT_EQ(ArrayText(Value::Array({"a", 1, true, 2.5, "b"})), "[a1true2.5b]");
  EXPECT_EQ(ArrayText(Value::Array({})), "[]");
  EXPECT_EQ(ArrayText(Value::Array({Value::Bytes("x"), "y", Value()})), "[y]");
}

TEST(AttributeTextTest, KeyValueListsAreTheirPairsWithoutSeparators) {
  EXPECT_EQ(ListText(Value::KeyValueList({{"k1", "v1"}, {"k2", 2}})), "{k1:v1k2:2}");
  EXPECT_EQ(ListText(Value::KeyValueList({})), "{}");
  EXPECT_EQ(ListText(Value::KeyValueList({{"", "x"}, {"none", Value()}})), "{:xnone:}");
}

TEST(AttributeTextTest, ListsNest) {
  EXPECT_EQ(ArrayText(Value::Array({Value::KeyValueList({{"k", Value::Array({1, 2})}}), "z"})),
            "[{k:[12]}z]");
}

TEST(AttributeTextTest, ListsWithinTooManyOthersAreEmpty) {
  Value value = Value::Array({"x"});
  for (int nesting = 1; nesting < kMaxNestedText; ++nesting) value = Value::Array({value});
  const std::string brackets(kMaxNestedText, '[');
  EXPECT_EQ(ArrayText(value), brackets + "x" + std::string(kMaxNestedText, ']'));
  value = Value::Array({value});
  EXPECT_EQ(ArrayText(value), brackets + std::string(kMaxNestedText, ']'));
  value = Value::KeyValueList({{"k", value}});
  EXPECT_EQ(ListText(value),
            "{k:" + brackets.substr(1) + std::string(kMaxNestedText - 1, ']') + "}");
}

TEST(AttributeTextTest, VeryDeepNestingDoesNotOverflowTheStack) {
  std::string encoded;
  for (int i = 0; i < 2000; ++i) {
    WireWriter any;
    any.Bytes(5, encoded);
    WireWriter array;
    array.Bytes(1, any.out());
    encoded = array.Take();
  }
  EXPECT_EQ(Text(AnyValue::Array(encoded)),
            std::string(kMaxNestedText, '[') + std::string(kMaxNestedText, ']'));
}

// An array whose one element is `encoded_any`.
std::string ArrayOfEncoded(std::string_view encoded_any) {
  return ArrayText(Value::Array({Value::Encoded(encoded_any)}));
}

TEST(AttributeTextTest, TheLastMemberOfAValueCounts) {
  EXPECT_EQ(ArrayOfEncoded(Value("a").encoded() + Value(7).encoded()), "[7]");
  EXPECT_EQ(ArrayOfEncoded(Value(7).encoded() + Value::Bytes("b").encoded()), "[]");
  EXPECT_EQ(ArrayOfEncoded(Value::Array({1}).encoded() + Value("s").encoded() +
                           Value::Array({2}).encoded()),
            "[[2]]");
}

TEST(AttributeTextTest, RepeatedListsAndValuesMerge) {
  EXPECT_EQ(ArrayOfEncoded(Value::Array({1}).encoded() + Value::Array({2, 3}).encoded() +
                           Value::Array({4}).encoded()),
            "[[1234]]");
  EXPECT_EQ(ArrayOfEncoded(Value::KeyValueList({{"a", 1}}).encoded() +
                           Value::KeyValueList({{"b", 2}}).encoded()),
            "[{a:1b:2}]");
  WireWriter pair;
  pair.Bytes(2, Value::Array({1}).encoded());
  pair.Bytes(1, "lost");
  pair.Bytes(2, Value::Array({2}).encoded());
  pair.Bytes(1, "k");
  WireWriter list;
  list.Bytes(1, pair.out());
  EXPECT_EQ(Text(AnyValue::KeyValueList(list.out())), "{k:[12]}");
}

TEST(AttributeTextTest, UnknownFieldsArePassedOver) {
  WireWriter any;
  any.Varint(1, 5);  // a string has another wire type
  any.Bytes(15, "unknown");
  any.Varint(3, 9);
  any.Fixed32(16, 1);
  WireWriter array;
  array.Bytes(2, "unknown");
  array.Bytes(1, any.out());
  EXPECT_EQ(Text(AnyValue::Array(array.out())), "[9]");
}

TEST(AttributeTextTest, ABoolIsAnyVarintThatIsNotZero) {
  WireWriter any;
  any.Varint(2, uint64_t{1} << 40);
  EXPECT_EQ(ArrayOfEncoded(any.out()), "[true]");
}

TEST(AttributeTextTest, TextIsAppended) {
  std::string out = "before ";
  AppendAttributeText(AnyValue::Int(5), 0, &out);
  EXPECT_EQ(out, "before 5");
}

TEST(AttributeTextTest, NoMoreIsFormattedThanCuttingNeeds) {
  const std::string huge(1 << 20, 'x');
  const std::string encoded = ListOf(Value::Array({huge, huge, "\xe2\x98\x83"}));
  std::string out = "12";
  AppendAttributeText(AnyValue::Array(encoded), 100, &out);
  EXPECT_GE(out.size(), 2 + 103U);
  EXPECT_LT(out.size(), 120U);
  EXPECT_EQ(out, "12[" + std::string(out.size() - 3, 'x'));

  for (size_t limit = 1; limit < 20; ++limit) {
    // Whatever the limit, cutting gives what cutting the whole text gives.
    const AnyValue value = AnyValue::String("a☃bb😀ccéd😀😀");
    std::string beginning;
    AppendAttributeText(value, limit, &beginning);
    EXPECT_EQ(CutToBytes(beginning, limit), CutToBytes(value.bytes(), limit)) << limit;
  }
}

TEST(AttributeTextTest, StringsAreBorrowed) {
  const std::string text = "borrowed";
  std::string scratch = "untouched";
  const std::string_view view = AttributeText(AnyValue::String(text), 3, &scratch);
  EXPECT_EQ(view.data(), text.data());
  EXPECT_EQ(view, "borrowed");
  EXPECT_EQ(scratch, "untouched");
  EXPECT_EQ(AttributeText(AnyValue::Int(12), 0, &scratch), "12");
}

TEST(AttributeTextTest, HasTextTellsWhetherTheTextIsEmpty) {
  const std::string empty_array = ListOf(Value::Array({}));
  for (const AnyValue& value :
       {AnyValue(), AnyValue::String(""), AnyValue::String("a"), AnyValue::Bytes("b"),
        AnyValue::Int(0), AnyValue::Bool(false), AnyValue::Double(0), AnyValue::Array(empty_array),
        AnyValue::KeyValueList("")}) {
    EXPECT_EQ(HasText(value), !Text(value).empty()) << Text(value);
  }
}

}  // namespace
}  // namespace spanmeter
