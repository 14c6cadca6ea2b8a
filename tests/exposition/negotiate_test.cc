#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "spanmeter/exposition.h"

namespace spanmeter {
namespace {

constexpr ExpositionFormat kText = ExpositionFormat::kText;
constexpr ExpositionFormat kOpenMetrics = ExpositionFormat::kOpenMetrics;
constexpr ExpositionFormat kProtobuf = ExpositionFormat::kProtobuf;

ExpositionFormat FormatFor(std::string_view accept) { return Negotiate(accept, "").format; }
bool GzipFor(std::string_view accept_encoding) { return Negotiate("", accept_encoding).gzip; }

TEST(NegotiateFormat, AbsentHeaderMeansText) { EXPECT_EQ(FormatFor(""), kText); }

TEST(NegotiateFormat, PrometheusGetsOpenMetrics) {
  EXPECT_EQ(FormatFor("application/openmetrics-text;version=1.0.0,"
                      "application/openmetrics-text;version=0.0.1;q=0.75,"
                      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            kOpenMetrics);
}

TEST(NegotiateFormat, PrometheusWithNativeHistogramsGetsProtobuf) {
  EXPECT_EQ(FormatFor("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                      "encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,"
                      "application/openmetrics-text;version=0.0.1;q=0.75,"
                      "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            kProtobuf);
}

TEST(NegotiateFormat, Prometheus3GetsOpenMetrics) {
  EXPECT_EQ(FormatFor("application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
                      "application/openmetrics-text;version=0.0.1;q=0.5,"
                      "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
                      "text/plain;version=0.0.4;q=0.3,*/*;q=0.2"),
            kOpenMetrics);
}

TEST(NegotiateFormat, BrowsersAndCurlGetText) {
  EXPECT_EQ(FormatFor("*/*"), kText);
  EXPECT_EQ(FormatFor("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"),
            kText);
}

TEST(NegotiateFormat, HigherQualityWins) {
  EXPECT_EQ(FormatFor("application/openmetrics-text;q=0.4, text/plain;q=0.5"), kText);
  EXPECT_EQ(FormatFor("application/openmetrics-text;q=0.501, text/plain;q=0.500"), kOpenMetrics);
}

TEST(NegotiateFormat, AmongEqualsTheFirstListedWins) {
  EXPECT_EQ(FormatFor("application/openmetrics-text, text/plain"), kOpenMetrics);
  EXPECT_EQ(FormatFor("text/plain, application/openmetrics-text"), kText);
  EXPECT_EQ(FormatFor("application/openmetrics-text, */*"), kOpenMetrics);
}

TEST(NegotiateFormat, WildcardsCoverTheirType) {
  EXPECT_EQ(FormatFor("application/*"), kOpenMetrics);
  EXPECT_EQ(FormatFor("text/*;q=0.1"), kText);
  EXPECT_EQ(FormatFor("application/*, text/*;q=0.9"), kOpenMetrics);
}

TEST(NegotiateFormat, SpecificRangeOverridesWildcard) {
  EXPECT_EQ(FormatFor("*/*, application/openmetrics-text;q=0.1, text/plain;q=0.5,"
                      "application/vnd.google.protobuf;q=0"),
            kText);
  EXPECT_EQ(FormatFor("application/openmetrics-text;q=0.2,"
                      "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;q=0.5"),
            kOpenMetrics);
}

TEST(NegotiateFormat, QualityZeroExcludes) {
  EXPECT_EQ(FormatFor("text/plain;q=0, application/openmetrics-text;q=0, */*;q=0.1"), kProtobuf);
  EXPECT_EQ(FormatFor("application/openmetrics-text;q=0.000"), kText);
}

TEST(NegotiateFormat, OtherVersionsAreNotOurs) {
  EXPECT_EQ(FormatFor("application/openmetrics-text;version=2.0.0, text/plain;q=0.1"), kText);
  EXPECT_EQ(FormatFor("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                      "encoding=text, application/openmetrics-text;q=0.1"),
            kOpenMetrics);
  EXPECT_EQ(FormatFor("application/vnd.google.protobuf;proto=other.Message;encoding=delimited"),
            kText);
}

TEST(NegotiateFormat, CaseSpaceAndQuotesDoNotMatter) {
  EXPECT_EQ(FormatFor("  Application/OpenMetrics-Text ; Version=\"1.0.0\" ; Q=1 , text/plain"),
            kOpenMetrics);
  EXPECT_EQ(FormatFor("text/plain;x=\"a,b;q=1\\\",c\";q=0.1, application/openmetrics-text;q=0.2"),
            kOpenMetrics);
}

TEST(NegotiateFormat, MalformedRangesAreLeftOut) {
  EXPECT_EQ(FormatFor("application/openmetrics-text;q=2, text/plain;q=0.1"), kText);
  EXPECT_EQ(FormatFor("application/openmetrics-text;q=, text/plain;q=0.1"), kText);
  EXPECT_EQ(FormatFor("application/openmetrics-text;q=-1"), kText);
  EXPECT_EQ(FormatFor(",,;;,application/openmetrics-text"), kOpenMetrics);
  EXPECT_EQ(FormatFor("application/openmetrics-text;q=0.5x, text/plain;q=0.1"), kText);
}

TEST(NegotiateFormat, GarbageMeansText) {
  EXPECT_EQ(FormatFor("openmetrics"), kText);
  EXPECT_EQ(FormatFor("image/png"), kText);
  EXPECT_EQ(FormatFor("*/plain"), kText);
  EXPECT_EQ(FormatFor("\"unterminated, application/openmetrics-text"), kText);
  EXPECT_EQ(FormatFor("a/b;\"\\"), kText);
  EXPECT_EQ(FormatFor(std::string("\0\xff/\x80;q=\0", 8)), kText);
  EXPECT_EQ(FormatFor(std::string(100'000, ',')), kText);
  EXPECT_EQ(FormatFor(std::string(100'000, ';')), kText);
}

TEST(NegotiateFormat, RangesBeyondTheBoundAreNotRead) {
  std::string accept;
  for (int i = 0; i < 1000; ++i) accept += "a/b,";
  EXPECT_EQ(FormatFor(accept + "application/openmetrics-text"), kText);
}

TEST(NegotiateEncoding, AbsentHeaderMeansNotCompressed) { EXPECT_FALSE(GzipFor("")); }

TEST(NegotiateEncoding, GzipWhereItIsWelcome) {
  EXPECT_TRUE(GzipFor("gzip"));
  EXPECT_TRUE(GzipFor("x-gzip"));
  EXPECT_TRUE(GzipFor("deflate, GZIP;q=0.5, br"));
  EXPECT_TRUE(GzipFor("*"));
  EXPECT_TRUE(GzipFor("gzip, identity"));
  EXPECT_TRUE(GzipFor("gzip;q=0.5, identity;q=0.5"));
  EXPECT_TRUE(GzipFor("identity;q=0, gzip;q=0.001"));
  EXPECT_TRUE(GzipFor("gzip;q=0.5, *;q=0.5"));
  EXPECT_TRUE(GzipFor("gzip;q=0.5, *;q=0"));
}

TEST(NegotiateEncoding, NoGzipWhereItIsNot) {
  EXPECT_FALSE(GzipFor("deflate, br"));
  EXPECT_FALSE(GzipFor("gzip;q=0"));
  EXPECT_FALSE(GzipFor("gzip;q=0, *"));
  EXPECT_FALSE(GzipFor("*;q=0"));
  EXPECT_FALSE(GzipFor("identity, gzip;q=0.9"));
  EXPECT_FALSE(GzipFor("gzip;q=0.5, *"));
  EXPECT_FALSE(GzipFor("gzip;q=abc"));
  EXPECT_FALSE(GzipFor("gzipped"));
}

TEST(ContentType, NamesFormatAndVersion) {
  EXPECT_EQ(ContentType(kText), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(ContentType(kOpenMetrics),
            "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_EQ(ContentType(kProtobuf),
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
            "encoding=delimited");
}

}  // namespace
}  // namespace spanmeter
