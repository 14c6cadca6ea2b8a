// A running OTLP/HTTP port.

#ifndef SPANMETER_TESTS_OTLP_HTTP_SERVER_FIXTURE_H_
#define SPANMETER_TESTS_OTLP_HTTP_SERVER_FIXTURE_H_

#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "otlp/http_client.h"
#include "otlp/http_limits.h"
#include "otlp/http_receiver.h"
#include "otlp/test_generator.h"
#include "support/otlp_builder.h"

namespace spanmeter::testing {

inline constexpr char kProtobuf[] = "application/x-protobuf";
inline constexpr char kJson[] = "application/json";

class HttpServerFixture : public ::testing::Test {
 protected:
  HttpServerFixture() {
    // As main() does: OpenSSL writes to connections that are gone.
    signal(SIGPIPE, SIG_IGN);
    options_.listen = "127.0.0.1:0";
    options_.max_message_size = 1 << 20;
    options_.max_in_flight = 4 << 20;
    limits_.sweep_interval = std::chrono::milliseconds(5);
  }
  void Start() {
    std::string error;
    server_ = HttpReceiver::Open(options_, limits_, &test_.tenants, &test_.clock, &test_.logger,
                                 &test_.metrics, &error);
    ASSERT_NE(nullptr, server_) << error;
    server_->Serve();
  }
  std::string address() const { return server_->address(); }

  static std::string RequestOf(int spans) {
    LifelikeShape shape;
    shape.spans = spans;
    return LifelikeRequest(shape);
  }
  // Requests that were answered so.
  double Answered(const std::string& code) const {
    return test_.Self("spanmeter_otlp_requests_total", "code", code);
  }
  // Waits for what another thread does; false when it does not within 30 s.
  static bool Eventually(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }

  // Whether the connection is closed when so much time passes. Several times: the first may have
  // been before the server saw what it is to see.
  bool IsClosedAfter(int64_t nanos, HttpClient* client) {
    for (int i = 0; i < 10; ++i) {
      test_.clock.Advance(nanos);
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(1);
      while (std::chrono::steady_clock::now() < until) {
        if (client->HasBeenClosed()) return true;
        std::this_thread::yield();
      }
    }
    return false;
  }

  OtlpHttpOptions options_;
  HttpReceiverLimits limits_;
  TestGenerator test_;
  std::unique_ptr<HttpReceiver> server_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_OTLP_HTTP_SERVER_FIXTURE_H_
