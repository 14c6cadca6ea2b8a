// How the HTTP client proves to a receiver who it is, and to nobody else.

#include <filesystem>
#include <string>
#include <vector>

#include "http_client/curl_fixture.h"

namespace spanmeter {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class CurlCredentialsTest : public CurlClientTest {
 protected:
  void UseBasicAuth(TextOrFile password) { options_.basic_auth = {"user", std::move(password)}; }
  void UseOAuth2(const std::string& token_path, TextOrFile secret = {"s:cret", ""}) {
    options_.oauth2.emplace();
    options_.oauth2->client_id = "the id";
    options_.oauth2->client_secret = std::move(secret);
    options_.oauth2->token_url = Url(token_path, "other");
  }
  // How many tokens the server has given.
  int Tokens() {
    RemoteWriteOptions plain;
    plain.url = Url("/token-state", "other");
    plain.name = "state";
    const auto client = NewCurlClient(plain, "spanmeter/test", &clock_, &logger_);
    client->Start({});
    for (int i = 0; i < 30; ++i) {
      for (const HttpResponse& response : client->Wait(kNanosPerSecond)) {
        state_ = nlohmann::json::parse(response.body, nullptr, false);
        return state_.at("tokens").get<int>();
      }
    }
    return -1;
  }
  void PassASecond() { clock_.Advance(kNanosPerSecond); }

  nlohmann::json state_;
};

TEST_F(CurlCredentialsTest, BasicAuth) {
  UseBasicAuth({"p:ss wörd", ""});
  EXPECT_EQ(Header(PostTo(Url("/echo")), "Authorization"), "Basic dXNlcjpwOnNzIHfDtnJk");
}

TEST_F(CurlCredentialsTest, BasicAuthFromTheUrl) {
  EXPECT_EQ(
      Header(PostTo("http://user:pass@" + server_->Address("http") + "/echo"), "Authorization"),
      "Basic dXNlcjpwYXNz");
}

TEST_F(CurlCredentialsTest, AuthorizationOfAnyType) {
  options_.authorization = AuthorizationOptions();
  options_.authorization->credentials.text = "abc";
  EXPECT_EQ(Header(PostTo(Url("/echo")), "Authorization"), "Bearer abc");
  options_.authorization->type = "ApiKey";
  EXPECT_EQ(Header(PostTo(Url("/echo")), "Authorization"), "ApiKey abc");
}

TEST_F(CurlCredentialsTest, ConfiguredHeaders) {
  options_.headers["X-Text"] = {"text", ""};
  options_.headers["X-File"] = {"", WriteFile("header", "from a file \n")};
  options_.headers["X-Empty"] = {"", ""};
  const HttpResponse response = PostTo(Url("/echo"));
  EXPECT_EQ(Header(response, "X-Text"), "text");
  EXPECT_EQ(Header(response, "X-File"), "from a file");
  EXPECT_EQ(Header(response, "X-Empty"), "");
}

TEST_F(CurlCredentialsTest, NothingGoesToAnotherHost) {
  options_.headers["X-Secret"] = {"secret", ""};
  const std::string there = Url("/echo", "other");
  const auto expect_nothing = [&] {
    const HttpResponse response = PostTo(options_.url);
    EXPECT_EQ(Echo(response).at("method"), "POST");
    EXPECT_EQ(Header(response, "Authorization"), "none");
    EXPECT_EQ(Header(response, "X-Secret"), "none");
    EXPECT_EQ(Header(response, "X-Scope-OrgID"), "tenant");
  };
  options_.url = Url("/redirect/307?to=" + there);
  UseBasicAuth({"secret", ""});
  expect_nothing();
  options_.basic_auth.reset();
  options_.authorization = AuthorizationOptions();
  options_.authorization->credentials.text = "secret";
  expect_nothing();
  options_.authorization.reset();
  UseOAuth2("/token/basic");
  expect_nothing();
  options_.oauth2.reset();
  options_.url = "http://user:secret@" + server_->Address("http") + "/redirect/307?to=" + there;
  expect_nothing();
}

TEST_F(CurlCredentialsTest, CredentialsGoAlongOnTheSameHost) {
  options_.headers["X-Secret"] = {"secret", ""};
  UseBasicAuth({"pass", ""});
  const HttpResponse response = PostTo(Url("/redirect/307?to=/echo"));
  EXPECT_EQ(Header(response, "Authorization"), "Basic dXNlcjpwYXNz");
  EXPECT_EQ(Header(response, "X-Secret"), "secret");
}

TEST_F(CurlCredentialsTest, FilesAreReadAgainWhenTheyChange) {
  options_.authorization = AuthorizationOptions();
  options_.authorization->credentials.file = WriteFile("secret", "first\n");
  options_.headers["X-File"] = {"", WriteFile("header", "one")};
  Open(Url("/echo"));
  EXPECT_EQ(Header(Post(), "Authorization"), "Bearer first");
  WriteFile("secret", "the second");
  WriteFile("header", "number two");
  PassASecond();
  const HttpResponse response = Post();
  EXPECT_EQ(Header(response, "Authorization"), "Bearer the second");
  EXPECT_EQ(Header(response, "X-File"), "number two");
}

TEST_F(CurlCredentialsTest, AFileThatGoesAwayLeavesItsLastContents) {
  UseBasicAuth({"", WriteFile("secret", "pass")});
  Open(Url("/echo"));
  Post();
  std::filesystem::remove(directory_ / "secret");
  PassASecond();
  EXPECT_EQ(Header(Post(), "Authorization"), "Basic dXNlcjpwYXNz");
  EXPECT_THAT(log_.text(), HasSubstr("secret"));
}

TEST_F(CurlCredentialsTest, AFileThatNeverWasFailsTheRequest) {
  const std::string missing = (directory_ / "missing").string();
  UseBasicAuth({"", missing});
  const HttpResponse response = PostTo(Url("/echo"));
  EXPECT_EQ(response.status, 0);
  EXPECT_THAT(response.error, AllOf(HasSubstr(missing), HasSubstr("No such file")));
  // It is there later.
  WriteFile("missing", "pass");
  PassASecond();
  EXPECT_EQ(Header(Post(), "Authorization"), "Basic dXNlcjpwYXNz");
}

TEST_F(CurlCredentialsTest, OAuth2AsksForOneTokenAndKeepsIt) {
  UseOAuth2("/token/basic");
  options_.oauth2->scopes = {"write", "metrics"};
  options_.oauth2->endpoint_params = {{"audience", "a b&c"}};
  Open(Url("/echo"));
  for (uint64_t id = 100; id < 110; ++id) Start(id);
  for (const HttpResponse& response : Await(10)) {
    EXPECT_EQ(Header(response, "Authorization"), "Bearer token-1");
  }
  EXPECT_EQ(Header(Post(), "Authorization"), "Bearer token-1");
  EXPECT_EQ(Tokens(), 1);
  EXPECT_EQ(state_.at("forms").at(0), (nlohmann::json{{"grant_type", "client_credentials"},
                                                      {"scope", "write metrics"},
                                                      {"audience", "a b&c"}}));
}

TEST_F(CurlCredentialsTest, OAuth2TakesANewTokenBeforeTheOldOneExpires) {
  UseOAuth2("/token/basic");
  Open(Url("/echo"));
  EXPECT_EQ(Header(Post(), "Authorization"), "Bearer token-1");
  clock_.Advance(3580 * kNanosPerSecond);
  EXPECT_EQ(Header(Post(), "Authorization"), "Bearer token-1");
  clock_.Advance(11 * kNanosPerSecond);
  EXPECT_EQ(Header(Post(), "Authorization"), "Bearer token-2");
}

TEST_F(CurlCredentialsTest, OAuth2TakesServersThatWantTheSecretInTheBody) {
  UseOAuth2("/token/body");
  Open(Url("/echo"));
  EXPECT_EQ(Header(Post(), "Authorization"), "Bearer token-1");
  EXPECT_EQ(Tokens(), 1);
  EXPECT_EQ(state_.at("requests"), 2);
  // From then on it asks that way at once.
  clock_.Advance(3600 * kNanosPerSecond);
  EXPECT_EQ(Header(Post(), "Authorization"), "Bearer token-2");
  EXPECT_EQ(Tokens(), 2);
  EXPECT_EQ(state_.at("requests"), 3);
}

TEST_F(CurlCredentialsTest, OAuth2TriesOnceMoreWithANewToken) {
  UseOAuth2("/token/basic");
  EXPECT_EQ(Header(PostTo(Url("/needs-token/2")), "Authorization"), "Bearer token-2");
  EXPECT_EQ(Tokens(), 2);
}

TEST_F(CurlCredentialsTest, OAuth2TriesOnlyOnceMore) {
  UseOAuth2("/token/basic");
  EXPECT_EQ(PostTo(Url("/needs-token/9")).status, 401);
  EXPECT_EQ(Tokens(), 2);
}

// All of them were sent with the first token; the second one is not thrown away by the last of
// them.
TEST_F(CurlCredentialsTest, OAuth2TakesOneNewTokenForRequestsThatAreRefusedTogether) {
  UseOAuth2("/token/basic");
  Open(Url("/needs-token/2"));
  for (uint64_t id = 100; id < 120; ++id) Start(id);
  for (const HttpResponse& response : Await(20)) EXPECT_EQ(response.status, 200);
  EXPECT_EQ(Tokens(), 2);
}

TEST_F(CurlCredentialsTest, OAuth2SaysWhatIsWrong) {
  UseOAuth2("/token/refuse");
  HttpResponse response = PostTo(Url("/echo"));
  EXPECT_EQ(response.status, 0);
  EXPECT_THAT(response.error, AllOf(HasSubstr("oauth2.token_url"), HasSubstr("401")));
  UseOAuth2("/token/garbage");
  response = PostTo(Url("/echo"));
  EXPECT_EQ(response.status, 0);
  EXPECT_THAT(response.error, HasSubstr("JSON"));
  UseOAuth2("/token/basic", {"", (directory_ / "missing").string()});
  response = PostTo(Url("/echo"));
  EXPECT_EQ(response.status, 0);
  EXPECT_THAT(response.error, HasSubstr("missing"));
  options_.oauth2->client_secret = {"s:cret", ""};
  options_.oauth2->token_url = "http://127.0.0.1:1/";
  response = PostTo(Url("/echo"));
  EXPECT_EQ(response.status, 0);
  EXPECT_THAT(response.error, Not(HasSubstr("s:cret")));
}

TEST_F(CurlCredentialsTest, OAuth2WaitsForATokenNoLongerThanForAnAnswer) {
  UseOAuth2("/token/stall");
  options_.remote_timeout = 300 * kNanosPerMilli;
  Open(Url("/echo"));
  Start(1);
  Start(2);
  for (const HttpResponse& response : Await(2)) {
    EXPECT_EQ(response.status, 0);
    EXPECT_LT(response.seconds, 0.9);
  }
}

// LeakSanitizer sees whether all of it was given back.
TEST_F(CurlCredentialsTest, WhatWaitsForATokenCanBeCancelled) {
  UseOAuth2("/token/once");
  Open(Url("/needs-token/9"));
  // Refused with its first token, the request waits for a second one, which does not come.
  Start(1);
  int requests = 0;
  for (int i = 0; i < 3000 && requests < 2; ++i) {
    EXPECT_TRUE(client_->Wait(kNanosPerMilli).empty());
    Tokens();
    requests = state_.at("requests").get<int>();
  }
  EXPECT_EQ(requests, 2);
  client_->CancelAll();
  EXPECT_TRUE(client_->Wait(50 * kNanosPerMilli).empty());
}

}  // namespace
}  // namespace spanmeter
