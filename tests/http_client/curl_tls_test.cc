// Whom the HTTP client trusts.

#include <filesystem>
#include <string>

#include "http_client/curl_fixture.h"

namespace spanmeter {
namespace {

using testing::HasSubstr;

class CurlTlsTest : public CurlClientTest {
 protected:
  CurlTlsTest() : CurlClientTest(true) { options_.tls_config.ca_file = File("authority.pem"); }

  std::string File(const std::string& name) const { return (directory_ / name).string(); }
  std::string HttpsUrl(const std::string& listener, const std::string& path = "/echo") const {
    return "https://" + server_->Address(listener) + path;
  }
  void UseCertificate(const std::string& name) {
    options_.tls_config.cert_file = File(name + ".pem");
    options_.tls_config.key_file = File(name + ".key");
  }
  void Copy(const std::string& from, const std::string& to) const {
    std::filesystem::copy_file(directory_ / from, directory_ / to,
                               std::filesystem::copy_options::overwrite_existing);
  }
};

TEST_F(CurlTlsTest, TrustsTheConfiguredAuthority) {
  const HttpResponse response = PostTo(HttpsUrl("server"));
  EXPECT_EQ(Echo(response).at("method"), "POST");
  EXPECT_EQ(PostTo(HttpsUrl("tls12")).status, 200);
}

TEST_F(CurlTlsTest, TrustsNobodyElse) {
  options_.tls_config.ca_file = File("other-authority.pem");
  HttpResponse response = PostTo(HttpsUrl("server"));
  EXPECT_EQ(response.status, 0);
  EXPECT_THAT(response.error, HasSubstr("certificate"));
  // The system's authorities do not know it either.
  options_.tls_config.ca_file.clear();
  EXPECT_EQ(PostTo(HttpsUrl("server")).status, 0);
  options_.tls_config.ca_file = File("missing.pem");
  EXPECT_EQ(PostTo(HttpsUrl("server")).status, 0);
}

TEST_F(CurlTlsTest, RefusesTheWrongNameAndWhatHasExpired) {
  EXPECT_THAT(PostTo(HttpsUrl("named")).error, HasSubstr("127.0.0.1"));
  EXPECT_THAT(PostTo(HttpsUrl("expired")).error, HasSubstr("expired"));
}

TEST_F(CurlTlsTest, ChecksNothingWhenConfiguredSo) {
  options_.tls_config.ca_file.clear();
  options_.tls_config.insecure_skip_verify = true;
  for (const std::string listener : {"server", "named", "expired"}) {
    EXPECT_EQ(PostTo(HttpsUrl(listener)).status, 200) << listener;
  }
}

TEST_F(CurlTlsTest, ExpectsTheConfiguredName) {
  options_.tls_config.server_name = "receiver.example";
  const HttpResponse response = PostTo(HttpsUrl("named"));
  EXPECT_EQ(Echo(response).at("sni"), "receiver.example");
  EXPECT_EQ(Header(response, "Host"), server_->Address("named"));
  EXPECT_EQ(PostTo(HttpsUrl("server")).status, 0);
}

TEST_F(CurlTlsTest, ExpectsTheConfiguredNameAfterARedirectOnTheSameHost) {
  options_.tls_config.server_name = "receiver.example";
  options_.basic_auth = {"user", {"pass", ""}};
  for (const std::string& target : {std::string("/echo"), HttpsUrl("named")}) {
    SCOPED_TRACE(target);
    const HttpResponse response = PostTo(HttpsUrl("named", "/redirect/307?to=" + target));
    EXPECT_EQ(Header(response, "Authorization"), "Basic dXNlcjpwYXNz");
    EXPECT_EQ(Header(response, "Host"), server_->Address("named"));
  }
  EXPECT_EQ(Echo(PostTo(HttpsUrl("named", "/redirects/3"))).at("path"), "/redirects/0");
}

TEST_F(CurlTlsTest, NothingGoesAlongToAnotherHostOrWithoutTls) {
  options_.basic_auth = {"user", {"pass", ""}};
  for (const std::string& target : {HttpsUrl("tls12"), Url("/echo")}) {
    SCOPED_TRACE(target);
    const HttpResponse response = PostTo(HttpsUrl("server", "/redirect/308?to=" + target));
    EXPECT_EQ(Header(response, "Authorization"), "none");
  }
}

TEST_F(CurlTlsTest, ShowsItsCertificate) {
  EXPECT_EQ(PostTo(HttpsUrl("asks_client")).status, 0);
  UseCertificate("stranger");
  EXPECT_EQ(PostTo(HttpsUrl("asks_client")).status, 0);
  UseCertificate("client");
  EXPECT_EQ(PostTo(HttpsUrl("asks_client")).status, 200);
}

TEST_F(CurlTlsTest, FilesAreReadAgainForNewConnections) {
  Copy("stranger.pem", "mine.pem");
  Copy("stranger.key", "mine.key");
  Copy("other-authority.pem", "trusted.pem");
  UseCertificate("mine");
  options_.tls_config.ca_file = File("trusted.pem");
  Open(HttpsUrl("asks_client"));
  EXPECT_THAT(Post().error, HasSubstr("certificate"));
  Copy("authority.pem", "trusted.pem");
  EXPECT_EQ(Post().status, 0);
  Copy("client.pem", "mine.pem");
  Copy("client.key", "mine.key");
  EXPECT_EQ(Post().status, 200);
}

TEST_F(CurlTlsTest, InsistsOnTheConfiguredVersion) {
  options_.tls_config.min_version = TlsVersion::kTls13;
  EXPECT_EQ(PostTo(HttpsUrl("server")).status, 200);
  const HttpResponse response = PostTo(HttpsUrl("tls12"));
  EXPECT_EQ(response.status, 0);
  EXPECT_THAT(response.error, HasSubstr("version"));
}

TEST_F(CurlTlsTest, KeepsItsConnection) {
  Open(HttpsUrl("server"));
  const int first = Echo(Post()).at("connection").get<int>();
  EXPECT_EQ(Echo(Post()).at("connection").get<int>(), first);
}

TEST_F(CurlTlsTest, GoesThroughATunnelOfTheProxy) {
  options_.proxy_url = Url("", "proxy");
  const HttpResponse response = PostTo(HttpsUrl("server"));
  EXPECT_EQ(Echo(response).at("path"), "/echo");
  // What the proxy said is no part of the answer.
  EXPECT_EQ(response.headers.count("x-proxy"), 0U);
}

TEST_F(CurlTlsTest, SaysThatTheOtherSideSpeaksNoTls) {
  EXPECT_EQ(PostTo(HttpsUrl("http")).status, 0);
  EXPECT_EQ(PostTo(Url("/echo", "server")).status, 0);
}

}  // namespace
}  // namespace spanmeter
