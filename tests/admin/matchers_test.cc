#include "admin/matchers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::HasSubstr;

bool Matches(std::string_view selector, std::string_view labels) {
  std::string problem;
  auto parsed = SeriesSelector::Parse(selector, &problem);
  EXPECT_TRUE(parsed) << selector << ": " << problem;
  return parsed && parsed->MatchesLabels(labels);
}

bool MatchesMetric(std::string_view selector, const std::string& name,
                   MetricType type = MetricType::kCounter) {
  std::string problem;
  auto parsed = SeriesSelector::Parse(selector, &problem);
  EXPECT_TRUE(parsed) << selector << ": " << problem;
  MetricInfo metric;
  metric.name = name;
  metric.type = type;
  return parsed && parsed->MatchesMetric(metric);
}

std::string Problem(std::string_view selector) {
  std::string problem;
  EXPECT_FALSE(SeriesSelector::Parse(selector, &problem)) << selector;
  return problem;
}

constexpr char kLabels[] = R"(a="one",b="x\"y\\z\nw",empty_not="e")";

TEST(SeriesSelectorTest, EqualityIsOfTheWholeValue) {
  EXPECT_TRUE(Matches(R"({a="one"})", kLabels));
  EXPECT_FALSE(Matches(R"({a="on"})", kLabels));
  EXPECT_FALSE(Matches(R"({a!="one"})", kLabels));
  EXPECT_TRUE(Matches(R"({a!="two"})", kLabels));
  EXPECT_FALSE(Matches(R"({a="one",empty_not="x"})", kLabels));
  EXPECT_TRUE(Matches(R"( { a = "one" , empty_not = "e" , } )", kLabels));
}

TEST(SeriesSelectorTest, RegularExpressionsMatchTheWholeValueAndAnyCharacter) {
  EXPECT_TRUE(Matches(R"({a=~"o.*"})", kLabels));
  EXPECT_FALSE(Matches(R"({a=~"o"})", kLabels));
  EXPECT_FALSE(Matches(R"({a=~"o|n"})", kLabels));
  EXPECT_TRUE(Matches(R"({a=~"two|one"})", kLabels));
  EXPECT_FALSE(Matches(R"({a!~"o.*"})", kLabels));
  EXPECT_TRUE(Matches(R"({a!~"o"})", kLabels));
  EXPECT_TRUE(Matches(R"({b=~"x.*w"})", kLabels));  // over the line break
}

TEST(SeriesSelectorTest, AMissingLabelIsEmpty) {
  EXPECT_TRUE(Matches(R"({missing=""})", kLabels));
  EXPECT_FALSE(Matches(R"({missing!=""})", kLabels));
  EXPECT_TRUE(Matches(R"({missing=~".*"})", kLabels));
  EXPECT_FALSE(Matches(R"({missing=~".+"})", kLabels));
  EXPECT_TRUE(Matches(R"({missing!="x"})", kLabels));
  EXPECT_FALSE(Matches(R"({a=""})", kLabels));
}

TEST(SeriesSelectorTest, ValuesAreComparedUnescaped) {
  EXPECT_TRUE(Matches(R"({b="x\"y\\z\nw"})", kLabels));
  EXPECT_TRUE(Matches(R"({b='x"y\\z\nw'})", kLabels));
  EXPECT_TRUE(Matches("{b=`x\"y\\z\nw`}", kLabels));
  EXPECT_TRUE(Matches(R"({b!="x",b=~"x.*",b!~"y"})", kLabels));
}

TEST(SeriesSelectorTest, EscapesAreThoseOfGo) {
  EXPECT_TRUE(Matches(R"({a="\u00e4\U0001f6d2\u20ac\u0041"})", "a=\"ä🛒€A\""));
  EXPECT_TRUE(Matches(R"({a="\x41\102\xc3\244"})", "a=\"ABä\""));
  EXPECT_THAT(Problem(R"({a="\400"})"), HasSubstr("escape"));
  EXPECT_THAT(Problem(R"({a="\18"})"), HasSubstr("escape"));
  EXPECT_THAT(Problem(R"({a="\x"})"), HasSubstr("escape"));
  EXPECT_THAT(Problem(R"({a="\ud800"})"), HasSubstr("escape"));
  EXPECT_THAT(Problem(R"({a="\u00g0"})"), HasSubstr("escape"));
  EXPECT_THAT(Problem(R"({a="\U00110000"})"), HasSubstr("escape"));
}

TEST(SeriesSelectorTest, TheMetricStandsBeforeTheBraceOrInName) {
  EXPECT_TRUE(MatchesMetric("calls_total", "calls_total"));
  EXPECT_TRUE(MatchesMetric("calls_total{}", "calls_total"));
  EXPECT_FALSE(MatchesMetric("calls", "calls_total"));
  EXPECT_TRUE(MatchesMetric(R"({__name__=~"calls.*"})", "calls_total"));
  EXPECT_FALSE(MatchesMetric(R"({__name__!="calls_total"})", "calls_total"));
  EXPECT_FALSE(MatchesMetric(R"(calls_total{__name__="other"})", "calls_total"));
  EXPECT_TRUE(MatchesMetric("", "calls_total"));
  EXPECT_TRUE(MatchesMetric("{}", "calls_total"));
  EXPECT_TRUE(MatchesMetric(R"({a="b"})", "calls_total"));
}

TEST(SeriesSelectorTest, AHistogramIsFoundUnderTheNamesOfItsParts) {
  for (const char* part : {"latency", "latency_bucket", "latency_count", "latency_sum"}) {
    EXPECT_TRUE(MatchesMetric(part, "latency", MetricType::kHistogram)) << part;
  }
  EXPECT_FALSE(MatchesMetric("latency_max", "latency", MetricType::kHistogram));
  EXPECT_FALSE(MatchesMetric("latency_sum", "latency"));
}

TEST(SeriesSelectorTest, WhatCannotBeReadIsSaidWithItsPlace) {
  EXPECT_THAT(Problem("{a=b}"), HasSubstr("at byte 4: a quoted value"));
  EXPECT_THAT(Problem("{a"), HasSubstr("=, !=, =~ or !~"));
  EXPECT_THAT(Problem("{a=\"b\""), HasSubstr("a comma or }"));
  EXPECT_THAT(Problem("{a=\"b"), HasSubstr("ends within a quoted value"));
  EXPECT_THAT(Problem("{a=\"b\"} x"), HasSubstr("the end was expected"));
  EXPECT_THAT(Problem("{1=\"b\"}"), HasSubstr("a label name or }"));
  EXPECT_THAT(Problem("{a:b=\"c\"}"), HasSubstr("=, !=, =~ or !~"));
  EXPECT_THAT(Problem("{"), HasSubstr("a label name or }"));
  EXPECT_THAT(Problem("{a=~\"(\"}"), HasSubstr("cannot be used"));
  EXPECT_THAT(Problem("{a=\"b\\"), HasSubstr("escape"));
}

TEST(SeriesSelectorTest, SizesAreBounded) {
  const auto regex = [](size_t size) { return "{a=~\"" + std::string(size, 'x') + "\"}"; };
  EXPECT_FALSE(Matches(regex(1024), kLabels));
  EXPECT_THAT(Problem(regex(1025)), HasSubstr("longer than 1024"));
  EXPECT_THAT(Problem("{a=\"" + std::string(4096, 'x') + "\"}"), HasSubstr("longer than 4096"));
  std::string many = "{";
  for (int i = 0; i < 32; ++i) many += "a=\"one\",";
  EXPECT_TRUE(Matches(many + "}", kLabels));
  EXPECT_THAT(Problem(many + "a=\"one\"}"), HasSubstr("more than 32"));
  // Too large once it is compiled.
  EXPECT_THAT(Problem("{a=~\"((x{100}){100}){10}\"}"), HasSubstr("cannot be used"));
}

}  // namespace
}  // namespace spanmeter
