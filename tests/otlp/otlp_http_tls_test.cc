// The OTLP/HTTP port with TLS.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http/tls_client.h"
#include "otlp/http_server_fixture.h"
#include "support/test_certificates.h"

namespace spanmeter {
namespace {

using testing::Certificate;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::MakeCertificate;
using ::testing::StartsWith;
using testing::WriteTestFile;

class OtlpHttpTlsTest : public testing::HttpServerFixture {
 protected:
  OtlpHttpTlsTest() {
    options_.tls.emplace();
    options_.tls->cert_file = WriteTestFile("cert.pem", server_cert_.cert_pem);
    options_.tls->key_file = WriteTestFile("key.pem", server_cert_.key_pem);
  }
  // The answer to spans that come through such a connection; empty when it cannot be made.
  std::string Post(const std::string& authority, const Certificate* own, const std::string& body) {
    TlsConnection connection(address(), {authority, own});
    if (!connection.connected()) return "";
    connection.Send(
        "POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-protobuf\r\n"
        "Connection: close\r\nContent-Length: " +
        std::to_string(body.size()) + "\r\n\r\n");
    connection.Send(body);
    return connection.ReceiveUntil("\r\n\r\n");
  }

  const Certificate authority_ = MakeCertificate("authority", nullptr);
  const Certificate server_cert_ = MakeCertificate("server", &authority_);
  const Certificate other_authority_ = MakeCertificate("other authority", nullptr);
};

TEST_F(OtlpHttpTlsTest, ClientsThatTrustTheAuthorityGetThrough) {
  Start();
  EXPECT_THAT(Post(authority_.cert_pem, nullptr, RequestOf(1)), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ("", Post(other_authority_.cert_pem, nullptr, RequestOf(1)));
  EXPECT_EQ(0, HttpClient(address()).Post(RequestOf(1), "application/x-protobuf").status);
  EXPECT_EQ(1, test_.Calls());
}

TEST_F(OtlpHttpTlsTest, LargeBodiesComeThrough) {
  Start();
  EXPECT_THAT(Post(authority_.cert_pem, nullptr, RequestOf(1000)), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ(1000, test_.Calls());
}

TEST_F(OtlpHttpTlsTest, WithAClientAuthorityClientsNeedACertificate) {
  const Certificate clients = MakeCertificate("clients", nullptr);
  const Certificate good = MakeCertificate("client", &clients);
  const Certificate bad = MakeCertificate("client", &other_authority_);
  options_.tls->client_ca_file = WriteTestFile("clients.pem", clients.cert_pem);
  Start();
  EXPECT_THAT(Post(authority_.cert_pem, &good, RequestOf(1)), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ("", Post(authority_.cert_pem, &bad, RequestOf(1)));
  EXPECT_EQ("", Post(authority_.cert_pem, nullptr, RequestOf(1)));
  EXPECT_EQ(1, test_.Calls());
}

TEST_F(OtlpHttpTlsTest, ChangedCertificatesAreTakenUp) {
  Start();
  const Certificate renewed = MakeCertificate("renewed", &other_authority_);
  WriteTestFile("cert.pem", renewed.cert_pem);
  WriteTestFile("key.pem", renewed.key_pem);
  test_.clock.Advance(2 * kNanosPerSecond);
  EXPECT_THAT(Post(other_authority_.cert_pem, nullptr, RequestOf(1)), StartsWith("HTTP/1.1 200"));
  EXPECT_EQ("", Post(authority_.cert_pem, nullptr, RequestOf(1)));
}

TEST_F(OtlpHttpTlsTest, HandshakesThatDoNotComeAreGivenUp) {
  Start();
  HttpClient silent(address());
  HttpClient half(address());
  half.Send("\x16\x03\x01\x02");
  EXPECT_TRUE(IsClosedAfter(21 * kNanosPerSecond, &silent));
  EXPECT_TRUE(IsClosedAfter(21 * kNanosPerSecond, &half));
}

TEST_F(OtlpHttpTlsTest, FilesThatCannotBeUsedAreNamed) {
  options_.tls->key_file = WriteTestFile("other.pem", other_authority_.key_pem);
  std::string error;
  EXPECT_EQ(nullptr, OtlpHttpServer::Open(options_, &test_.tenants, &test_.clock, &test_.logger,
                                          &test_.metrics, &error));
  EXPECT_THAT(error, HasSubstr("cannot use key_file " + options_.tls->key_file));
}

}  // namespace
}  // namespace spanmeter
