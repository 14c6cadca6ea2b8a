#include "admin/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::optional<ApiRequest> Parse(std::string_view path, std::string_view query = {}) {
  std::string problem;
  auto request = ApiRequest::Parse(path, query, &problem);
  EXPECT_NE(request.has_value(), !problem.empty());
  return request;
}

TEST(ApiRequestTest, SegmentsAreDecodedOnceAfterTheyWereSplit) {
  EXPECT_THAT(Parse("tenants/a%2Fb/%2525/x+y")->segments(),
              ElementsAre("tenants", "a/b", "%25", "x+y"));
  EXPECT_THAT(Parse("overview/")->segments(), ElementsAre("overview", ""));
  EXPECT_THAT(Parse("")->segments(), ElementsAre(""));
}

TEST(ApiRequestTest, ParametersAreDecodedAndPlusIsASpace) {
  const auto request = Parse("x", "match=%7Ba%3D%22b%26c%22%7D&&empty&e=&plus=a+b%2B");
  EXPECT_EQ(*request->Get("match"), R"({a="b&c"})");
  EXPECT_EQ(*request->Get("empty"), "");
  EXPECT_EQ(*request->Get("e"), "");
  EXPECT_EQ(*request->Get("plus"), "a b+");
  EXPECT_EQ(request->Get("nothing"), nullptr);
}

TEST(ApiRequestTest, WhatIsNoPercentEncodedUtf8IsRefused) {
  for (const char* text : {"%", "%a", "%zz", "%-1", "%ff", "%c0%80", "%ed%a0%80", "%f4%90%80%80",
                           "%e2%82", "%80", "\xff", "%f5%80%80%80", "%e0%9f%bf"}) {
    EXPECT_FALSE(Parse(text)) << text;
    EXPECT_FALSE(Parse("x", "a=" + std::string(text))) << text;
    EXPECT_FALSE(Parse("x", std::string(text) + "=a")) << text;
  }
  for (const char* text :
       {"%e2%82%ac", "%f0%9f%9b%92", "%ed%9f%bf", "%f4%8f%bf%bf", "%00", "%7f"}) {
    EXPECT_TRUE(Parse(text)) << text;
  }
}

TEST(ApiRequestTest, ThereAreNotAnyNumberOfParameters) {
  std::string query = "a=1";
  for (int i = 1; i < 64; ++i) query += "&a=1";
  EXPECT_TRUE(Parse("x", query));
  EXPECT_FALSE(Parse("x", query + "&a=1"));
}

TEST(ApiRequestTest, UnknownAndRepeatedNamesAreNamedWhenTheyAreHarmless) {
  EXPECT_EQ(Parse("x", "limit=1&add=a&add=b")->CheckNames({"limit", "add"}, "add"), "");
  EXPECT_THAT(Parse("x", "limits=1")->CheckNames({"limit", "cursor"}),
              HasSubstr("\"limits\" is unknown here: there are limit, cursor"));
  EXPECT_THAT(Parse("x", "<b>=1")->CheckNames({}),
              HasSubstr("a parameter is unknown here: there are no parameters"));
  EXPECT_THAT(Parse("x", "limit=1&limit=1")->CheckNames({"limit"}), HasSubstr("more than once"));
}

TEST(ApiRequestTest, IntegersHaveBounds) {
  for (const char* text :
       {"0", "1001", "-1", "1.5", "", "+1", "1 ", "0x1", "18446744073709551617"}) {
    uint64_t limit = 7;
    EXPECT_EQ(Parse("x", "limit=" + std::string(text))->ReadLimit(&limit),
              "limit must be an integer from 1 to 1000")
        << text;
    EXPECT_EQ(limit, 7u);
  }
  uint64_t limit = 7;
  EXPECT_EQ(Parse("x", "limit=1000")->ReadLimit(&limit), "");
  EXPECT_EQ(limit, 1000u);
  EXPECT_EQ(Parse("x")->ReadLimit(&limit), "");
  EXPECT_EQ(limit, 1000u);
}

}  // namespace
}  // namespace spanmeter
