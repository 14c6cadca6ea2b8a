// The HTTP port with TLS.

#include <filesystem>
#include <future>
#include <memory>
#include <signal.h>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/server_fixture.h"
#include "http/tls_client.h"
#include "support/test_certificates.h"

namespace spanmeter {
namespace {

using testing::Certificate;
using ::testing::HasSubstr;
using testing::MakeCertificate;
using ::testing::StartsWith;
using testing::WriteTestFile;

constexpr const char* kHealthy = "HTTP/1.1 200 OK\r\n";

std::string SerialOf(const Certificate& certificate) {
  BIGNUM* const number =
      ASN1_INTEGER_to_BN(X509_get_serialNumber(certificate.certificate.get()), nullptr);
  char* const text = BN_bn2hex(number);
  std::string serial = text;
  OPENSSL_free(text);
  BN_free(number);
  return serial;
}

class HttpTlsTest : public HttpServerTest {
 protected:
  HttpTlsTest() {
    signal(SIGPIPE, SIG_IGN);  // as the program does
    options_.tls.emplace();
    options_.tls->cert_file = WriteTestFile("http-cert.pem", server_cert_.cert_pem);
    options_.tls->key_file = WriteTestFile("http-key.pem", server_cert_.key_pem);
    client_.authority_pem = authority_.cert_pem;
  }
  ~HttpTlsTest() override { server_.reset(); }

  // Replaces a file, as renewing certificates does.
  static void Replace(const std::string& file, const std::string& content) {
    std::filesystem::rename(WriteTestFile("http-new.pem", content), file);
  }
  std::string SerialNow() const { return TlsConnection(address(), client_).serial(); }
  std::string ErrorOf() {
    std::string error;
    SelfMetrics metrics;
    EXPECT_EQ(HttpServer::Start(options_, {}, &clock_, &logger_, &metrics, &error), nullptr);
    return error;
  }

  const Certificate authority_ = MakeCertificate("authority", nullptr);
  const Certificate server_cert_ = MakeCertificate("server", &authority_);
  const Certificate renewed_ = MakeCertificate("server", &authority_);
  const Certificate other_authority_ = MakeCertificate("other", nullptr);
  const Certificate good_ = MakeCertificate("client", &authority_);
  const Certificate bad_ = MakeCertificate("client", &other_authority_);
  TlsClientOptions client_;
};

TEST_F(HttpTlsTest, AnswersThoseWhoTrustItsAuthority) {
  Start();
  const std::string answer = FetchHealth(address(), client_);
  EXPECT_THAT(answer, StartsWith(kHealthy));
  EXPECT_THAT(answer, HasSubstr("Strict-Transport-Security: max-age=31536000\r\n"));
  client_.authority_pem = other_authority_.cert_pem;
  EXPECT_EQ(FetchHealth(address(), client_), "");
}

TEST_F(HttpTlsTest, ServesLargeScrapesWhole) {
  visit_ = [](SampleSink* sink) { return VisitSeries(100'000, sink); };
  Start();
  TlsConnection connection(address(), client_);
  ASSERT_TRUE(connection.Send("GET /metrics/generated HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  const std::string answer = connection.ReceiveUntil("\r\n0\r\n\r\n");
  EXPECT_THAT(answer, HasSubstr("generated_total{series=\"99999\"} 99999\n\r\n0\r\n\r\n"));
  // And is kept alive.
  ASSERT_TRUE(connection.Send("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(connection.ReceiveUntil("healthy\n"), StartsWith(kHealthy));
}

TEST_F(HttpTlsTest, ListensOnBothFamilies) {
  options_.listen = "[::]:0";
  Start();
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
}

TEST_F(HttpTlsTest, OldProtocolsAreRefused) {
  Start();
  client_.max_version = TLS1_1_VERSION;
  EXPECT_FALSE(TlsConnection(address(), client_).connected());
  client_.max_version = TLS1_2_VERSION;
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
  server_.reset();
  options_.tls_min_version = TlsVersion::kTls13;
  Start();
  EXPECT_FALSE(TlsConnection(address(), client_).connected());
  client_.max_version = TLS1_3_VERSION;
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
}

TEST_F(HttpTlsTest, WithAClientAuthorityClientsNeedACertificate) {
  options_.tls->client_ca_file = WriteTestFile("http-ca.pem", authority_.cert_pem);
  Start();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    client_.max_version = version;
    client_.own = &good_;
    EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
    client_.own = &bad_;
    EXPECT_EQ(FetchHealth(address(), client_), "");
    client_.own = nullptr;
    EXPECT_EQ(FetchHealth(address(), client_), "");
  }
}

TEST_F(HttpTlsTest, NewCertificatesAreTakenUpWithinASecond) {
  Start();
  EXPECT_EQ(SerialNow(), SerialOf(server_cert_));
  TlsConnection open(address(), client_);
  Replace(options_.tls->cert_file, renewed_.cert_pem);
  Replace(options_.tls->key_file, renewed_.key_pem);
  EXPECT_EQ(SerialNow(), SerialOf(server_cert_));
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(SerialNow(), SerialOf(renewed_));
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
  // Open connections do not notice.
  ASSERT_TRUE(open.Send("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(open.ReceiveUntil("healthy\n"), StartsWith(kHealthy));
}

TEST_F(HttpTlsTest, TheFormerCertificateCountsUntilTheNewOneIsComplete) {
  Start();
  Replace(options_.tls->cert_file, renewed_.cert_pem);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(SerialNow(), SerialOf(server_cert_));
  EXPECT_THAT(Log(), HasSubstr("the former ones are still used"));
  EXPECT_THAT(Log(), HasSubstr("the key does not belong to the first certificate"));
  std::filesystem::remove(options_.tls->key_file);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(SerialNow(), SerialOf(server_cert_));
  Replace(options_.tls->key_file, renewed_.key_pem);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(SerialNow(), SerialOf(renewed_));
}

TEST_F(HttpTlsTest, AnAuthorityThatWasTakenAwayCountsNoMore) {
  options_.tls->client_ca_file =
      WriteTestFile("http-cas.pem", authority_.cert_pem + other_authority_.cert_pem);
  Start();
  client_.own = &bad_;
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
  Replace(options_.tls->client_ca_file, authority_.cert_pem);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(FetchHealth(address(), client_), "");
  client_.own = &good_;
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
}

TEST_F(HttpTlsTest, PlainHttpIsNotAnswered) {
  Start();
  HttpConnection plain(address());
  ASSERT_TRUE(plain.Send(MakeRequest("GET", "/metrics")));
  EXPECT_FALSE(plain.Receive().has_value());
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
}

TEST_F(HttpTlsTest, UnfinishedHandshakesAreGivenUpAndHarmNobody) {
  Start();
  std::vector<std::unique_ptr<HttpConnection>> slow;
  for (int i = 0; i < limits_.threads - 2; ++i) {
    slow.push_back(std::make_unique<HttpConnection>(address()));
    // Nothing, or the beginning of a handshake.
    ASSERT_TRUE(slow.back()->Send(i % 2 == 0 ? "" : std::string("\x16\x03\x01\x02\x00\x01", 6)));
  }
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
  for (auto& connection : slow) EXPECT_TRUE(connection->PeerCloses());
  EXPECT_THAT(FetchHealth(address(), client_), StartsWith(kHealthy));
}

// They never were connections, so they must not count as fewer of them either.
TEST_F(HttpTlsTest, FailedHandshakesDoNotKeepMoreConnectionsAlive) {
  limits_.keep_alive_connections = 1;
  Start();
  for (int i = 0; i < 20; ++i) {
    HttpConnection plain(address());
    ASSERT_TRUE(plain.Send(MakeRequest("GET", "/metrics")));
    EXPECT_TRUE(plain.PeerCloses());
  }
  TlsConnection first(address(), client_);
  ASSERT_TRUE(first.Send("GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(first.ReceiveUntil("healthy\n"), HasSubstr("Connection: keep-alive\r\n"));
  EXPECT_THAT(FetchHealth(address(), client_), HasSubstr("Connection: close\r\n"));
}

TEST_F(HttpTlsTest, StalledReadersAreGivenUp) {
  std::promise<bool> visit_result;
  visit_ = [&](SampleSink* sink) {
    visit_result.set_value(VisitForever(sink));
    return false;
  };
  Start();
  TlsConnection stalled(address(), client_);
  ASSERT_TRUE(stalled.Send("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"));
  EXPECT_THAT(stalled.ReceiveUntil("generated_total{"), StartsWith(kHealthy));
  EXPECT_FALSE(visit_result.get_future().get());
}

TEST_F(HttpTlsTest, UnusableFilesPreventTheStart) {
  const ServerTlsOptions good = *options_.tls;
  options_.tls->cert_file = "/nonexistent/cert.pem";
  EXPECT_EQ(ErrorOf(), "cannot read cert_file /nonexistent/cert.pem: No such file or directory");
  options_.tls = good;
  options_.tls->key_file = WriteTestFile("http-other-key.pem", renewed_.key_pem);
  EXPECT_THAT(ErrorOf(), HasSubstr("the key does not belong to the first certificate"));
  options_.tls = good;
  options_.tls->client_ca_file = good.key_file;
  EXPECT_THAT(ErrorOf(), HasSubstr("cannot use client_ca_file " + good.key_file));
}

}  // namespace
}  // namespace spanmeter
