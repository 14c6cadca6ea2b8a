#include "processors/label_name.h"

#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

std::string Sanitized(std::string_view key) {
  std::string out;
  AppendSanitized(key, &out);
  return out;
}

const MetricNames& kTempo = NamesOf(Naming::kTempo);
const MetricNames& kOtel = NamesOf(Naming::kOtel);

TEST(LabelNameTest, CharactersThatLabelNamesMayNotHoldBecomeUnderscores) {
  EXPECT_EQ(Sanitized("http.method"), "http_method");
  EXPECT_EQ(Sanitized("x-request-id"), "x_request_id");
  EXPECT_EQ(Sanitized("a/b\\c"), "a_b_c");
  EXPECT_EQ(Sanitized("with space"), "with_space");
  EXPECT_EQ(Sanitized("a:b"), "a_b");
  EXPECT_EQ(Sanitized("trailing."), "trailing_");
  EXPECT_EQ(Sanitized("@"), "_");
  EXPECT_EQ(Sanitized("UPPER_lower_09"), "UPPER_lower_09");
  EXPECT_EQ(Sanitized(""), "");
}

TEST(LabelNameTest, EachCharacterBecomesOneUnderscore) {
  EXPECT_EQ(Sanitized("naïve"), "na_ve");
  EXPECT_EQ(Sanitized("ключ"), "____");
  EXPECT_EQ(Sanitized("emoji😀☃"), "emoji__");
  EXPECT_EQ(Sanitized("e\u0301"), "e_");
}

TEST(LabelNameTest, EachByteThatIsNotUtf8BecomesOneUnderscore) {
  EXPECT_EQ(Sanitized("a\xff\xfe"), "a__");
  EXPECT_EQ(Sanitized("\xe2\x98z"), "__z");
  EXPECT_EQ(Sanitized("\xed\xa0\x80"), "___");
}

TEST(LabelNameTest, NamesAreAppended) {
  std::string out = "client_";
  AppendSanitized("1.2", &out);
  EXPECT_EQ(out, "client_1_2");
}

TEST(LabelNameTest, DimensionsThatWouldBeginWithADigitGetAnUnderscore) {
  EXPECT_EQ(DimensionLabelName("1st", kTempo), "_1st");
  EXPECT_EQ(DimensionLabelName("9 lives", kTempo), "_9_lives");
  EXPECT_EQ(DimensionLabelName("_9", kTempo), "_9");
}

TEST(LabelNameTest, DimensionsNamedLikeAnIntrinsicLabelGetAPrefix) {
  for (const char* name : {"service", "span_name", "span_kind", "status_code", "status_message"}) {
    EXPECT_TRUE(IsIntrinsicLabel(name, kTempo));
    EXPECT_EQ(DimensionLabelName(name, kTempo), std::string("__") + name);
  }
  EXPECT_EQ(DimensionLabelName("span.kind", kTempo), "__span_kind");
  EXPECT_EQ(DimensionLabelName("service.name", kTempo), "service_name");
  EXPECT_EQ(DimensionLabelName("job", kTempo), "job");
  EXPECT_EQ(DimensionLabelName("instance", kTempo), "instance");
}

TEST(LabelNameTest, WithTheCollectorsNamesItsOwnLabelsGetThePrefix) {
  for (const char* name :
       {"service_name", "span_name", "span_kind", "status_code", "status_message"}) {
    EXPECT_TRUE(IsIntrinsicLabel(name, kOtel));
    EXPECT_EQ(DimensionLabelName(name, kOtel), std::string("__") + name);
  }
  EXPECT_EQ(DimensionLabelName("service.name", kOtel), "__service_name");
  EXPECT_EQ(DimensionLabelName("service", kOtel), "service");
  EXPECT_EQ(DimensionLabelName("http.method", kOtel), "http_method");
}

// As the Collector's pkg/translator/prometheus documents it.
TEST(LabelNameTest, WithTheCollectorsNamesLabelsBeginWithALetterOrTwoUnderscores) {
  EXPECT_EQ(DimensionLabelName("1st", kOtel), "key_1st");
  EXPECT_EQ(DimensionLabelName("_9", kOtel), "key_9");
  EXPECT_EQ(DimensionLabelName(".hidden", kOtel), "key_hidden");
  EXPECT_EQ(DimensionLabelName("__x", kOtel), "__x");
}

TEST(LabelNameTest, KnowsTheReservedNames) {
  EXPECT_TRUE(IsReservedLabel("le"));
  EXPECT_TRUE(IsReservedLabel("__name__"));
  EXPECT_TRUE(IsReservedLabel("metric_overflow"));
  EXPECT_FALSE(IsReservedLabel("quantile"));
  EXPECT_FALSE(IsReservedLabel("LE"));
}

}  // namespace
}  // namespace spanmeter
