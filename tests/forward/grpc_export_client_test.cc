// The client against a real gRPC server.

#include "forward/grpc_export_client.h"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "forward/gzip_stream.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "support/fake_clock.h"
#include "support/otlp_builder.h"
#include "support/test_certificates.h"

namespace spanmeter {
namespace {

namespace pb = opentelemetry::proto::collector::trace::v1;
using Outcome = ExportAnswer::Outcome;
using testing::Certificate;
using ::testing::HasSubstr;
using testing::MakeCertificate;
using testing::WriteTestFile;

// Keeps what it gets, as it was sent, and answers as the test wants.
class Backend final
    : public pb::TraceService::WithRawCallbackMethod_Export<pb::TraceService::Service> {
 public:
  grpc::ServerUnaryReactor* Export(grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request,
                                   grpc::ByteBuffer* response) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    grpc::Slice slice;
    if (request->DumpToSingleSlice(&slice).ok()) {
      messages_.emplace_back(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
    for (const auto& [name, value] : context->client_metadata()) {
      headers_[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
    }
    const grpc::Slice answer(response_);
    *response = grpc::ByteBuffer(&answer, 1);
    grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
    if (!silent_) reactor->Finish(status_);
    if (silent_) held_.push_back(reactor);
    return reactor;
  }

  void AnswerWith(grpc::Status status, std::string response = "") {
    const std::lock_guard<std::mutex> lock(mutex_);
    status_ = std::move(status);
    response_ = std::move(response);
  }
  // Answers nothing until Release().
  void FallSilent() {
    const std::lock_guard<std::mutex> lock(mutex_);
    silent_ = true;
  }
  void Release() {
    const std::lock_guard<std::mutex> lock(mutex_);
    silent_ = false;
    for (grpc::ServerUnaryReactor* reactor : std::exchange(held_, {})) {
      reactor->Finish(grpc::Status::OK);
    }
  }
  std::vector<std::string> messages() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return messages_;
  }
  std::map<std::string, std::string> headers() const {
    const std::lock_guard<std::mutex> lock(mutex_);
    return headers_;
  }

 private:
  mutable std::mutex mutex_;
  grpc::Status status_;
  std::string response_;
  bool silent_ = false;
  std::vector<grpc::ServerUnaryReactor*> held_;
  std::vector<std::string> messages_;
  std::map<std::string, std::string> headers_;
};

class GrpcExportClientTest : public ::testing::Test {
 protected:
  GrpcExportClientTest() {
    options_.name = "backend";
    options_.timeout = 20 * kNanosPerSecond;
  }
  ~GrpcExportClientTest() override {
    client_.reset();
    backend_.Release();
    if (server_ != nullptr) server_->Shutdown();
  }

  void Serve(const std::shared_ptr<grpc::ServerCredentials>& credentials =
                 grpc::InsecureServerCredentials()) {
    grpc::ServerBuilder builder;
    // What was compressed is kept so.
    builder.AddChannelArgument(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    builder.AddListeningPort("127.0.0.1:0", credentials, &port_);
    builder.RegisterService(&backend_);
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void Open(const std::string& scheme = "http") {
    options_.endpoint = scheme + "://127.0.0.1:" + std::to_string(port_);
    client_ = NewGrpcExportClient(options_, "spanmeter/test", &clock_, &logger_);
  }
  ExportAnswer Send(const std::string& body = "body", const std::string& tenant = "") {
    client_->Start({++id_, tenant, std::make_shared<const std::string>(body)});
    return Await();
  }
  ExportAnswer Await() {
    const SystemClock clock;
    const int64_t deadline = clock.MonotonicNanos() + 60 * kNanosPerSecond;
    while (clock.MonotonicNanos() < deadline) {
      const std::vector<ExportAnswer> answers = client_->Wait(kNanosPerSecond);
      if (answers.empty()) continue;
      EXPECT_EQ(answers.size(), 1U);
      EXPECT_EQ(answers.front().id, id_);
      return answers.front();
    }
    ADD_FAILURE() << "no answer";
    return {};
  }

  static LogOptions OnlyErrors() {
    LogOptions options;
    options.level = LogLevel::kError;
    return options;
  }

  ForwardOptions options_;
  FakeClock clock_;
  Logger logger_{OnlyErrors(), &clock_};
  Backend backend_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  std::unique_ptr<ExportClient> client_;
  uint64_t id_ = 0;
};

TEST_F(GrpcExportClientTest, SendsBytesAsTheyAre) {
  Serve();
  Open();
  const std::string large(300'000, 'x');
  EXPECT_EQ(Send("plain").outcome, Outcome::kTaken);
  EXPECT_EQ(Send(large).outcome, Outcome::kTaken);
  EXPECT_EQ(backend_.messages(), (std::vector<std::string>{"plain", large}));
}

TEST_F(GrpcExportClientTest, WhatIsCompressedStaysSo) {
  Serve();
  Open();
  const std::string compressed = GzipCompressor().Compress(std::string(10'000, 'x'));
  EXPECT_EQ(Send(compressed).outcome, Outcome::kTaken);
  EXPECT_EQ(backend_.messages(), std::vector<std::string>{compressed});
}

TEST_F(GrpcExportClientTest, HeadersTenantAndNameGoAlong) {
  options_.headers = {{"X-Text", {"some text", ""}},
                      {"Authorization", {"", WriteTestFile("token", "Bearer one\n")}}};
  Serve();
  Open();
  Send("a", "team");
  std::map<std::string, std::string> headers = backend_.headers();
  EXPECT_EQ(headers["x-text"], "some text");
  EXPECT_EQ(headers["authorization"], "Bearer one");
  EXPECT_EQ(headers["x-scope-orgid"], "team");
  EXPECT_THAT(headers["user-agent"], HasSubstr("spanmeter/test"));
  // The file is read again.
  WriteTestFile("token", "Bearer other\n");
  clock_.Advance(2 * kNanosPerSecond);
  Send();
  EXPECT_EQ(backend_.headers()["authorization"], "Bearer other");
}

TEST_F(GrpcExportClientTest, HeadersThatCannotBeSentKeepTheRequest) {
  options_.headers = {{"X-File", {"", WriteTestFile("value", "caf\xC3\xA9\n")}}};
  Serve();
  Open();
  const ExportAnswer answer = Send();
  EXPECT_EQ(answer.outcome, Outcome::kRetry);
  EXPECT_THAT(answer.error, HasSubstr("other characters than ASCII"));
  options_.headers = {{"X-File", {"", "/nowhere"}}};
  Open();
  EXPECT_EQ(Send().outcome, Outcome::kRetry);
}

TEST_F(GrpcExportClientTest, CodeDecides) {
  Serve();
  Open();
  using Code = grpc::StatusCode;
  for (const Code code : {Code::CANCELLED, Code::DEADLINE_EXCEEDED, Code::ABORTED,
                          Code::OUT_OF_RANGE, Code::UNAVAILABLE, Code::DATA_LOSS}) {
    backend_.AnswerWith({code, "because"});
    const ExportAnswer answer = Send();
    EXPECT_EQ(answer.outcome, Outcome::kRetry) << code;
    EXPECT_EQ(answer.wait_nanos, 0) << code;
    EXPECT_THAT(answer.error, HasSubstr(": because")) << code;
  }
  for (const Code code :
       {Code::UNKNOWN, Code::INVALID_ARGUMENT, Code::NOT_FOUND, Code::ALREADY_EXISTS,
        Code::PERMISSION_DENIED, Code::RESOURCE_EXHAUSTED, Code::FAILED_PRECONDITION,
        Code::UNIMPLEMENTED, Code::INTERNAL, Code::UNAUTHENTICATED}) {
    backend_.AnswerWith({code, "because"});
    EXPECT_EQ(Send().outcome, Outcome::kRefused) << code;
  }
}

TEST_F(GrpcExportClientTest, RetryInfoIsHonoured) {
  testing::WireWriter duration;
  duration.Varint(1, 3);
  testing::WireWriter info;
  info.Bytes(1, duration.out());
  testing::WireWriter any;
  any.Bytes(1, "type.googleapis.com/google.rpc.RetryInfo");
  any.Bytes(2, info.out());
  testing::WireWriter status;
  status.Varint(1, 8);
  status.Bytes(3, any.out());
  Serve();
  Open();
  for (const auto code : {grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::UNAVAILABLE}) {
    backend_.AnswerWith({code, "later", status.out()});
    const ExportAnswer answer = Send();
    EXPECT_EQ(answer.outcome, Outcome::kRetry);
    EXPECT_EQ(answer.wait_nanos, 3 * kNanosPerSecond);
  }
}

TEST_F(GrpcExportClientTest, PartialSuccessIsRead) {
  Serve();
  Open();
  backend_.AnswerWith(grpc::Status::OK, "\x0a\x06\x08\x05\x12\x02no");
  const ExportAnswer answer = Send();
  EXPECT_EQ(answer.outcome, Outcome::kTaken);
  EXPECT_EQ(answer.rejected_spans, 5U);
  EXPECT_EQ(answer.error, "no");
}

TEST_F(GrpcExportClientTest, NobodyThereIsTriedAgain) {
  port_ = 1;
  Open();
  const ExportAnswer answer = Send();
  EXPECT_EQ(answer.outcome, Outcome::kRetry);
  EXPECT_THAT(answer.error, HasSubstr("UNAVAILABLE"));
}

TEST_F(GrpcExportClientTest, RequestsEndAfterTheirTimeAndTheNextConnectsAnew) {
  options_.timeout = 200 * kNanosPerMilli;
  Serve();
  Open();
  backend_.FallSilent();
  const ExportAnswer answer = Send();
  EXPECT_EQ(answer.outcome, Outcome::kRetry);
  EXPECT_THAT(answer.error, HasSubstr("DEADLINE_EXCEEDED"));
  backend_.Release();
  client_.reset();
  options_.timeout = 20 * kNanosPerSecond;
  Open();
  EXPECT_EQ(Send().outcome, Outcome::kTaken);
}

TEST_F(GrpcExportClientTest, CancelledRequestsAreNotAnswered) {
  Serve();
  Open();
  backend_.FallSilent();
  for (int i = 0; i < 3; ++i) {
    client_->Start({++id_, "", std::make_shared<const std::string>("body")});
  }
  client_->CancelAll();
  EXPECT_TRUE(client_->Wait(0).empty());
  backend_.Release();
  EXPECT_EQ(Send().outcome, Outcome::kTaken);
}

TEST_F(GrpcExportClientTest, WakeEndsAWait) {
  Serve();
  Open();
  client_->Wake();
  EXPECT_TRUE(client_->Wait(3600 * kNanosPerSecond).empty());
}

class GrpcExportTlsTest : public GrpcExportClientTest {
 protected:
  // With `clients` only those come in whom it signed.
  void ServeTls(const Certificate* clients = nullptr) {
    grpc::SslServerCredentialsOptions ssl;
    ssl.pem_key_cert_pairs.push_back({server_cert_.key_pem, server_cert_.cert_pem});
    if (clients != nullptr) {
      ssl.pem_root_certs = clients->cert_pem;
      ssl.client_certificate_request = GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
    }
    Serve(grpc::SslServerCredentials(ssl));
    options_.tls_config.server_name = "localhost";
  }

  const Certificate authority_ = MakeCertificate("authority", nullptr);
  const Certificate server_cert_ = MakeCertificate("server", &authority_);
  const Certificate other_ = MakeCertificate("other authority", nullptr);
};

TEST_F(GrpcExportTlsTest, OnlyWhoIsTrustedGetsSpans) {
  ServeTls();
  options_.tls_config.ca_file = WriteTestFile("ca.pem", authority_.cert_pem);
  Open("https");
  EXPECT_EQ(Send().outcome, Outcome::kTaken);
  options_.tls_config.ca_file = WriteTestFile("other.pem", other_.cert_pem);
  Open("https");
  EXPECT_EQ(Send().outcome, Outcome::kRetry);
  options_.tls_config.ca_file.clear();  // the system's authorities
  Open("https");
  EXPECT_EQ(Send().outcome, Outcome::kRetry);
  EXPECT_EQ(backend_.messages().size(), 1U);
}

TEST_F(GrpcExportTlsTest, CertificateMustBeForTheExpectedName) {
  ServeTls();
  options_.tls_config.ca_file = WriteTestFile("ca.pem", authority_.cert_pem);
  options_.tls_config.server_name = "somebody.example";
  Open("https");
  EXPECT_EQ(Send().outcome, Outcome::kRetry);
}

TEST_F(GrpcExportTlsTest, ShowsItsOwnCertificate) {
  const Certificate clients = MakeCertificate("clients", nullptr);
  const Certificate own = MakeCertificate("client", &clients);
  ServeTls(&clients);
  options_.tls_config.ca_file = WriteTestFile("ca.pem", authority_.cert_pem);
  Open("https");
  EXPECT_EQ(Send().outcome, Outcome::kRetry);
  options_.tls_config.cert_file = WriteTestFile("own.pem", own.cert_pem);
  options_.tls_config.key_file = WriteTestFile("own.key", own.key_pem);
  Open("https");
  EXPECT_EQ(Send().outcome, Outcome::kTaken);
}

TEST_F(GrpcExportTlsTest, ChangedFilesAreTakenUp) {
  ServeTls();
  options_.tls_config.ca_file = WriteTestFile("changing.pem", other_.cert_pem);
  Open("https");
  EXPECT_EQ(Send().outcome, Outcome::kRetry);
  WriteTestFile("changing.pem", authority_.cert_pem + "\n");
  clock_.Advance(2 * kNanosPerSecond);
  EXPECT_EQ(Send().outcome, Outcome::kTaken);
}

TEST_F(GrpcExportTlsTest, MissingFilesAreSaid) {
  ServeTls();
  options_.tls_config.ca_file = "/nowhere/ca.pem";
  Open("https");
  const ExportAnswer answer = Send();
  EXPECT_EQ(answer.outcome, Outcome::kRetry);
  EXPECT_THAT(answer.error, HasSubstr("cannot read /nowhere/ca.pem"));
}

}  // namespace
}  // namespace spanmeter
