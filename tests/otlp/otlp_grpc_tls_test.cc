// The gRPC port with TLS.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "spanmeter/otlp_grpc_server.h"

#include "otlp/grpc_client.h"
#include "otlp/grpc_server_fixture.h"
#include "support/test_certificates.h"

namespace spanmeter {
namespace {

using testing::Certificate;
using testing::GrpcClient;
using ::testing::HasSubstr;
using testing::MakeCertificate;
using testing::RequestOf;
using testing::WriteTestFile;

class OtlpGrpcTlsTest : public testing::GrpcServerFixture {
 protected:
  OtlpGrpcTlsTest() {
    options_.tls.emplace();
    options_.tls->cert_file = WriteTestFile("cert.pem", server_cert_.cert_pem);
    options_.tls->key_file = WriteTestFile("key.pem", server_cert_.key_pem);
  }

  // Whether a client with these credentials gets through.
  bool Reaches(const std::string& roots, const Certificate* own) {
    grpc::SslCredentialsOptions ssl;
    ssl.pem_root_certs = roots;
    if (own != nullptr) {
      ssl.pem_private_key = own->key_pem;
      ssl.pem_cert_chain = own->cert_pem;
    }
    return GrpcClient(server_->address(), grpc::SslCredentials(ssl))
        .Export(RequestOf(1))
        .status.ok();
  }
  // Why the files are refused.
  std::string ErrorOf(const ServerTlsOptions& tls) {
    options_.tls = tls;
    std::string error;
    EXPECT_EQ(nullptr, OtlpGrpcServer::Start(options_, &test_.tenants, &test_.clock, &test_.logger,
                                             &test_.metrics, &error));
    return error;
  }

  const Certificate authority_ = MakeCertificate("authority", nullptr);
  const Certificate server_cert_ = MakeCertificate("server", &authority_);
  const Certificate other_authority_ = MakeCertificate("other authority", nullptr);
};

TEST_F(OtlpGrpcTlsTest, ClientsThatTrustTheAuthorityGetThrough) {
  Start();
  EXPECT_TRUE(Reaches(authority_.cert_pem, nullptr));
  EXPECT_FALSE(Reaches(other_authority_.cert_pem, nullptr));
  EXPECT_FALSE(client_->Export(RequestOf(1)).status.ok());  // without TLS
  EXPECT_EQ(1, test_.Calls());
}

TEST_F(OtlpGrpcTlsTest, WithAClientAuthorityClientsNeedACertificate) {
  const Certificate client_authority = MakeCertificate("clients", nullptr);
  const Certificate good = MakeCertificate("client", &client_authority);
  const Certificate bad = MakeCertificate("client", &other_authority_);
  options_.tls->client_ca_file = WriteTestFile("ca.pem", client_authority.cert_pem);
  Start();
  EXPECT_TRUE(Reaches(authority_.cert_pem, &good));
  EXPECT_FALSE(Reaches(authority_.cert_pem, &bad));
  EXPECT_FALSE(Reaches(authority_.cert_pem, nullptr));
  EXPECT_EQ(1, test_.Calls());
}

TEST_F(OtlpGrpcTlsTest, AChainOfCertificatesIsAccepted) {
  options_.tls->cert_file = WriteTestFile("chain.pem", server_cert_.cert_pem + authority_.cert_pem);
  Start();
  EXPECT_TRUE(Reaches(authority_.cert_pem, nullptr));
}

TEST_F(OtlpGrpcTlsTest, NewCertificatesAreTakenUpOnceTheyFitTogether) {
  Start();
  EXPECT_TRUE(Reaches(authority_.cert_pem, nullptr));

  const Certificate renewed = MakeCertificate("server", &other_authority_);
  WriteTestFile("cert.pem", renewed.cert_pem);
  test_.clock.Advance(2 * kNanosPerSecond);
  EXPECT_TRUE(Reaches(authority_.cert_pem, nullptr));  // the key is still the former one's
  EXPECT_FALSE(Reaches(other_authority_.cert_pem, nullptr));

  WriteTestFile("key.pem", renewed.key_pem);
  test_.clock.Advance(2 * kNanosPerSecond);
  EXPECT_TRUE(Reaches(other_authority_.cert_pem, nullptr));
  EXPECT_FALSE(Reaches(authority_.cert_pem, nullptr));
}

TEST_F(OtlpGrpcTlsTest, ANewClientAuthorityCountsFromTheNextConnectionOn) {
  const Certificate first = MakeCertificate("clients", nullptr);
  const Certificate second = MakeCertificate("clients", nullptr);
  const Certificate of_first = MakeCertificate("client", &first);
  const Certificate of_second = MakeCertificate("client", &second);
  options_.tls->client_ca_file = WriteTestFile("ca.pem", first.cert_pem);
  Start();
  EXPECT_TRUE(Reaches(authority_.cert_pem, &of_first));
  WriteTestFile("ca.pem", second.cert_pem);
  test_.clock.Advance(2 * kNanosPerSecond);
  EXPECT_TRUE(Reaches(authority_.cert_pem, &of_second));
  EXPECT_FALSE(Reaches(authority_.cert_pem, &of_first));
}

TEST_F(OtlpGrpcTlsTest, ErrorsNameTheFileAndWhatIsWrong) {
  const ServerTlsOptions good = *options_.tls;

  ServerTlsOptions tls = good;
  tls.cert_file = "/nonexistent/cert.pem";
  EXPECT_EQ("cannot read cert_file /nonexistent/cert.pem: No such file or directory", ErrorOf(tls));
  tls = good;
  tls.cert_file = WriteTestFile("empty.pem", "");
  EXPECT_EQ("cannot read cert_file " + tls.cert_file + ": the file is empty", ErrorOf(tls));
  tls = good;
  tls.cert_file = ::testing::TempDir();
  EXPECT_EQ("cannot read cert_file " + tls.cert_file + ": Is a directory", ErrorOf(tls));
  tls = good;
  tls.cert_file = good.key_file;
  EXPECT_THAT(ErrorOf(tls), HasSubstr("cannot use cert_file " + tls.cert_file +
                                      ": it holds no valid PEM certificate"));
  tls = good;
  tls.cert_file =
      WriteTestFile("cut.pem", server_cert_.cert_pem + authority_.cert_pem.substr(0, 200) + "\n");
  EXPECT_THAT(ErrorOf(tls), HasSubstr("cannot use cert_file " + tls.cert_file));

  tls = good;
  tls.key_file = "/nonexistent/key.pem";
  EXPECT_EQ("cannot read key_file /nonexistent/key.pem: No such file or directory", ErrorOf(tls));
  tls = good;
  tls.key_file = good.cert_file;
  EXPECT_THAT(ErrorOf(tls), HasSubstr("cannot use key_file " + tls.key_file +
                                      ": it holds no valid PEM private key"));
  tls = good;
  tls.key_file = WriteTestFile("other-key.pem", other_authority_.key_pem);
  EXPECT_EQ("cannot use key_file " + tls.key_file +
                ": the key does not belong to the first certificate of cert_file " + good.cert_file,
            ErrorOf(tls));

  tls = good;
  tls.client_ca_file = good.key_file;
  EXPECT_THAT(ErrorOf(tls), HasSubstr("cannot use client_ca_file " + tls.client_ca_file +
                                      ": it holds no valid PEM certificate"));
}

}  // namespace
}  // namespace spanmeter
