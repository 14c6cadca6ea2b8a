#include "processors/span_multiplier.h"

#include <cmath>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/span_builder.h"

namespace spanmeter {
namespace {

using testing::Attributes;
using ::testing::Optional;
using testing::TestSpan;

TEST(TraceStateMultiplierTest, IsTheInverseOfTheSamplingProbability) {
  EXPECT_THAT(TraceStateMultiplier("ot=th:8"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:c"), Optional(4.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:C"), Optional(4.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:0"), Optional(1.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:80000000000000"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:5"), Optional(1.4545454545454546));
  EXPECT_THAT(TraceStateMultiplier("ot=th:fd70a"), Optional(99.99771123402633));
  EXPECT_THAT(TraceStateMultiplier("ot=th:ffffffffffffff"), Optional(std::ldexp(1, 56)));
}

TEST(TraceStateMultiplierTest, OtherEntriesAndFieldsDoNotMatter) {
  EXPECT_THAT(TraceStateMultiplier("rojo=1,ot=th:8"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:8,rojo=1"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("bad;;=,ot=th:8,="), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier(",ot=th:8"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=p:1;th:8;x:y.z"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=k9:A-b_c.0;th:8;empty:"), Optional(2.0));
}

TEST(TraceStateMultiplierTest, BlanksAroundEntriesDoNotMatter) {
  EXPECT_THAT(TraceStateMultiplier("  rojo=1,  ot=th:8"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:8  "), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:8 ,x=y"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("x=y\t,\tot=th:8\t"), Optional(2.0));
}

TEST(TraceStateMultiplierTest, TheFirstEntryAndTheLastThresholdCount) {
  EXPECT_THAT(TraceStateMultiplier("ot=th:8,ot=th:c"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:8;th:c"), Optional(4.0));
  EXPECT_EQ(TraceStateMultiplier("ot=,ot=th:8"), std::nullopt);
  EXPECT_EQ(TraceStateMultiplier("ot=p:8,ot=th:8"), std::nullopt);
}

TEST(TraceStateMultiplierTest, NothingFollowsFromOtherTraceStates) {
  for (const char* state : {"", " ", ",", "rojo=1", "xot=th:8", "ot2=th:8", "OT=th:8", "ot",
                            "ot=", "ot=p:8", "ot =th:8"}) {
    EXPECT_EQ(TraceStateMultiplier(state), std::nullopt) << state;
  }
}

TEST(TraceStateMultiplierTest, AnErrorAnywhereInTheEntryMakesItUnusable) {
  for (const char* state : {"ot=th:8;",
                            "ot=;th:8",
                            "ot=;",
                            "ot=x:1;;th:8",
                            "ot=th:",
                            "ot=th:123456789abcdef",
                            "ot=th:zz",
                            "ot=TH:8",
                            "ot=th:8;TH:8",
                            "ot=th: 8",
                            "ot= th:8",
                            "ot=th:0_8",
                            "ot=th8",
                            "ot=th:zz;th:8",
                            "ot=th:8;th:zz",
                            "ot=th:8;9x:1",
                            "ot=th:8;:1",
                            "ot=th:8;x:a=b",
                            "ot=th:8;x:a:b",
                            "ot=th:8;rv:1234567890abc",
                            "ot=th:8;rv:1234567890abcdef",
                            "ot=th:8;rv:zzzzzzzzzzzzzz",
                            "ot=rv:12345678901234"}) {
    EXPECT_EQ(TraceStateMultiplier(state), std::nullopt) << state;
  }
}

TEST(TraceStateMultiplierTest, AnEntryOfMoreThan256BytesIsUnusable) {
  const std::string filler = "x:" + std::string(249, 'a') + ";";
  ASSERT_EQ((filler + "th:8").size(), 256U);
  EXPECT_THAT(TraceStateMultiplier("ot=" + filler + "th:8"), Optional(2.0));
  EXPECT_EQ(TraceStateMultiplier("ot=x" + filler + "th:8"), std::nullopt);
}

TEST(TraceStateMultiplierTest, ARandomValueRoundsTheMultiplier) {
  // 1 / (1 - 5/16) = 1.4545...: rounded up when the random value lies below the fraction.
  EXPECT_THAT(TraceStateMultiplier("ot=th:5;rv:00000000000000"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:5;rv:74000000000000"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:5;rv:75000000000000"), Optional(1.0));
  EXPECT_THAT(TraceStateMultiplier("ot=rv:FFFFFFFFFFFFFF;th:5"), Optional(1.0));
  // Whole multipliers stay as they are.
  EXPECT_THAT(TraceStateMultiplier("ot=th:8;rv:00000000000000"), Optional(2.0));
  EXPECT_THAT(TraceStateMultiplier("ot=th:0;rv:00000000000000"), Optional(1.0));
}

class SpanMultiplierTest : public ::testing::Test {
 protected:
  // The multiplier of a span whose attribute "rate" is `span`, in a resource where it is
  // `resource`.
  double Get(const SpanMultiplier& multiplier, const Attributes& span,
             const Attributes& resource = {}, const std::string& trace_state = "") {
    const AttributeValues resource_values = resource.Wanted(index_);
    const AttributeValues span_values = span.Wanted(index_);
    TestSpan test_span;
    test_span.trace_state = trace_state;
    rejected_ = 0;
    return multiplier.Get(test_span.View(&span_values), multiplier.FromAttribute(resource_values),
                          &rejected_);
  }
  static Attributes Rate(const AnyValue& value) { return Attributes().Add("rate", value); }

  AttributeIndex index_;
  uint64_t rejected_ = 0;
};

TEST_F(SpanMultiplierTest, IsOneWhenNothingIsConfigured) {
  const SpanMultiplier multiplier("", false, 1e6, &index_);
  EXPECT_FALSE(multiplier.enabled());
  EXPECT_TRUE(index_.empty());
  EXPECT_EQ(Get(multiplier, {}, {}, "ot=th:8"), 1);
}

TEST_F(SpanMultiplierTest, IsTheInverseOfANumericAttribute) {
  const SpanMultiplier multiplier("rate", false, 1e6, &index_);
  EXPECT_TRUE(multiplier.enabled());
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(0.5))), 2);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(0.1))), 10);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(3))), 1.0 / 3);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Int(2))), 0.5);
  EXPECT_EQ(Get(multiplier, {}), 1);
}

TEST_F(SpanMultiplierTest, TheSpanIsAskedBeforeTheResource) {
  const SpanMultiplier multiplier("rate", false, 1e6, &index_);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(0.5)), Rate(AnyValue::Double(0.25))), 2);
  EXPECT_EQ(Get(multiplier, {}, Rate(AnyValue::Double(0.25))), 4);
}

TEST_F(SpanMultiplierTest, UnusableValuesArePassedOver) {
  const SpanMultiplier multiplier("rate", false, 1e6, &index_);
  const double infinity = std::numeric_limits<double>::infinity();
  for (const AnyValue& value :
       {AnyValue(), AnyValue::String("0.5"), AnyValue::Bool(true), AnyValue::Int(0),
        AnyValue::Int(-2), AnyValue::Double(0), AnyValue::Double(-0.5), AnyValue::Double(infinity),
        AnyValue::Double(-infinity), AnyValue::Double(std::nan("")), AnyValue::Double(5e-324),
        AnyValue::Array(""), AnyValue::Bytes("x")}) {
    EXPECT_EQ(Get(multiplier, Rate(value)), 1);
    EXPECT_EQ(Get(multiplier, Rate(value).Add("rate", AnyValue::Double(0.5))), 2);
    EXPECT_EQ(Get(multiplier, Rate(value), Rate(AnyValue::Double(0.25))), 4);
    EXPECT_EQ(Get(multiplier, {}, Rate(value).Add("rate", AnyValue::Double(0.25))), 4);
    EXPECT_EQ(rejected_, 0U);
  }
}

TEST_F(SpanMultiplierTest, AMultiplierOverTheMaximumIsRejectedAndPassedOver) {
  const SpanMultiplier multiplier("rate", true, 1000, &index_);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(1e-3))), 1000);
  EXPECT_EQ(rejected_, 0U);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(1e-4))), 1);
  EXPECT_EQ(rejected_, 1U);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(1e-4)).Add("rate", AnyValue::Double(0.5))), 2);
  EXPECT_EQ(rejected_, 1U);
  EXPECT_EQ(Get(multiplier, {}, Rate(AnyValue::Double(1e-4))), 1);
  EXPECT_EQ(rejected_, 1U);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(0.5)), {}, "ot=th:ffffffff"), 2);
  EXPECT_EQ(rejected_, 1U);
}

TEST_F(SpanMultiplierTest, AUsableTraceStateBeatsTheAttribute) {
  const SpanMultiplier multiplier("rate", true, 1e6, &index_);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(0.25)), {}, "ot=th:8"), 2);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(0.25)), {}, "ot=th:0"), 1);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(0.25)), {}, "ot=th:zz"), 4);
  EXPECT_EQ(Get(multiplier, Rate(AnyValue::Double(0.25)), {}, ""), 4);
}

TEST_F(SpanMultiplierTest, TheTraceStateIsReadOnlyWhenAskedFor) {
  const SpanMultiplier by_attribute("rate", false, 1e6, &index_);
  EXPECT_EQ(Get(by_attribute, {}, {}, "ot=th:8"), 1);
  const SpanMultiplier by_trace_state("", true, 1e6, &index_);
  EXPECT_TRUE(by_trace_state.enabled());
  EXPECT_EQ(Get(by_trace_state, Rate(AnyValue::Double(0.25)), {}, "ot=th:8"), 2);
  EXPECT_EQ(Get(by_trace_state, Rate(AnyValue::Double(0.25)), {}, ""), 1);
}

}  // namespace
}  // namespace spanmeter
