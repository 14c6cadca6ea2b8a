#include "otlp/http_cors.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/http_server_fixture.h"

namespace spanmeter {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::HttpAnswer;
using testing::HttpClient;
using ::testing::Not;

bool Allows(const std::string& pattern, const std::string& origin) {
  CorsOptions options;
  options.allowed_origins = {pattern};
  return CorsPolicy(options).FieldsFor(origin).find("Access-Control-Allow-Origin: " + origin +
                                                    "\r\n") != std::string::npos;
}

TEST(CorsPolicyTest, OriginsAreComparedWithPatterns) {
  EXPECT_TRUE(Allows("*", "https://example.com"));
  EXPECT_TRUE(Allows("https://example.com", "https://example.com"));
  EXPECT_TRUE(Allows("https://Example.com", "https://example.com"));
  EXPECT_TRUE(Allows("https://*.example.com", "https://a.b.example.com"));
  EXPECT_TRUE(Allows("http://localhost:*", "http://localhost:3000"));
  EXPECT_FALSE(Allows("https://example.com", "https://example.com.evil.net"));
  EXPECT_FALSE(Allows("https://example.com", "http://example.com"));
  EXPECT_FALSE(Allows("https://*.example.com", "https://example.com"));
  EXPECT_FALSE(Allows("https://*.example.com", "https://a.example.com:8443"));
  EXPECT_FALSE(Allows("https://*.example.com", "null"));
  EXPECT_FALSE(Allows("*", ""));
}

TEST(CorsPolicyTest, WithoutOriginsNothingIsSaid) {
  const CorsPolicy policy((CorsOptions()));
  EXPECT_FALSE(policy.enabled());
  EXPECT_EQ("", policy.FieldsFor("https://example.com"));
}

TEST(CorsPolicyTest, CachesAreToldThatAnswersDependOnTheOrigin) {
  CorsOptions options;
  options.allowed_origins = {"https://a.example"};
  EXPECT_EQ("Vary: Origin\r\n", CorsPolicy(options).FieldsFor("https://b.example"));
}

TEST(CorsPolicyTest, HeadersAreThoseOfOtlpAndTheConfiguredOnes) {
  CorsOptions options;
  options.allowed_origins = {"*"};
  EXPECT_THAT(CorsPolicy(options).PreflightFieldsFor("https://a.example", "x-own"),
              AllOf(HasSubstr("Access-Control-Allow-Methods: POST\r\n"),
                    HasSubstr("Access-Control-Allow-Headers: Content-Type, Content-Encoding, "
                              "X-Requested-With\r\n"),
                    Not(HasSubstr("Max-Age"))));
  options.allowed_headers = {"X-Scope-OrgID"};
  options.max_age = 7200 * kNanosPerSecond;
  EXPECT_THAT(CorsPolicy(options).PreflightFieldsFor("https://a.example", "x-own"),
              AllOf(HasSubstr("X-Requested-With, X-Scope-OrgID\r\n"),
                    HasSubstr("Access-Control-Max-Age: 7200\r\n")));
  options.allowed_headers = {"*"};
  EXPECT_THAT(CorsPolicy(options).PreflightFieldsFor("https://a.example", "x-own, x-other"),
              HasSubstr("Access-Control-Allow-Headers: x-own, x-other\r\n"));
  EXPECT_THAT(CorsPolicy(options).PreflightFieldsFor("https://a.example", "x-own\rSet-Cookie: a"),
              Not(HasSubstr("Set-Cookie")));
}

class HttpCorsTest : public testing::HttpServerFixture {
 protected:
  static std::string Preflight(const std::string& origin) {
    return "OPTIONS /v1/traces HTTP/1.1\r\nHost: x\r\nOrigin: " + origin +
           "\r\nAccess-Control-Request-Method: POST\r\n"
           "Access-Control-Request-Headers: content-type\r\n\r\n";
  }
};

TEST_F(HttpCorsTest, ABrowsersQuestionNeedsNoToken) {
  const std::string file = ::testing::TempDir() + "cors_token";
  FILE* const out = fopen(file.c_str(), "w");
  fputs("0123456789abcdef0123\n", out);
  fclose(out);
  options_.tokens = {{file, ""}};
  options_.cors.allowed_origins = {"https://shop.example"};
  Start();
  HttpClient client(address());
  client.Send(Preflight("https://shop.example"));
  HttpAnswer answer = client.Receive();
  EXPECT_EQ(204, answer.status);
  EXPECT_EQ("https://shop.example", answer.fields.at("access-control-allow-origin"));
  EXPECT_EQ("POST", answer.fields.at("access-control-allow-methods"));
  client.Send(Preflight("https://evil.example"));
  answer = client.Receive();
  EXPECT_EQ(204, answer.status);
  EXPECT_EQ(0, answer.fields.count("access-control-allow-origin"));
}

TEST_F(HttpCorsTest, AnswersMayBeReadByAllowedPages) {
  options_.cors.allowed_origins = {"https://shop.example"};
  Start();
  HttpClient client(address());
  HttpAnswer answer = client.Post("{}", "application/json", "Origin: https://shop.example\r\n");
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ("https://shop.example", answer.fields.at("access-control-allow-origin"));
  answer = client.Post("{", "application/json", "Origin: https://shop.example\r\n");
  EXPECT_EQ(400, answer.status);
  EXPECT_EQ("https://shop.example", answer.fields.at("access-control-allow-origin"));
  answer = client.Post("{}", "application/json");
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ(0, answer.fields.count("access-control-allow-origin"));
}

}  // namespace
}  // namespace spanmeter
