// A server with fake content, for tests.

#ifndef SPANMETER_TESTS_HTTP_SERVER_FIXTURE_H_
#define SPANMETER_TESTS_HTTP_SERVER_FIXTURE_H_

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <sys/mman.h>

#include "spanmeter/http_server.h"
#include "spanmeter/log.h"
#include "spanmeter/self_metrics.h"

#include "http/civetweb_server.h"
#include "http/http_client.h"
#include "support/fake_clock.h"

namespace spanmeter {

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() : log_fd_(memfd_create("log", MFD_CLOEXEC)), logger_({}, &clock_, log_fd_) {
    options_.listen = "127.0.0.1:0";
    limits_.threads = 16;
    limits_.keep_alive_connections = 8;
    limits_.request_timeout_ms = 1000;
    limits_.keep_alive_timeout_ms = 1000;
  }
  ~HttpServerTest() override {
    server_.reset();
    close(log_fd_);
  }

  void Start() {
    HttpContent content;
    content.visit_generated = [this](const std::optional<std::string>& tenant, SampleSink* sink) {
      return tenant ? visit_tenant_(*tenant, sink) : visit_(sink);
    };
    content.has_tenant = [](const std::string& tenant) { return tenant == kTenant; };
    content.reload = [this] { return reload_(); };
    content.api = [this](const std::string& path, const std::string& query) {
      return api_(path, query);
    };
    content.ready = [this] { return ready_.load(); };
    std::string error;
    server_ =
        CivetWebServer::Start(options_, limits_, content, &clock_, &logger_, &metrics_, &error);
    ASSERT_NE(server_, nullptr) << error;
  }

  std::string address() const { return server_->address(); }
  // All that was logged so far.
  std::string Log() const {
    std::string log(static_cast<size_t>(lseek(log_fd_, 0, SEEK_END)), '\0');
    log.resize(static_cast<size_t>(pread(log_fd_, log.data(), log.size(), 0)));
    return log;
  }
  HttpResponse Get(std::string_view path, std::string_view headers = "") {
    return Fetch(address(), "GET", path, headers);
  }
  // Whether /metrics/self shows the line. An answer is counted after its last byte has left, so
  // the count may come a little later than the answer.
  bool SelfShows(const std::string& line) {
    constexpr int kAttempts = 5000;
    for (int i = 0; i < kAttempts; ++i) {
      if (("\n" + Get("/metrics/self").body).find("\n" + line + "\n") != std::string::npos) {
        return true;
      }
    }
    return false;
  }

  static bool VisitSeries(int count, SampleSink* sink) {
    MetricInfo info;
    info.name = "generated_total";
    info.help = "Generated.";
    if (!sink->BeginMetric(info)) return false;
    for (int i = 0; i < count; ++i) {
      if (!sink->Number("series=\"" + std::to_string(i) + "\"", i, 1'700'000'000'000)) return false;
    }
    return true;
  }
  // Presents series until the sink ends the visit.
  static bool VisitForever(SampleSink* sink) {
    while (VisitSeries(10'000, sink)) {
    }
    return false;
  }

  FakeClock clock_;
  const int log_fd_;
  Logger logger_;
  SelfMetrics metrics_;
  HttpOptions options_;
  HttpLimits limits_;
  std::function<bool(SampleSink*)> visit_ = [](SampleSink* sink) { return VisitSeries(3, sink); };
  // The only tenant that there is.
  static constexpr const char* kTenant = "team a";
  std::function<bool(const std::string&, SampleSink*)> visit_tenant_ =
      [](const std::string&, SampleSink* sink) { return VisitSeries(1, sink); };
  std::atomic<int> reloads_{0};
  std::function<std::string()> reload_ = [this] {
    ++reloads_;
    return std::string();
  };
  std::function<ApiReply(const std::string&, const std::string&)> api_ =
      [](const std::string& path, const std::string& query) {
        return ApiReply{200, "{\"path\": \"" + path + "\", \"query\": \"" + query + "\"}"};
      };
  std::atomic<bool> ready_{true};
  std::unique_ptr<CivetWebServer> server_;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_HTTP_SERVER_FIXTURE_H_
