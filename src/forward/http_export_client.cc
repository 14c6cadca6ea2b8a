#include "forward/http_export_client.h"

#include <array>
#include <utility>

#include "spanmeter/curl_client.h"
#include "spanmeter/retry_after.h"

#include "forward/gzip_stream.h"
#include "forward/otlp_answer.h"

namespace spanmeter {

namespace {

constexpr size_t kMaxErrorText = 256;

// What is worth sending again (OTLP/HTTP, "Retryable response codes"); 0 is no answer.
constexpr std::array<int, 5> kRetryableStatuses = {0, 429, 502, 503, 504};

bool IsSuccess(int status) { return status >= 200 && status < 300; }

bool IsRetryable(int status) {
  for (const int retryable : kRetryableStatuses) {
    if (status == retryable) return true;
  }
  return false;
}

// What the receiver said, for people.
std::string Describe(const HttpResponse& response) {
  if (response.status == 0) return response.error;
  std::string text = "HTTP " + std::to_string(response.status);
  const auto type = response.headers.find("content-type");
  const bool is_status =
      type != response.headers.end() && type->second.starts_with("application/x-protobuf");
  std::string body = is_status ? ReadStatusMessage(response.body) : response.body;
  body.resize(std::min(body.size(), kMaxErrorText));
  while (!body.empty() && (body.back() == '\n' || body.back() == ' ')) body.pop_back();
  if (!body.empty()) text.append(": ").append(body);
  return text;
}

class HttpExportClient final : public ExportClient {
 public:
  HttpExportClient(std::unique_ptr<HttpClient> http, const Clock* clock)
      : http_(std::move(http)), clock_(clock) {}

  void Start(ExportRequest request) override {
    HttpRequest post;
    post.id = request.id;
    post.headers["Content-Type"] = "application/x-protobuf";
    if (IsGzip(*request.body)) post.headers["Content-Encoding"] = "gzip";
    if (!request.tenant.empty()) post.headers["X-Scope-OrgID"] = std::move(request.tenant);
    post.shared_body = std::move(request.body);
    http_->Start(std::move(post));
  }

  std::vector<ExportAnswer> Wait(int64_t timeout_nanos) override {
    std::vector<ExportAnswer> answers;
    for (const HttpResponse& response : http_->Wait(timeout_nanos)) {
      answers.push_back(ToAnswer(response));
    }
    return answers;
  }

  void CancelAll() override { http_->CancelAll(); }
  void Wake() override { http_->Wake(); }

 private:
  ExportAnswer ToAnswer(const HttpResponse& response) const {
    ExportAnswer answer;
    answer.id = response.id;
    if (IsSuccess(response.status)) {
      answer.outcome = ExportAnswer::Outcome::kTaken;
      PartialSuccess partial = ReadPartialSuccess(response.body);
      answer.rejected_spans = partial.rejected_spans;
      answer.error = std::move(partial.message);
      return answer;
    }
    answer.error = Describe(response);
    if (!IsRetryable(response.status)) {
      answer.outcome = ExportAnswer::Outcome::kRefused;
      return answer;
    }
    const auto retry_after = response.headers.find("retry-after");
    if (retry_after != response.headers.end()) {
      answer.wait_nanos = RetryAfterNanos(retry_after->second, clock_->WallNanos());
    }
    return answer;
  }

  const std::unique_ptr<HttpClient> http_;
  const Clock* const clock_;
};

}  // namespace

std::string ExportUrl(const std::string& endpoint) {
  const size_t host = endpoint.find("://");
  if (host == std::string::npos) return endpoint;
  const size_t path = endpoint.find('/', host + 3);
  if (path == std::string::npos) return endpoint + "/v1/traces";
  return path + 1 == endpoint.size() ? endpoint + "v1/traces" : endpoint;
}

std::unique_ptr<ExportClient> NewHttpExportClient(std::unique_ptr<HttpClient> http,
                                                  const Clock* clock) {
  return std::make_unique<HttpExportClient>(std::move(http), clock);
}

std::unique_ptr<ExportClient> NewHttpExportClient(const ForwardOptions& options,
                                                  const std::string& user_agent, const Clock* clock,
                                                  const Logger* logger) {
  HttpClientOptions http;
  http.url = ExportUrl(options.endpoint);
  http.remote_timeout = options.timeout;
  http.headers = options.headers;
  http.tls_config = options.tls_config;
  return NewHttpExportClient(NewCurlClient(http, user_agent, clock, logger), clock);
}

}  // namespace spanmeter
