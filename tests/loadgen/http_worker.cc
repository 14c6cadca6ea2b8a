#include "loadgen/http_worker.h"

#include <algorithm>
#include <chrono>
#include <new>
#include <thread>

#include <curl/curl.h>

#include "loadgen/byte_buffers.h"

namespace spanmeter::loadgen {

namespace {

using Clock = std::chrono::system_clock;

constexpr long kConnectTimeoutMillis = 5000;

size_t Append(char* data, size_t size, size_t count, void* to) {
  static_cast<std::string*>(to)->append(data, size * count);
  return size * count;
}

}  // namespace

class HttpWorker::Connection {
 public:
  explicit Connection(const LoadOptions& options) : curl_(curl_easy_init()) {
    if (curl_ == nullptr) throw std::bad_alloc();
    AddHeader("Content-Type: application/x-protobuf");
    AddHeader("Expect:");  // curl would wait for an answer before it sends larger bodies
    if (options.gzip) AddHeader("Content-Encoding: gzip");
    const std::string scheme = options.tls_ca_file.empty() ? "http://" : "https://";
    Set(CURLOPT_URL, (scheme + options.target + "/v1/traces").c_str());
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_PROXY, "");
    Set(CURLOPT_CONNECTTIMEOUT_MS, kConnectTimeoutMillis);
    Set(CURLOPT_WRITEFUNCTION, &Append);
    Set(CURLOPT_WRITEDATA, &response_);
    Set(CURLOPT_HTTPHEADER, headers_);
    const long deadline = options.deadline_nanos / 1'000'000;
    Set(CURLOPT_TIMEOUT_MS, std::max(deadline, 1L));
    for (const auto& [option, file] : {std::pair{CURLOPT_CAINFO, &options.tls_ca_file},
                                       std::pair{CURLOPT_SSLCERT, &options.tls_cert_file},
                                       std::pair{CURLOPT_SSLKEY, &options.tls_key_file}}) {
      if (!file->empty()) Set(option, file->c_str());
    }
  }
  ~Connection() {
    curl_easy_cleanup(curl_);
    curl_slist_free_all(headers_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Opens a connection and nothing more.
  CURLcode Open() {
    Set(CURLOPT_CONNECT_ONLY, 1L);
    return curl_easy_perform(curl_);
  }

  // Sends a body, compressed already where it is to be; the answer's status is in status() then.
  CURLcode Post(const std::string& body) {
    Set(CURLOPT_POST, 1L);
    Set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    Set(CURLOPT_POSTFIELDS, body.data());
    response_.clear();
    return curl_easy_perform(curl_);
  }
  long status() const {
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }
  const std::string& response() const { return response_; }

 private:
  template <typename T>
  void Set(CURLoption option, T value) {
    curl_easy_setopt(curl_, option, value);
  }
  void AddHeader(const char* line) { headers_ = curl_slist_append(headers_, line); }

  CURL* const curl_;
  curl_slist* headers_ = nullptr;
  std::string response_;
};

HttpWorker::HttpWorker(const LoadOptions& options, Pacer* pacer, BatchSource* source)
    : pacer_(pacer), source_(source), connection_(std::make_unique<Connection>(options)) {}

HttpWorker::~HttpWorker() = default;

bool HttpWorker::CanConnect(const LoadOptions& options, std::string* error) {
  Connection connection(options);
  const CURLcode code = connection.Open();
  if (code == CURLE_OK) return true;
  *error = "cannot connect to " + options.target + ": " + curl_easy_strerror(code);
  return false;
}

void HttpWorker::SendAll() {
  Clock::time_point when;
  std::string body;
  while (pacer_->Claim(&when)) {
    const Clock::time_point now = Clock::now();
    if (when > now) {
      // Claimed again when the time has come: by then there may be enough.
      std::this_thread::sleep_until(std::min(when, now + kLongestWait));
      continue;
    }
    const Batch batch = source_->Next();
    pacer_->Sent(batch.spans);
    body = BytesOf(batch.message);
    const auto sent_at = std::chrono::steady_clock::now();
    const CURLcode code = connection_->Post(body);
    const long status = code == CURLE_OK ? connection_->status() : 0;
    const auto latency = std::chrono::steady_clock::now() - sent_at;
    Update([&](Score* score) {
      ++score->requests;
      score->sent_spans += batch.spans;
      if (status != 200) {
        const std::string name = code == CURLE_OK ? "HTTP " + std::to_string(status) : "no answer";
        score->refused_spans[name] += batch.spans;
        score->error_example.emplace(
            name, code == CURLE_OK ? connection_->response() : curl_easy_strerror(code));
        return;
      }
      const uint64_t rejected = std::min(RejectedSpans(connection_->response()), batch.spans);
      score->rejected_spans += rejected;
      score->acknowledged_spans += batch.spans - rejected;
      score->latency.Add(std::chrono::duration_cast<std::chrono::nanoseconds>(latency).count());
    });
    if (status != 200) std::this_thread::sleep_for(kRefusedPause);
  }
}

}  // namespace spanmeter::loadgen
