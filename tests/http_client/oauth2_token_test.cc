#include "http_client/oauth2_token.h"

#include <cstdint>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/clock.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;

constexpr int64_t kNow = int64_t{1'000} * kNanosPerSecond;

TEST(FormEncoded, LeavesOnlyWhatIsSafe) {
  EXPECT_EQ(FormEncoded("AZaz09-._~"), "AZaz09-._~");
  EXPECT_EQ(FormEncoded(" &=+%/?#:@\r\n\""), "%20%26%3D%2B%25%2F%3F%23%3A%40%0D%0A%22");
  EXPECT_EQ(FormEncoded(std::string("\0\x7f\x80\xff", 4)), "%00%7F%80%FF");
  EXPECT_EQ(FormEncoded("ü"), "%C3%BC");
  EXPECT_EQ(FormEncoded(""), "");
}

TEST(TokenRequest, AsksForTheGrantWithScopesAndParameters) {
  OAuth2Options options;
  options.client_id = "me";
  EXPECT_EQ(TokenRequest(options, nullptr), "grant_type=client_credentials");
  options.scopes = {"read", "write:all"};
  options.endpoint_params = {{"audience", "https://x/"}, {"b&c", "d=e"}};
  EXPECT_EQ(TokenRequest(options, nullptr),
            "grant_type=client_credentials&scope=read%20write%3Aall&audience=https%3A%2F%2Fx%2F&"
            "b%26c=d%3De");
}

TEST(TokenRequest, HasTheClientInItWhenAskedTo) {
  OAuth2Options options;
  options.client_id = "m e";
  const std::string secret = "p&w";
  EXPECT_EQ(TokenRequest(options, &secret),
            "grant_type=client_credentials&client_id=m%20e&client_secret=p%26w");
}

TEST(OAuth2Token, ThereIsNoneAtFirst) { EXPECT_FALSE(OAuth2Token().IsValid(kNow)); }

TEST(OAuth2Token, IsNotUsedInTheLastSecondsOfItsLife) {
  OAuth2Token token;
  EXPECT_EQ(token.Read(R"({"access_token":"abc","token_type":"Bearer","expires_in":60})", kNow),
            "");
  EXPECT_EQ(token.token(), "abc");
  EXPECT_TRUE(token.IsValid(kNow));
  EXPECT_TRUE(token.IsValid(kNow + 50 * kNanosPerSecond - 1));
  EXPECT_FALSE(token.IsValid(kNow + 50 * kNanosPerSecond));
}

// It has to be good for the request that it was fetched for.
TEST(OAuth2Token, IsUsedForASecondHoweverShortItsLife) {
  for (const char* expires : {"10", "5", "0", "-100", "0.5"}) {
    OAuth2Token token;
    EXPECT_EQ(
        token.Read(R"({"access_token":"abc","expires_in":)" + std::string(expires) + "}", kNow),
        "");
    EXPECT_TRUE(token.IsValid(kNow + kNanosPerSecond - 1)) << expires;
    EXPECT_FALSE(token.IsValid(kNow + kNanosPerSecond)) << expires;
  }
}

TEST(OAuth2Token, WithoutAnEndItIsUsedUntilItIsForgotten) {
  for (const char* more : {"", R"(,"expires_in":null)", R"(,"expires_in":"soon")"}) {
    OAuth2Token token;
    EXPECT_EQ(token.Read(R"({"access_token":"abc")" + std::string(more) + "}", kNow), "");
    EXPECT_TRUE(token.IsValid(kNow + int64_t{1'000'000'000} * kNanosPerSecond));
    token.Forget();
    EXPECT_FALSE(token.IsValid(kNow));
  }
}

TEST(OAuth2Token, ALifeLongerThanTimeCanCountIsAYear) {
  OAuth2Token token;
  EXPECT_EQ(token.Read(R"({"access_token":"abc","expires_in":1e300})", kNow), "");
  constexpr int64_t kYear = int64_t{365} * 24 * 3600 * kNanosPerSecond;
  EXPECT_TRUE(token.IsValid(kNow + kYear - 11 * kNanosPerSecond));
  EXPECT_FALSE(token.IsValid(kNow + kYear));
}

TEST(OAuth2Token, SaysWhatIsWrongAndKeepsWhatItHas) {
  OAuth2Token token;
  ASSERT_EQ(token.Read(R"({"access_token":"old","expires_in":60})", kNow), "");
  for (const char* answer : {"", "{", "[]", "\"abc\"", "null", "\xff", "<html>login</html>"}) {
    EXPECT_EQ(token.Read(answer, kNow), "the answer is no JSON object") << answer;
  }
  for (const char* answer : {"{}", R"({"access_token":""})", R"({"access_token":7})",
                             R"({"access_token":{"a":"b"}})", R"({"error":"invalid_client"})"}) {
    EXPECT_EQ(token.Read(answer, kNow), "the answer has no access_token") << answer;
  }
  EXPECT_EQ(token.token(), "old");
  EXPECT_TRUE(token.IsValid(kNow));
}

// It goes into a header.
TEST(OAuth2Token, CannotBringAnotherHeaderWithIt) {
  for (const char* text : {R"(a\r\nX-Evil: 1)", R"(a\nb)", R"(a\u0000b)", R"(a b)", R"(a\tb)",
                           R"(a\u007fb)", "\xc3\xbc"}) {
    OAuth2Token token;
    EXPECT_THAT(token.Read(R"({"access_token":")" + std::string(text) + "\"}", kNow),
                HasSubstr("characters"))
        << text;
    EXPECT_FALSE(token.IsValid(kNow));
  }
}

TEST(OAuth2Token, SurvivesNestingWithoutEnd) {
  OAuth2Token token;
  EXPECT_NE(token.Read(std::string(60'000, '['), kNow), "");
  EXPECT_NE(token.Read(std::string(30'000, '[') + std::string(30'000, ']'), kNow), "");
}

}  // namespace
}  // namespace spanmeter
