#include "spanmeter/filter_policy.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/span_builder.h"

namespace spanmeter {
namespace {

using testing::Attributes;
using ::testing::HasSubstr;
using testing::TestSpan;

FilterMatch Strict(std::vector<FilterAttribute> attributes) {
  return {FilterMatch::Type::kStrict, std::move(attributes)};
}
FilterMatch Regex(std::vector<FilterAttribute> attributes) {
  return {FilterMatch::Type::kRegex, std::move(attributes)};
}
FilterPolicy Include(FilterMatch match) { return {std::move(match), std::nullopt, std::nullopt}; }
FilterPolicy IncludeAny(FilterMatch match) {
  return {std::nullopt, std::move(match), std::nullopt};
}
FilterPolicy Exclude(FilterMatch match) { return {std::nullopt, std::nullopt, std::move(match)}; }

FilterAttribute Is(const std::string& key, const char* value) { return {key, std::string(value)}; }
FilterAttribute Is(const std::string& key, int64_t value) { return {key, value}; }
FilterAttribute Is(const std::string& key, double value) { return {key, value}; }
FilterAttribute Is(const std::string& key, bool value) { return {key, value}; }

// Whether `policies`, which must be valid, let the span in.
bool Accepts(const std::vector<FilterPolicy>& policies, const TestSpan& span,
             const Attributes& resource = {}) {
  AttributeIndex index;
  std::vector<OptionProblem> problems;
  const FilterPolicies compiled(policies, "policies", &index, &problems);
  for (const OptionProblem& problem : problems) {
    ADD_FAILURE() << problem.path << ": " << problem.problem;
  }
  const AttributeValues resource_values = resource.Wanted(index);
  const AttributeValues span_values = span.attributes.Wanted(index);
  FilterPolicies::ResourceVerdicts verdicts;
  verdicts.StartResource(compiled, &resource_values);
  const bool accepted = compiled.Accepts(span.View(&span_values), &verdicts);
  // The verdicts that are known now must not change the answer.
  EXPECT_EQ(compiled.Accepts(span.View(&span_values), &verdicts), accepted);
  return accepted;
}

TestSpan Named(const std::string& name) {
  TestSpan span;
  span.name = name;
  return span;
}
TestSpan OfKind(int32_t kind) {
  TestSpan span;
  span.kind = kind;
  return span;
}
TestSpan WithStatus(int32_t status) {
  TestSpan span;
  span.status_code = status;
  return span;
}
TestSpan With(const std::string& key, const AnyValue& value) {
  TestSpan span;
  span.attributes.Add(key, value);
  return span;
}

TEST(FilterPolicyTest, WithoutPoliciesEverySpanIsIn) {
  EXPECT_TRUE(Accepts({}, TestSpan()));
  AttributeIndex index;
  std::vector<OptionProblem> problems;
  EXPECT_TRUE(FilterPolicies({}, "p", &index, &problems).empty());
  EXPECT_FALSE(FilterPolicies({Exclude(Strict({}))}, "p", &index, &problems).empty());
}

TEST(FilterPolicyTest, KindIsComparedByName) {
  const std::vector<FilterPolicy> policies = {Include(Strict({Is("kind", "SPAN_KIND_SERVER")}))};
  EXPECT_TRUE(Accepts(policies, OfKind(kSpanKindServer)));
  EXPECT_FALSE(Accepts(policies, OfKind(kSpanKindClient)));
  EXPECT_FALSE(Accepts(policies, OfKind(99)));
  EXPECT_FALSE(Accepts(policies, OfKind(-1)));
}

TEST(FilterPolicyTest, StatusIsComparedByName) {
  const std::vector<FilterPolicy> policies = {Include(Strict({Is("status", "STATUS_CODE_ERROR")}))};
  EXPECT_TRUE(Accepts(policies, WithStatus(kStatusCodeError)));
  EXPECT_FALSE(Accepts(policies, WithStatus(kStatusCodeOk)));
}

TEST(FilterPolicyTest, RegexesMatchEnumNamesAndUnknownNumbersInDecimal) {
  const std::vector<FilterPolicy> status = {Include(Regex({Is("status", "_(UNSET|OK)$")}))};
  EXPECT_TRUE(Accepts(status, WithStatus(kStatusCodeUnset)));
  EXPECT_TRUE(Accepts(status, WithStatus(kStatusCodeOk)));
  EXPECT_FALSE(Accepts(status, WithStatus(kStatusCodeError)));
  const std::vector<FilterPolicy> kind = {Include(Regex({Is("kind", "^-?9+$")}))};
  EXPECT_TRUE(Accepts(kind, OfKind(99)));
  EXPECT_TRUE(Accepts(kind, OfKind(-9)));
  EXPECT_FALSE(Accepts(kind, OfKind(kSpanKindServer)));
}

TEST(FilterPolicyTest, RegexesAreNotAnchored) {
  const std::vector<FilterPolicy> policies = {Include(Regex({Is("name", "GET")})),
                                              Exclude(Regex({Is("name", "/health$")}))};
  EXPECT_TRUE(Accepts(policies, Named("TARGET")));
  EXPECT_TRUE(Accepts(policies, Named("GET /")));
  EXPECT_FALSE(Accepts(policies, Named("GET /health")));
  EXPECT_FALSE(Accepts(policies, Named("POST /")));
}

TEST(FilterPolicyTest, RegexesHaveTheSyntaxOfRe2) {
  const std::vector<FilterPolicy> policies = {IncludeAny(Regex({Is("name", "(?i)^post")})),
                                              IncludeAny(Regex({Is("name", "\\d{3}$")})),
                                              IncludeAny(Regex({Is("name", "^\\p{Cyrillic}+$")})),
                                              IncludeAny(Regex({Is("name", "(?m)^line2$")}))};
  EXPECT_TRUE(Accepts(policies, Named("POST /x")));
  EXPECT_TRUE(Accepts(policies, Named("code 404")));
  EXPECT_TRUE(Accepts(policies, Named("привет")));
  EXPECT_TRUE(Accepts(policies, Named("line1\nline2")));
  EXPECT_FALSE(Accepts(policies, Named("привет!")));
}

TEST(FilterPolicyTest, RegexesSeeOnlyStrings) {
  const std::vector<FilterPolicy> policies = {Include(Regex({Is("span.v", ".*")}))};
  EXPECT_TRUE(Accepts(policies, With("v", AnyValue::String("x"))));
  EXPECT_TRUE(Accepts(policies, With("v", AnyValue::String(""))));
  for (const AnyValue& value : {AnyValue(), AnyValue::Int(1), AnyValue::Double(1),
                                AnyValue::Bool(true), AnyValue::Bytes("x"), AnyValue::Array("")}) {
    EXPECT_FALSE(Accepts(policies, With("v", value)));
  }
  EXPECT_FALSE(Accepts(policies, TestSpan()));
}

TEST(FilterPolicyTest, StrictComparesTypeAndValue) {
  const std::vector<AnyValue> values = {
      AnyValue::Int(0),      AnyValue::Int(1),     AnyValue::Double(0),  AnyValue::Double(1),
      AnyValue::Bool(false), AnyValue::Bool(true), AnyValue::String(""), AnyValue::String("1"),
      AnyValue::Bytes(""),   AnyValue::Array(""),  AnyValue::Bytes("1"), AnyValue(),
      AnyValue::String("0")};
  const std::vector<std::pair<FilterAttribute, size_t>> conditions = {
      {Is("span.v", int64_t{0}), 0}, {Is("span.v", int64_t{1}), 1}, {Is("span.v", 0.0), 2},
      {Is("span.v", 1.0), 3},        {Is("span.v", false), 4},      {Is("span.v", true), 5},
      {Is("span.v", ""), 6},         {Is("span.v", "1"), 7}};
  for (const auto& [condition, matching] : conditions) {
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(Accepts({Include(Strict({condition}))}, With("v", values[i])), i == matching)
          << "condition " << matching << ", value " << i;
    }
  }
}

TEST(FilterPolicyTest, ScopesAreDistinctAndMissingAttributesDoNotMatch) {
  const std::vector<FilterPolicy> policies = {Exclude(Strict({Is("span.tier", "dev")})),
                                              Exclude(Strict({Is("resource.team", "x")}))};
  EXPECT_TRUE(Accepts(policies, TestSpan()));
  EXPECT_FALSE(Accepts(policies, With("tier", AnyValue::String("dev"))));
  EXPECT_TRUE(Accepts(policies, TestSpan(), {{"tier", "dev"}}));
  EXPECT_FALSE(Accepts(policies, TestSpan(), {{"team", "x"}}));
  EXPECT_TRUE(Accepts(policies, With("team", AnyValue::String("x"))));
}

TEST(FilterPolicyTest, OfDuplicateKeysTheFirstCounts) {
  const std::vector<FilterPolicy> policies = {Include(Strict({Is("span.v", "b")}))};
  TestSpan span;
  span.attributes.Add("v", "a").Add("v", "b");
  EXPECT_FALSE(Accepts(policies, span));
}

TEST(FilterPolicyTest, AllAttributesOfAMatchMustMatch) {
  const std::vector<FilterPolicy> policies = {
      Exclude(Strict({Is("span.a", "1"), Is("span.b", "2")}))};
  TestSpan both;
  both.attributes.Add("a", "1").Add("b", "2");
  EXPECT_FALSE(Accepts(policies, both));
  EXPECT_TRUE(Accepts(policies, With("a", AnyValue::String("1"))));
  EXPECT_TRUE(Accepts(policies, With("b", AnyValue::String("2"))));
}

TEST(FilterPolicyTest, AMatchWithoutAttributesMatchesEverySpan) {
  EXPECT_TRUE(Accepts({Include(Strict({}))}, TestSpan()));
  EXPECT_FALSE(Accepts({Exclude(Regex({}))}, TestSpan()));
}

// Every combination of what the lists of policies say against the rule as it is documented.
TEST(FilterPolicyTest, ExcludeBeatsIncludeAnyBeatsInclude) {
  for (int bits = 0; bits < 64; ++bits) {
    const bool has_exclude = (bits & 1) != 0;
    const bool excluded = (bits & 2) != 0;
    const bool has_any = (bits & 4) != 0;
    const bool any = (bits & 8) != 0;
    const bool has_include = (bits & 16) != 0;
    const bool included = (bits & 32) != 0;
    TestSpan span;
    if (excluded) span.attributes.Add("x", "1");
    if (any) span.attributes.Add("y", "1");
    if (included) span.attributes.Add("z", "1");
    std::vector<FilterPolicy> policies;
    // The order of the policies must not matter.
    if (has_include) policies.push_back(Include(Strict({Is("span.z", "1")})));
    if (has_include) policies.push_back(Include(Strict({Is("name", "GET /")})));
    if (has_any) policies.push_back(IncludeAny(Strict({Is("name", "never")})));
    if (has_any) policies.push_back(IncludeAny(Strict({Is("span.y", "1")})));
    if (has_exclude) policies.push_back(Exclude(Strict({Is("name", "never")})));
    if (has_exclude) policies.push_back(Exclude(Strict({Is("span.x", "1")})));
    bool expected = !has_any;
    if (has_include) expected = included;
    if (has_any && any) expected = true;
    if (has_exclude && excluded) expected = false;
    EXPECT_EQ(Accepts(policies, span), expected) << bits;
  }
}

TEST(FilterPolicyTest, OnePolicyMayHaveAllParts) {
  FilterPolicy policy;
  policy.include = Strict({Is("span.in", "1")});
  policy.include_any = Strict({Is("span.any", "1")});
  policy.exclude = Strict({Is("span.out", "1")});
  EXPECT_TRUE(Accepts({policy}, With("in", AnyValue::String("1"))));
  EXPECT_TRUE(Accepts({policy}, With("any", AnyValue::String("1"))));
  TestSpan excluded = With("any", AnyValue::String("1"));
  excluded.attributes.Add("out", "1");
  EXPECT_FALSE(Accepts({policy}, excluded));
  EXPECT_FALSE(Accepts({policy}, TestSpan()));
}

TEST(FilterPolicyTest, VerdictsAboutAResourceEndWithIt) {
  AttributeIndex index;
  std::vector<OptionProblem> problems;
  const FilterPolicies policies({Include(Regex({Is("resource.location", "eu-")}))}, "p", &index,
                                &problems);
  FilterPolicies::ResourceVerdicts verdicts;
  const TestSpan span;
  const AttributeValues none = span.attributes.Wanted(index);
  const Attributes eu_attributes = {{"location", "eu-1"}};
  const Attributes us_attributes = {{"location", "us-1"}};
  const AttributeValues eu = eu_attributes.Wanted(index);
  const AttributeValues us = us_attributes.Wanted(index);
  verdicts.StartResource(policies, &eu);
  EXPECT_TRUE(policies.Accepts(span.View(&none), &verdicts));
  verdicts.StartResource(policies, &us);
  EXPECT_FALSE(policies.Accepts(span.View(&none), &verdicts));
}

TEST(FilterKeyTest, KeysAreScopedAttributesOrIntrinsics) {
  const auto parse = [](std::string_view text) {
    FilterKey key;
    EXPECT_EQ(ParseFilterKey(text, &key), "") << text;
    return std::pair(key.subject, key.attribute);
  };
  using Subject = FilterSubject;
  EXPECT_EQ(parse("name"), std::pair(Subject::kName, std::string()));
  EXPECT_EQ(parse("kind"), std::pair(Subject::kKind, std::string()));
  EXPECT_EQ(parse("status"), std::pair(Subject::kStatus, std::string()));
  EXPECT_EQ(parse("span:name"), std::pair(Subject::kName, std::string()));
  EXPECT_EQ(parse("span:kind"), std::pair(Subject::kKind, std::string()));
  EXPECT_EQ(parse("span:status"), std::pair(Subject::kStatus, std::string()));
  EXPECT_EQ(parse("span.name"), std::pair(Subject::kSpanAttribute, std::string("name")));
  EXPECT_EQ(parse("span.http.method"),
            std::pair(Subject::kSpanAttribute, std::string("http.method")));
  EXPECT_EQ(parse("resource.service.name"),
            std::pair(Subject::kResourceAttribute, std::string("service.name")));
}

TEST(FilterKeyTest, AttributesMayBeQuotedInPartOrWhole) {
  const auto attribute = [](std::string_view text) {
    FilterKey key;
    EXPECT_EQ(ParseFilterKey(text, &key), "") << text;
    return key.attribute;
  };
  EXPECT_EQ(attribute("span.\"http.method\""), "http.method");
  EXPECT_EQ(attribute("resource.\"a b\""), "a b");
  EXPECT_EQ(attribute("span.http.\"status code\".x"), "http.status code.x");
  EXPECT_EQ(attribute("span.\"a \\\"b\\\" \\\\ \\c\""), "a \"b\" \\ \\c");
}

TEST(FilterKeyTest, RefusesKeysThatDoNotSayWhereToLook) {
  for (const char* text : {"foo.bar", "", ".foo", "Name", "spanx.a", "parent.a", "event.a"}) {
    FilterKey key;
    EXPECT_THAT(ParseFilterKey(text, &key), HasSubstr("does not say where to look")) << text;
  }
  FilterKey key;
  EXPECT_THAT(ParseFilterKey("span:duration", &key), HasSubstr("is none of span:name"));
  EXPECT_THAT(ParseFilterKey("span.", &key), HasSubstr("names no attribute"));
  EXPECT_THAT(ParseFilterKey("resource.\"\"", &key), HasSubstr("names no attribute"));
  EXPECT_THAT(ParseFilterKey("span.\"open", &key), HasSubstr("a quote that is not closed"));
}

// The problems of `policies` as "path: problem".
std::vector<std::string> Problems(const std::vector<FilterPolicy>& policies) {
  AttributeIndex index;
  std::vector<OptionProblem> problems;
  const FilterPolicies compiled(policies, "policies", &index, &problems);
  std::vector<std::string> lines;
  for (const OptionProblem& problem : problems) {
    lines.push_back(problem.path + ": " + problem.problem);
  }
  return lines;
}

TEST(FilterPolicyTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(Problems({Include(Strict({Is("name", "a"), Is("foo", "b")}))}),
              ::testing::ElementsAre(
                  HasSubstr("policies[0].include.attributes[1].key: \"foo\" does not say where to "
                            "look; write span.ATTRIBUTE")));
  EXPECT_THAT(Problems({FilterPolicy(), Exclude(Regex({Is("span.a", int64_t{200})}))}),
              ::testing::ElementsAre(
                  HasSubstr("policies[0]: a filter policy must have at least one of"),
                  HasSubstr("policies[1].exclude.attributes[0].value: a regular expression must "
                            "be a string")));
  EXPECT_THAT(Problems({IncludeAny(Regex({Is("span.a", "(")}))}),
              ::testing::ElementsAre(
                  HasSubstr("policies[0].include_any.attributes[0].value: cannot compile the "
                            "regular expression \"(\": missing )")));
}

TEST(FilterPolicyTest, RefusesIntrinsicValuesThatNoSpanCanHave) {
  EXPECT_THAT(Problems({Include(Strict({Is("kind", "server")}))}),
              ::testing::ElementsAre(
                  HasSubstr("\"server\" is no kind; it must be one of SPAN_KIND_UNSPECIFIED, ")));
  EXPECT_THAT(Problems({Include(Strict({Is("span:status", int64_t{2})}))}),
              ::testing::ElementsAre(
                  HasSubstr("\"span:status\" is compared with a string: one of STATUS_CODE_UNSET, "
                            "STATUS_CODE_OK or STATUS_CODE_ERROR")));
  EXPECT_THAT(Problems({Include(Strict({Is("name", true)}))}),
              ::testing::ElementsAre(HasSubstr("quote the value")));
  EXPECT_THAT(Problems({Include(Regex({Is("kind", "server")})),
                        Include(Strict({Is("name", "x"), Is("span.kind", int64_t{1})}))}),
              ::testing::IsEmpty());
}

}  // namespace
}  // namespace spanmeter
