// Tokens on the gRPC port.

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "otlp/grpc_client.h"
#include "otlp/grpc_server_fixture.h"
#include "support/test_certificates.h"

namespace spanmeter {
namespace {

using testing::GrpcClient;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::RequestOf;
using testing::WriteTestFile;

constexpr const char* kToken = "all-0123456789abcdef";
constexpr const char* kTokenA = "a-0123456789abcdef";
constexpr const char* kTokenB = "b-0123456789abcdef";

class OtlpGrpcTokensTest : public testing::GrpcServerFixture {
 protected:
  // What a request with these tokens for these tenants is answered.
  grpc::Status Send(const std::vector<std::string>& authorizations,
                    const std::vector<std::string>& tenants = {}, const std::string& request = "") {
    return client_
        ->Export(request.empty() ? RequestOf(1) : request,
                 [&](grpc::ClientContext* context) {
                   for (const std::string& value : authorizations) {
                     context->AddMetadata("authorization", value);
                   }
                   for (const std::string& tenant : tenants) {
                     context->AddMetadata("x-scope-orgid", tenant);
                   }
                 })
        .status;
  }
  void ExpectTaken(const std::vector<std::string>& authorizations,
                   const std::vector<std::string>& tenants = {}) {
    const grpc::Status status = Send(authorizations, tenants);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  void ExpectRefused(const std::string& reason, const std::vector<std::string>& authorizations,
                     const std::vector<std::string>& tenants = {}) {
    const double before = test_.Self("spanmeter_otlp_auth_failures_total", "reason", reason);
    const grpc::Status status = Send(authorizations, tenants);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << reason;
    EXPECT_NE(status.error_message(), "");
    EXPECT_THAT(status.error_message(), Not(HasSubstr("0123456789")));
    EXPECT_EQ(test_.Self("spanmeter_otlp_auth_failures_total", "reason", reason), before + 1);
  }
};

TEST_F(OtlpGrpcTokensTest, WithoutTokensEverybodyMaySend) {
  Start();
  ExpectTaken({});
  ExpectTaken({"Bearer anything"});
}

TEST_F(OtlpGrpcTokensTest, OnlyThoseWithATokenMaySend) {
  options_.tokens = {{WriteTestFile("token", std::string(kToken) + "\n"), ""},
                     {WriteTestFile("token-a", kTokenA), ""}};
  Start();
  ExpectTaken({std::string("Bearer ") + kToken});
  ExpectTaken({std::string("bearer ") + kTokenA});
  EXPECT_EQ(test_.Calls(), 2);
  ExpectRefused("missing", {});
  ExpectRefused("wrong", {std::string("Bearer ") + kTokenB});
  ExpectRefused("malformed", {kToken});
  ExpectRefused("malformed", {std::string("Basic ") + kToken});
  ExpectRefused("malformed", {std::string("Bearer ") + kToken, std::string("Bearer ") + kToken});
  EXPECT_EQ(test_.Calls(), 2);
  EXPECT_EQ(Answered("UNAUTHENTICATED"), 5);
}

TEST_F(OtlpGrpcTokensTest, TheTokenIsLookedAtBeforeTheMessage) {
  options_.tokens = {{WriteTestFile("token", kToken), ""}};
  Start();
  EXPECT_EQ(Send({}, {}, "garbage").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(Send({std::string("Bearer ") + kToken}, {}, "garbage").error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(OtlpGrpcTokensTest, ATokenMayBeRenewedWhileRunning) {
  const std::string file = WriteTestFile("token", kTokenA);
  options_.tokens = {{file, ""}};
  Start();
  ExpectTaken({std::string("Bearer ") + kTokenA});
  std::filesystem::rename(WriteTestFile("token-new", kTokenB), file);
  test_.clock.Advance(kNanosPerSecond);
  ExpectRefused("wrong", {std::string("Bearer ") + kTokenA});
  ExpectTaken({std::string("Bearer ") + kTokenB});
}

TEST_F(OtlpGrpcTokensTest, UnusableFilesPreventTheStart) {
  options_.tokens = {{WriteTestFile("token", "short"), ""}};
  std::string error;
  EXPECT_EQ(OtlpGrpcServer::Start(options_, &test_.tenants, &test_.clock, &test_.logger,
                                  &test_.metrics, &error),
            nullptr);
  EXPECT_THAT(error, HasSubstr("cannot use the token file " + options_.tokens[0].file));
}

class OtlpGrpcTenantTokensTest : public OtlpGrpcTokensTest {
 protected:
  OtlpGrpcTenantTokensTest() : tenants_(WithTenancy(), &test_.clock, &test_.logger, &metrics_) {
    options_.tokens = {{WriteTestFile("token", kToken), ""},
                       {WriteTestFile("token-a", kTokenA), "team-a"},
                       {WriteTestFile("token-b", kTokenB), "team-b"},
                       {WriteTestFile("token-b2", kTokenB), "team-c"}};
    std::string error;
    server_ = OtlpGrpcServer::Start(options_, &tenants_, &test_.clock, &test_.logger,
                                    &test_.metrics, &error);
    EXPECT_NE(server_, nullptr) << error;
    client_ = std::make_unique<GrpcClient>(server_->address());
  }
  ~OtlpGrpcTenantTokensTest() override { server_.reset(); }
  static Options WithTenancy() {
    Options options = testing::TestGenerator::AnyTime();
    options.tenancy.enabled = true;
    return options;
  }

  SelfMetrics metrics_;
  Tenants tenants_;
};

TEST_F(OtlpGrpcTenantTokensTest, ATokenIsGoodForItsTenantsOnly) {
  const std::string bearer = "Bearer ";
  ExpectTaken({bearer + kTokenA}, {"team-a"});
  ExpectTaken({bearer + kTokenB}, {"team-b"});
  ExpectTaken({bearer + kTokenB}, {"team-c"});
  ExpectTaken({bearer + kToken}, {"team-a"});
  ExpectTaken({bearer + kToken}, {"team-d"});
  ExpectRefused("tenant", {bearer + kTokenA}, {"team-b"});
  ExpectRefused("tenant", {bearer + kTokenB}, {"team-a"});
  ExpectRefused("tenant", {bearer + kTokenA}, {});
  ExpectRefused("tenant", {bearer + kTokenA}, {"team-a", "team-b"});
  ExpectRefused("tenant", {bearer + kTokenA}, {"team-a", "team-a"});
  ExpectRefused("missing", {}, {"team-a"});
  // An invented tenant takes no place before the token was looked at.
  ExpectRefused("wrong", {bearer + "other-0123456789"}, {"team-x"});
  EXPECT_FALSE(tenants_.Has("team-x"));
  EXPECT_TRUE(tenants_.Has("team-a"));
}

}  // namespace
}  // namespace spanmeter
