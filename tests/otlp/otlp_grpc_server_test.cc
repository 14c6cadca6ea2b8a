// The gRPC port, seen by real gRPC clients.

#include "spanmeter/otlp_grpc_server.h"

#include <chrono>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "otlp/grpc_client.h"
#include "otlp/grpc_server_fixture.h"
#include "otlp/test_gzip.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using testing::GrpcClient;
using testing::GrpcReply;
using testing::Gzip;
using ::testing::HasSubstr;
using testing::RequestOf;
using testing::SpanBuilder;

namespace pb = opentelemetry::proto::collector::trace::v1;

class OtlpGrpcServerTest : public testing::GrpcServerFixture {};

TEST_F(OtlpGrpcServerTest, CountsPlainRequests) {
  Start();
  const GrpcReply small = client_->Export(RequestOf(1));
  EXPECT_TRUE(small.status.ok()) << small.status.error_message();
  EXPECT_EQ("", small.response);
  EXPECT_TRUE(client_->Export(RequestOf(1000)).status.ok());
  EXPECT_EQ(1001, test_.Calls());
  EXPECT_EQ(2, Answered("OK"));
  EXPECT_EQ(2, test_.Self("spanmeter_otlp_request_duration_seconds"));
  EXPECT_EQ(2, test_.Self("spanmeter_otlp_request_size_bytes"));
  EXPECT_EQ(0, test_.Self("spanmeter_otlp_in_flight_bytes"));
  EXPECT_EQ(4 << 20, test_.Self("spanmeter_otlp_max_in_flight_bytes"));
}

TEST_F(OtlpGrpcServerTest, CountsRequestsThatTheClientLibraryCompressed) {
  Start();
  for (const int spans : {10, 1000}) {
    const GrpcReply reply = client_->Export(RequestOf(spans), [](grpc::ClientContext* context) {
      context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
    });
    EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
  }
  EXPECT_EQ(1010, test_.Calls());
}

TEST_F(OtlpGrpcServerTest, TheGeneratedClientUnderstandsTheAnswer) {
  Start();
  const auto stub = pb::TraceService::NewStub(client_->channel());
  pb::ExportTraceServiceRequest request;
  auto* const spans = request.add_resource_spans()->add_scope_spans();
  spans->add_spans()->set_trace_id("too short");
  auto* const good = spans->add_spans();
  good->set_trace_id(SpanBuilder::IdBytes(1, 16));
  good->set_span_id(SpanBuilder::IdBytes(1, 8));
  pb::ExportTraceServiceResponse response;
  grpc::ClientContext context;
  const grpc::Status status = stub->Export(&context, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(1, response.partial_success().rejected_spans());
  EXPECT_THAT(response.partial_success().error_message(),
              HasSubstr("trace_id has 9 bytes instead of 16"));
  EXPECT_EQ(1, test_.Calls());

  request.mutable_resource_spans(0)->mutable_scope_spans(0)->mutable_spans()->DeleteSubrange(0, 1);
  grpc::ClientContext again;
  ASSERT_TRUE(stub->Export(&again, request, &response).ok());
  EXPECT_FALSE(response.has_partial_success());
}

TEST_F(OtlpGrpcServerTest, OtherEncodingsAreUnimplemented) {
  Start();
  const GrpcReply reply = client_->Export(RequestOf(100), [](grpc::ClientContext* context) {
    context->set_compression_algorithm(GRPC_COMPRESS_DEFLATE);
  });
  EXPECT_EQ(grpc::StatusCode::UNIMPLEMENTED, reply.status.error_code());
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(OtlpGrpcServerTest, MalformedRequestsAreInvalidArguments) {
  Start();
  const GrpcReply garbage = client_->Export("this is no protobuf");
  EXPECT_EQ(grpc::StatusCode::INVALID_ARGUMENT, garbage.status.error_code());
  EXPECT_THAT(garbage.status.error_message(), HasSubstr("malformed protobuf at byte "));
  const std::string compressed = Gzip(RequestOf(10));
  const GrpcReply truncated = client_->Export(compressed.substr(0, compressed.size() / 2));
  EXPECT_EQ(grpc::StatusCode::INVALID_ARGUMENT, truncated.status.error_code());
  EXPECT_THAT(truncated.status.error_message(), HasSubstr("corrupt or truncated gzip"));
  EXPECT_EQ(2, Answered("INVALID_ARGUMENT"));
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(OtlpGrpcServerTest, ACallWithoutAMessageIsAnInvalidArgument) {
  Start();
  grpc::GenericStub stub(client_->channel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareCall(
      &context, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", &queue);
  void* tag = nullptr;
  bool ok = false;
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  call->WritesDone(nullptr);
  queue.Next(&tag, &ok);
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  EXPECT_EQ(grpc::StatusCode::INVALID_ARGUMENT, status.error_code());
}

TEST_F(OtlpGrpcServerTest, RequestsOverTheSizeLimitAreExhaustedForGood) {
  Start();
  const std::string too_large(options_.max_message_size + 1, '\0');
  // Refused by gRPC before it reads all of it.
  const GrpcReply plain = client_->Export(too_large);
  EXPECT_EQ(grpc::StatusCode::RESOURCE_EXHAUSTED, plain.status.error_code());
  EXPECT_EQ("", plain.status.error_details());
  // Small on the wire.
  const GrpcReply bomb = client_->Export(too_large, [](grpc::ClientContext* context) {
    context->set_compression_algorithm(GRPC_COMPRESS_GZIP);
  });
  EXPECT_EQ(grpc::StatusCode::RESOURCE_EXHAUSTED, bomb.status.error_code());
  EXPECT_THAT(bomb.status.error_message(), HasSubstr("max_message_size"));
  EXPECT_EQ("", bomb.status.error_details());
  EXPECT_TRUE(client_->Export(RequestOf(1)).status.ok());
  EXPECT_EQ(1, Answered("RESOURCE_EXHAUSTED"));
}

TEST_F(OtlpGrpcServerTest, UnderOverloadClientsAreToldToRetry) {
  const std::string held = RequestOf(100);
  options_.max_in_flight = held.size();
  Start();
  test_.clock.HoldNext();
  std::thread other([&] { EXPECT_TRUE(client_->Export(held).status.ok()); });
  test_.clock.WaitUntilHolding();

  GrpcClient second(server_->address());
  const GrpcReply reply = second.Export(RequestOf(1));
  EXPECT_EQ(grpc::StatusCode::RESOURCE_EXHAUSTED, reply.status.error_code());
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(reply.status.error_details()));
  EXPECT_EQ(grpc::StatusCode::RESOURCE_EXHAUSTED, details.code());
  EXPECT_EQ(reply.status.error_message(), details.message());
  ASSERT_EQ(1, details.details_size());
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(details.details(0).UnpackTo(&retry));
  EXPECT_EQ(1, retry.retry_delay().seconds());

  test_.clock.Release();
  other.join();
  EXPECT_TRUE(second.Export(RequestOf(1)).status.ok());
  EXPECT_EQ(101, test_.Calls());
}

TEST_F(OtlpGrpcServerTest, SpansMayBeKeptOutOfTheMetrics) {
  Start();
  for (const char* value : {"", "1", "false"}) {
    const GrpcReply reply = client_->Export(RequestOf(10), [value](grpc::ClientContext* context) {
      context->AddMetadata("no-generate-metrics", value);
    });
    EXPECT_TRUE(reply.status.ok());
  }
  EXPECT_EQ(0, test_.Calls());
  EXPECT_EQ(3, Answered("OK"));
}

TEST_F(OtlpGrpcServerTest, ACallThatTheClientCancelledIsNotCounted) {
  Start();
  test_.clock.HoldNext();
  grpc::ClientContext context;
  GrpcReply reply;
  std::thread caller([&] { reply = client_->ExportWith(RequestOf(10), &context); });
  test_.clock.WaitUntilHolding();
  context.TryCancel();
  caller.join();
  EXPECT_EQ(grpc::StatusCode::CANCELLED, reply.status.error_code());
  // The cancellation went ahead of these on the same connection.
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client_->Export("").status.ok());
  test_.clock.Release();
  server_->Shutdown(10 * kNanosPerSecond);
  EXPECT_EQ(0, test_.Calls());
  EXPECT_EQ(1, Answered("CANCELLED"));
}

TEST_F(OtlpGrpcServerTest, ACallPastItsDeadlineIsNotCounted) {
  Start();
  test_.clock.HoldNext();
  const auto deadline = std::chrono::system_clock::now() + std::chrono::milliseconds(300);
  const GrpcReply reply = client_->Export(
      RequestOf(10), [&](grpc::ClientContext* context) { context->set_deadline(deadline); });
  EXPECT_EQ(grpc::StatusCode::DEADLINE_EXCEEDED, reply.status.error_code());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(client_->Export("").status.ok());
  test_.clock.Release();
  server_->Shutdown(10 * kNanosPerSecond);
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(OtlpGrpcServerTest, ThePortIsTakenOnlyOnce) {
  Start();
  options_.listen = server_->address();
  EXPECT_THAT(options_.listen, ::testing::MatchesRegex("127\\.0\\.0\\.1:[0-9]+"));
  std::string error;
  SelfMetrics metrics;
  EXPECT_EQ(nullptr, OtlpGrpcServer::Start(options_, &test_.tenants, &test_.clock, &test_.logger,
                                           &metrics, &error));
  EXPECT_THAT(error, HasSubstr("cannot listen on " + options_.listen + ": "));
}

}  // namespace
}  // namespace spanmeter
