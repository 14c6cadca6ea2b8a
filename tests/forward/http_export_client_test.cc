#include "forward/http_export_client.h"

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using Outcome = ExportAnswer::Outcome;
using testing::Contains;
using testing::Not;
using testing::Pair;

// Answers everything with one response.
class FakeHttp final : public HttpClient {
 public:
  void Start(HttpRequest request) override {
    HttpResponse answer = response;
    answer.id = request.id;
    answers_.push_back(std::move(answer));
    requests.push_back(std::move(request));
  }
  std::vector<HttpResponse> Wait(int64_t /*timeout_nanos*/) override {
    return std::exchange(answers_, {});
  }
  void CancelAll() override { answers_.clear(); }
  void Wake() override {}

  HttpResponse response;
  std::vector<HttpRequest> requests;

 private:
  std::vector<HttpResponse> answers_;
};

class HttpExportClientTest : public testing::Test {
 protected:
  HttpExportClientTest() {
    auto http = std::make_unique<FakeHttp>();
    http_ = http.get();
    client_ = NewHttpExportClient(std::move(http), &clock_);
  }
  ExportAnswer Send(const std::string& body = "body", const std::string& tenant = "") {
    client_->Start({++id_, tenant, std::make_shared<const std::string>(body)});
    std::vector<ExportAnswer> answers = client_->Wait(0);
    EXPECT_EQ(answers.size(), 1U);
    EXPECT_EQ(answers.front().id, id_);
    return answers.front();
  }
  ExportAnswer SendTo(int status, std::map<std::string, std::string> headers = {},
                      const std::string& body = "") {
    http_->response.status = status;
    http_->response.headers = std::move(headers);
    (status == 0 ? http_->response.error : http_->response.body) = body;
    return Send();
  }

  FakeClock clock_;
  FakeHttp* http_ = nullptr;
  std::unique_ptr<ExportClient> client_;
  uint64_t id_ = 0;
};

TEST_F(HttpExportClientTest, SaysWhatItSends) {
  http_->response.status = 200;
  Send("plain");
  Send("\x1f\x8b", "team");
  EXPECT_THAT(http_->requests[0].headers, Contains(Pair("Content-Type", "application/x-protobuf")));
  EXPECT_THAT(http_->requests[0].headers, Not(Contains(Pair("Content-Encoding", "gzip"))));
  EXPECT_EQ(http_->requests[0].headers.count("X-Scope-OrgID"), 0U);
  EXPECT_EQ(http_->requests[0].content(), "plain");
  EXPECT_THAT(http_->requests[1].headers, Contains(Pair("Content-Encoding", "gzip")));
  EXPECT_THAT(http_->requests[1].headers, Contains(Pair("X-Scope-OrgID", "team")));
}

TEST_F(HttpExportClientTest, StatusDecides) {
  for (const int status : {200, 202, 204}) {
    EXPECT_EQ(SendTo(status).outcome, Outcome::kTaken) << status;
  }
  for (const int status : {0, 429, 502, 503, 504}) {
    EXPECT_EQ(SendTo(status).outcome, Outcome::kRetry) << status;
  }
  for (const int status : {301, 400, 401, 403, 404, 405, 408, 413, 415, 500, 501}) {
    EXPECT_EQ(SendTo(status).outcome, Outcome::kRefused) << status;
  }
}

TEST_F(HttpExportClientTest, RetryAfterIsHonoured) {
  EXPECT_EQ(SendTo(503, {{"retry-after", "7"}}).wait_nanos, 7 * kNanosPerSecond);
  EXPECT_EQ(SendTo(503).wait_nanos, 0);
}

TEST_F(HttpExportClientTest, ErrorsSayWhatTheReceiverSaid) {
  EXPECT_EQ(SendTo(0, {}, "no route").error, "no route");
  EXPECT_EQ(SendTo(400, {{"content-type", "text/plain"}}, "bad spans\n").error,
            "HTTP 400: bad spans");
  EXPECT_EQ(SendTo(400, {{"content-type", "application/x-protobuf"}},
                   "\x12\x03"
                   "bad")
                .error,
            "HTTP 400: bad");
}

TEST_F(HttpExportClientTest, PartialSuccessIsRead) {
  const ExportAnswer answer = SendTo(200, {}, "\x0a\x06\x08\x05\x12\x02no");
  EXPECT_EQ(answer.outcome, Outcome::kTaken);
  EXPECT_EQ(answer.rejected_spans, 5U);
  EXPECT_EQ(answer.error, "no");
}

TEST(ExportUrlTest, EndpointsWithoutAPathGetOtlps) {
  EXPECT_EQ(ExportUrl("http://tempo:4318"), "http://tempo:4318/v1/traces");
  EXPECT_EQ(ExportUrl("https://tempo/"), "https://tempo/v1/traces");
  EXPECT_EQ(ExportUrl("http://gateway/otlp/v1/traces"), "http://gateway/otlp/v1/traces");
}

}  // namespace
}  // namespace spanmeter
