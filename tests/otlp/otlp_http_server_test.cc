// What the port answers to requests as the OTLP specification has them.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/status.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "otlp/http_server_fixture.h"
#include "otlp/test_gzip.h"

namespace spanmeter {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
using testing::Gzip;
using ::testing::HasSubstr;
using testing::HttpAnswer;
using testing::HttpClient;
using testing::kJson;
using testing::kProtobuf;

constexpr char kOneSpan[] = R"({"resourceSpans": [{
  "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
  "scopeSpans": [{"spans": [{
    "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "eee19b7ec3c1b174", "name": "buy",
    "kind": 2, "startTimeUnixNano": "1544712660000000000", "endTimeUnixNano": "1544712661000000000"
  }]}]}]})";

// A span with a trace id of 15 bytes.
constexpr char kInvalidSpan[] = R"({"resourceSpans": [{"scopeSpans": [{"spans": [{
    "traceId": "5b8efff798038103d269b633813fc6", "spanId": "eee19b7ec3c1b174", "name": "buy"
  }]}]}]})";

std::string InvalidSpan() {
  return testing::RequestBuilder()
      .Span(testing::SpanBuilder().TraceId("short").SpanId("12345678"))
      .Encode();
}

google::rpc::Status StatusIn(const HttpAnswer& answer) {
  google::rpc::Status status;
  EXPECT_EQ(kProtobuf, answer.fields.at("content-type"));
  EXPECT_TRUE(status.ParseFromString(answer.body));
  return status;
}

class OtlpHttpServerTest : public testing::HttpServerFixture {};

TEST_F(OtlpHttpServerTest, CountsSpansInProtobuf) {
  Start();
  HttpClient client(address());
  const HttpAnswer answer = client.Post(RequestOf(100), kProtobuf);
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ(kProtobuf, answer.fields.at("content-type"));
  EXPECT_EQ("", answer.body);  // the encoding of an empty ExportTraceServiceResponse
  EXPECT_EQ(100, test_.Calls());
  EXPECT_EQ(1, Answered("200"));
}

TEST_F(OtlpHttpServerTest, CountsSpansInJson) {
  Start();
  HttpClient client(address());
  const HttpAnswer answer = client.Post(kOneSpan, kJson);
  EXPECT_EQ(200, answer.status);
  EXPECT_EQ(kJson, answer.fields.at("content-type"));
  EXPECT_EQ("{}", answer.body);
  EXPECT_EQ(1, test_.Calls());
}

TEST_F(OtlpHttpServerTest, ManyRequestsShareAConnection) {
  Start();
  HttpClient client(address());
  for (int i = 0; i < 100; ++i) {
    const HttpAnswer answer = client.Post(RequestOf(3), kProtobuf);
    ASSERT_EQ(200, answer.status);
    ASSERT_EQ("keep-alive", answer.fields.at("connection"));
  }
  EXPECT_EQ(300, test_.Calls());
}

TEST_F(OtlpHttpServerTest, MediaTypesMayHaveParametersAndAnyCase) {
  Start();
  HttpClient client(address());
  EXPECT_EQ(200, client.Post(kOneSpan, "Application/JSON; charset=utf-8").status);
  EXPECT_EQ(200, client.Post(RequestOf(1), "application/x-protobuf ;a=b").status);
  EXPECT_EQ(2, test_.Calls());
}

TEST_F(OtlpHttpServerTest, InflatesGzip) {
  Start();
  HttpClient client(address());
  EXPECT_EQ(200, client.Post(Gzip(RequestOf(500)), kProtobuf, "Content-Encoding: gzip\r\n").status);
  EXPECT_EQ(200, client.Post(Gzip(kOneSpan), kJson, "Content-Encoding: GZIP\r\n").status);
  EXPECT_EQ(200, client.Post(RequestOf(1), kProtobuf, "Content-Encoding: identity\r\n").status);
  EXPECT_EQ(502, test_.Calls());
}

TEST_F(OtlpHttpServerTest, WhatIsNotCompressedAsItSaysIsMalformed) {
  Start();
  HttpClient client(address());
  EXPECT_EQ(400, client.Post(RequestOf(1), kProtobuf, "Content-Encoding: gzip\r\n").status);
  EXPECT_EQ(400, client.Post(Gzip(RequestOf(1)), kProtobuf).status);
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(OtlpHttpServerTest, SpansWithInvalidIdsAreRejectedAlone) {
  Start();
  HttpClient client(address());
  HttpAnswer answer = client.Post(InvalidSpan(), kProtobuf);
  EXPECT_EQ(200, answer.status);
  ExportTraceServiceResponse response;
  ASSERT_TRUE(response.ParseFromString(answer.body));
  EXPECT_EQ(1, response.partial_success().rejected_spans());
  EXPECT_THAT(response.partial_success().error_message(), HasSubstr("1 of 1 spans"));

  answer = client.Post(kInvalidSpan, kJson);
  EXPECT_EQ(200, answer.status);
  EXPECT_THAT(answer.body, HasSubstr(R"({"partialSuccess":{"rejectedSpans":"1","errorMessage":")"));
}

TEST_F(OtlpHttpServerTest, WhatCannotBeReadIsRefusedInTheRequestsEncoding) {
  Start();
  HttpClient client(address());
  HttpAnswer answer = client.Post("\x0b", kProtobuf);
  EXPECT_EQ(400, answer.status);
  EXPECT_EQ(3, StatusIn(answer).code());  // INVALID_ARGUMENT
  EXPECT_THAT(StatusIn(answer).message(), HasSubstr("malformed protobuf at byte 1"));

  answer = client.Post(R"({"resourceSpans": 1})", kJson);
  EXPECT_EQ(400, answer.status);
  EXPECT_EQ(kJson, answer.fields.at("content-type"));
  EXPECT_THAT(answer.body, HasSubstr(R"({"code":3,"message":"cannot decode the request: )"
                                     "resourceSpans: must be a list at byte 18"));
  EXPECT_EQ(2, Answered("400"));
  // The connection goes on.
  EXPECT_EQ(200, client.Post(RequestOf(1), kProtobuf).status);
}

TEST_F(OtlpHttpServerTest, OtherMediaTypesAreRefused) {
  Start();
  for (const char* type : {"text/plain", "application/xml", "application/jsonx", ""}) {
    HttpClient client(address());
    const HttpAnswer answer = client.Post(RequestOf(1), type);
    EXPECT_EQ(415, answer.status) << type;
    EXPECT_THAT(answer.body, HasSubstr("application/x-protobuf or application/json"));
  }
  EXPECT_EQ(0, test_.Calls());
}

TEST_F(OtlpHttpServerTest, OtherCompressionsAreRefusedWithWhatIsTaken) {
  Start();
  for (const char* coding : {"zstd", "deflate", "gzip, gzip"}) {
    HttpClient client(address());
    const HttpAnswer answer =
        client.Post(RequestOf(1), kProtobuf, std::string("Content-Encoding: ") + coding + "\r\n");
    EXPECT_EQ(415, answer.status) << coding;
    EXPECT_EQ("gzip", answer.fields.at("accept-encoding"));
    EXPECT_THAT(StatusIn(answer).message(), HasSubstr("gzip"));
  }
}

TEST_F(OtlpHttpServerTest, OtherPathsAndMethodsAreRefused) {
  Start();
  HttpClient client(address());
  client.Send("GET /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n");
  HttpAnswer answer = client.Receive();
  EXPECT_EQ(405, answer.status);
  EXPECT_EQ("POST", answer.fields.at("allow"));
  client.Send("GET /v1/metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  answer = client.Receive();
  EXPECT_EQ(404, answer.status);
  EXPECT_THAT(answer.body, HasSubstr("/v1/traces"));
  // Without CORS.
  client.Send("OPTIONS /v1/traces HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(405, client.Receive().status);
  EXPECT_EQ(2, Answered("405"));
  EXPECT_EQ(1, Answered("404"));
}

TEST_F(OtlpHttpServerTest, AQueryBehindThePathDoesNotMatter) {
  Start();
  HttpClient client(address());
  client.Send(
      "POST /v1/traces?key=1 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
      "Content-Length: 2\r\n\r\n{}");
  EXPECT_EQ(200, client.Receive().status);
}

TEST_F(OtlpHttpServerTest, SpansNeedNotBecomeMetrics) {
  Start();
  HttpClient client(address());
  EXPECT_EQ(200, client.Post(RequestOf(10), kProtobuf, "No-Generate-Metrics: 1\r\n").status);
  EXPECT_EQ(0, test_.Calls());
  EXPECT_EQ(10, test_.Self("spanmeter_spans_received_total"));
}

TEST_F(OtlpHttpServerTest, TokensDecideBeforeTheBodyIsRead) {
  const std::string file = ::testing::TempDir() + "otlp_http_token";
  FILE* const out = fopen(file.c_str(), "w");
  fputs("0123456789abcdef0123\n", out);
  fclose(out);
  options_.tokens = {{file, ""}};
  Start();
  HttpClient refused(address());
  refused.Send(
      "POST /v1/traces HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n"
      "Content-Length: 1000\r\n\r\n");
  const HttpAnswer answer = refused.Receive();
  EXPECT_EQ(401, answer.status);
  EXPECT_EQ("Bearer realm=\"spanmeter\"", answer.fields.at("www-authenticate"));
  EXPECT_EQ(16, StatusIn(answer).code());  // UNAUTHENTICATED
  EXPECT_EQ(1, test_.Self("spanmeter_otlp_auth_failures_total", "reason", "missing"));

  HttpClient client(address());
  EXPECT_EQ(200,
            client.Post(RequestOf(1), kProtobuf, "Authorization: Bearer 0123456789abcdef0123\r\n")
                .status);
}

TEST_F(OtlpHttpServerTest, TheReceivedSizeIsThatOfTheWire) {
  Start();
  HttpClient client(address());
  const std::string body = Gzip(RequestOf(500));
  client.Post(body, kProtobuf, "Content-Encoding: gzip\r\n");
  for (const auto& family : test_.metrics.Collect()) {
    if (family.name != "spanmeter_otlp_request_size_bytes") continue;
    EXPECT_EQ(static_cast<double>(body.size()), family.metric.front().histogram.sample_sum);
    return;
  }
  FAIL() << "there is no such metric";
}

TEST(OtlpHttpTenantsTest, TheTenantIsThatOfTheHeader) {
  Options tenancy = testing::TestGenerator::AnyTime();
  tenancy.tenancy.enabled = true;
  tenancy.tenancy.max_tenants = 1;
  testing::TestGenerator test(tenancy);
  OtlpHttpOptions options;
  options.listen = "127.0.0.1:0";
  std::string error;
  const auto server = OtlpHttpServer::Open(options, &test.tenants, &test.clock, &test.logger,
                                           &test.metrics, &error);
  ASSERT_NE(nullptr, server) << error;
  server->Serve();
  HttpClient client(server->address());
  EXPECT_EQ(200, client.Post(kOneSpan, kJson, "X-Scope-OrgID: team-a\r\n").status);
  EXPECT_TRUE(test.tenants.Has("team-a"));
  EXPECT_EQ(401, client.Post(kOneSpan, kJson).status);
  // No place for it: told at once, and without the advice to come again soon.
  const HttpAnswer answer = client.Post(kOneSpan, kJson, "x-scope-orgid: team-b\r\n");
  EXPECT_EQ(429, answer.status);
  EXPECT_EQ(0, answer.fields.count("retry-after"));
}

TEST(OtlpHttpListenTest, APortThatIsTakenIsAnError) {
  testing::TestGenerator test;
  OtlpHttpOptions options;
  options.listen = "127.0.0.1:0";
  std::string error;
  const auto first = OtlpHttpServer::Open(options, &test.tenants, &test.clock, &test.logger,
                                          &test.metrics, &error);
  ASSERT_NE(nullptr, first) << error;
  options.listen = first->address();
  testing::TestGenerator other;
  EXPECT_EQ(nullptr, OtlpHttpServer::Open(options, &other.tenants, &other.clock, &other.logger,
                                          &other.metrics, &error));
  EXPECT_THAT(error, HasSubstr("cannot listen on " + options.listen));
}

}  // namespace
}  // namespace spanmeter
