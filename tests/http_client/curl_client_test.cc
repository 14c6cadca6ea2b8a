#include "spanmeter/curl_client.h"

#include <cstdlib>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "http_client/curl_fixture.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int64_t kShortNanos = 300 * kNanosPerMilli;

TEST_F(CurlClientTest, PostsBodyAndHeaders) {
  Open(Url("/echo?a=b"));
  const std::string body = std::string("\0\x01snappy", 8) + std::string(100'000, 'x');
  const HttpResponse response = Post(body);
  const nlohmann::json echo = Echo(response);
  EXPECT_EQ(echo.at("method"), "POST");
  EXPECT_EQ(echo.at("path"), "/echo?a=b");
  EXPECT_EQ(echo.at("size"), body.size());
  EXPECT_EQ(Header(response, "User-Agent"), "spanmeter/test");
  EXPECT_EQ(Header(response, "Content-Encoding"), "snappy");
  EXPECT_EQ(Header(response, "X-Scope-OrgID"), "tenant");
  EXPECT_EQ(Header(response, "Host"), server_->Address("http"));
  EXPECT_EQ(Header(response, "Expect"), "none");
  EXPECT_EQ(Header(response, "Authorization"), "none");
  EXPECT_EQ(response.headers.at("content-type"), "application/json");
  EXPECT_GT(response.seconds, 0);
  EXPECT_LT(response.seconds, 10);
}

TEST_F(CurlClientTest, ReturnsStatusHeadersAndBodyOfAnyAnswer) {
  for (const int status : {204, 400, 404, 429, 500, 503}) {
    const HttpResponse response = PostTo(Url("/status/" + std::to_string(status)));
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.headers.at("retry-after"), "7");
    EXPECT_EQ(response.error, "");
  }
  EXPECT_EQ(PostTo(Url("/status/400")).body, "status 400");
}

TEST_F(CurlClientTest, KeepsItsConnection) {
  Open(Url("/echo"));
  std::set<int> connections;
  for (int i = 0; i < 5; ++i) connections.insert(Echo(Post()).at("connection").get<int>());
  EXPECT_EQ(connections.size(), 1U);
}

TEST_F(CurlClientTest, SendsSeveralRequestsAtATime) {
  Open(Url("/stall"));
  Start(1);
  EXPECT_TRUE(client_->Wait(0).empty());
  client_->CancelAll();
  Open(Url("/echo"));
  std::set<uint64_t> ids;
  for (uint64_t id = 1; id <= 40; ++id) Start(id);
  for (const HttpResponse& response : Await(40)) {
    EXPECT_EQ(response.status, 200);
    ids.insert(response.id);
  }
  EXPECT_EQ(ids.size(), 40U);
}

TEST_F(CurlClientTest, WaitsNoLongerThanItIsToldTo) {
  Open(Url("/stall"));
  Start(1);
  const int64_t begin = clock_.MonotonicNanos();
  EXPECT_TRUE(client_->Wait(50 * kNanosPerMilli).empty());
  EXPECT_GE(clock_.MonotonicNanos() - begin, 50 * kNanosPerMilli);
  EXPECT_LT(clock_.MonotonicNanos() - begin, 10 * kNanosPerSecond);
}

TEST_F(CurlClientTest, AWakeEndsTheWaitOrTheNextOne) {
  Open(Url("/stall"));
  const int64_t begin = clock_.MonotonicNanos();
  client_->Wake();
  EXPECT_TRUE(client_->Wait(20 * kNanosPerSecond).empty());
  std::thread other([this] { client_->Wake(); });
  EXPECT_TRUE(client_->Wait(20 * kNanosPerSecond).empty());
  other.join();
  EXPECT_LT(clock_.MonotonicNanos() - begin, 10 * kNanosPerSecond);
}

TEST_F(CurlClientTest, WhatIsCancelledIsNotAnswered) {
  options_.remote_timeout = kShortNanos;
  Open(Url("/stall"));
  Start(1);
  Start(2);
  client_->Wait(0);
  client_->CancelAll();
  EXPECT_TRUE(client_->Wait(2 * kShortNanos).empty());
}

TEST_F(CurlClientTest, SaysThatNobodyListens) {
  const HttpResponse response = PostTo("http://127.0.0.1:1/");
  EXPECT_EQ(response.status, 0);
  EXPECT_THAT(response.error, HasSubstr("connect to 127.0.0.1 port 1"));
}

TEST_F(CurlClientTest, AnAnswerThatIsNoneIsAnError) {
  for (const std::string path : {"/close", "/garbage", "/cut"}) {
    SCOPED_TRACE(path);
    const HttpResponse response = PostTo(Url(path));
    EXPECT_EQ(response.status, 0);
    EXPECT_NE(response.error, "");
  }
}

TEST_F(CurlClientTest, TheTimeoutIsForTheWholeRequest) {
  options_.remote_timeout = kShortNanos;
  for (const std::string path : {"/stall", "/drip", "/slow-redirects"}) {
    SCOPED_TRACE(path);
    const HttpResponse response = PostTo(Url(path));
    EXPECT_EQ(response.status, 0);
    EXPECT_THAT(response.error, HasSubstr("timed out"));
    EXPECT_GE(response.seconds, 0.25);
    EXPECT_LT(response.seconds, 0.9);
  }
}

TEST_F(CurlClientTest, KeepsTheBeginningOfALargeAnswer) {
  const HttpResponse response = PostTo(Url("/large"));
  EXPECT_EQ(response.status, 400);
  EXPECT_EQ(response.body, std::string(4096, 'y'));
}

TEST_F(CurlClientTest, EndsAnAnswerThatGoesOnForever) {
  for (const int status : {200, 500}) {
    const HttpResponse response = PostTo(Url("/huge/" + std::to_string(status)));
    EXPECT_EQ(response.status, status);
    EXPECT_EQ(response.body, std::string(4096, 'x'));
  }
}

TEST_F(CurlClientTest, RefusesHeadersThatGoOnForever) {
  EXPECT_EQ(PostTo(Url("/many-headers")).status, 0);
}

TEST_F(CurlClientTest, FollowsRedirectsAndStillPosts) {
  for (const std::string status : {"301", "302", "307", "308"}) {
    SCOPED_TRACE(status);
    const HttpResponse response = PostTo(Url("/redirect/" + status + "?to=/echo"));
    const nlohmann::json echo = Echo(response);
    EXPECT_EQ(echo.at("method"), "POST");
    EXPECT_EQ(echo.at("body"), "body");
    EXPECT_EQ(Header(response, "Content-Encoding"), "snappy");
  }
}

TEST_F(CurlClientTest, FollowsTenRedirectsAndNoMore) {
  EXPECT_EQ(Echo(PostTo(Url("/redirects/10"))).at("path"), "/redirects/0");
  EXPECT_EQ(PostTo(Url("/redirects/11")).status, 307);
}

TEST_F(CurlClientTest, FollowsNoRedirectsWhenConfiguredSo) {
  options_.follow_redirects = false;
  EXPECT_EQ(PostTo(Url("/redirect/307?to=/echo")).status, 307);
}

TEST_F(CurlClientTest, FollowsNoRedirectToAnotherProtocol) {
  const std::string file = WriteFile("file", "secret");
  for (const std::string& target :
       {"file://" + file, std::string("ftp://127.0.0.1/"), std::string("gopher://127.0.0.1/")}) {
    SCOPED_TRACE(target);
    const HttpResponse response = PostTo(Url("/redirect/307?to=" + target));
    EXPECT_EQ(response.status, 0);
    EXPECT_EQ(response.body, "");
  }
}

TEST_F(CurlClientTest, GoesThroughTheProxy) {
  options_.proxy_url = "http://user:pass@" + server_->Address("proxy");
  const HttpResponse response = PostTo("http://receiver.invalid/echo");
  EXPECT_EQ(Echo(response).at("path"), "http://receiver.invalid/echo");
  EXPECT_EQ(Header(response, "Proxy-Authorization"), "Basic dXNlcjpwYXNz");
}

TEST_F(CurlClientTest, TheEnvironmentSaysNothingAboutProxies) {
  for (const char* const name : {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"}) {
    setenv(name, "http://127.0.0.1:1/", 1);
  }
  EXPECT_EQ(PostTo(Url("/echo")).status, 200);
  setenv("no_proxy", "*", 1);
  options_.proxy_url = Url("", "proxy");
  EXPECT_EQ(Echo(PostTo("http://receiver.invalid/echo")).at("path"),
            "http://receiver.invalid/echo");
  for (const char* const name :
       {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "no_proxy"}) {
    unsetenv(name);
  }
}

TEST_F(CurlClientTest, NoErrorTellsThePasswordOfTheUrl) {
  options_.remote_timeout = kShortNanos;
  for (const std::string& url :
       {std::string("http://user:s3cret@127.0.0.1:1/"),
        std::string("http://user:s3cret@bad.invalid/"),
        std::string("https://user:s3cret@") + server_->Address("http") + "/",
        std::string("http://user:s3cret@") + server_->Address("http") + "/stall"}) {
    const HttpResponse response = PostTo(url);
    EXPECT_EQ(response.status, 0);
    EXPECT_THAT(response.error, Not(HasSubstr("s3cret")));
  }
  options_.proxy_url = "http://user:s3cret@127.0.0.1:1";
  EXPECT_THAT(PostTo(Url("/echo")).error, Not(HasSubstr("s3cret")));
  EXPECT_THAT(log_.text(), Not(HasSubstr("s3cret")));
}

}  // namespace
}  // namespace spanmeter
