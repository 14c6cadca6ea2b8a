// The OTLP/HTTP port with limits of one's choice, as tests want it.

#ifndef SPANMETER_SRC_OTLP_HTTP_RECEIVER_H_
#define SPANMETER_SRC_OTLP_HTTP_RECEIVER_H_

#include <chrono>
#include <memory>
#include <semaphore>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <prometheus/counter.h>

#include "spanmeter/mutex.h"
#include "spanmeter/otlp_http_server.h"
#include "spanmeter/tls_context.h"

#include "otlp/connection_listener.h"
#include "otlp/http_connection.h"
#include "otlp/http_endpoint.h"
#include "otlp/http_limits.h"

namespace spanmeter {

// The connections that are open. Thread-safe.
class HttpConnections {
 public:
  // False when there are `max` already.
  bool Add(const std::shared_ptr<HttpConnection>& connection, size_t max);
  void Remove(HttpConnection* connection);

  void BreakLate(int64_t now_nanos);
  void BreakIdle();
  void BreakAll();

  // To be called once, when nothing is added any more. Afterwards the others wait until there are
  // none.
  void Close();
  bool WaitUntilNone(std::chrono::nanoseconds at_most) { return none_.try_acquire_for(at_most); }
  void WaitUntilNone() { none_.acquire(); }

 private:
  Mutex mutex_;
  std::unordered_map<HttpConnection*, std::shared_ptr<HttpConnection>> open_ GUARDED_BY(mutex_);
  bool closed_ GUARDED_BY(mutex_) = false;
  std::binary_semaphore none_{0};
};

class HttpReceiver final : public OtlpHttpServer {
 public:
  // As OtlpHttpServer::Open().
  static std::unique_ptr<HttpReceiver> Open(const OtlpHttpOptions& options,
                                            const HttpReceiverLimits& limits, Tenants* tenants,
                                            const Clock* clock, const Logger* logger,
                                            SelfMetrics* metrics, std::string* error,
                                            RequestTee* tee = nullptr);
  ~HttpReceiver() override;
  HttpReceiver(const HttpReceiver&) = delete;
  HttpReceiver& operator=(const HttpReceiver&) = delete;

  std::string address() const override { return address_; }
  void Serve() override;
  void Shutdown(int64_t grace_nanos) override;

 private:
  HttpReceiver(const OtlpHttpOptions& options, const HttpReceiverLimits& limits, Tenants* tenants,
               const Clock* clock, const Logger* logger, SelfMetrics* metrics, RequestTee* tee);

  bool Listen(const OtlpHttpOptions& options, std::string* error);
  void Take(OwnedFd socket);
  void SweepLater();

  const HttpReceiverLimits limits_;
  const Clock* const clock_;
  const Logger* const logger_;
  prometheus::Counter* const refused_connections_;
  HttpEndpoint endpoint_;
  std::unique_ptr<TlsContext> tls_;
  HttpConnections connections_;
  HttpConnection::Port port_;
  std::string address_;

  Mutex mutex_;  // held by who shuts down
  bool is_running_ GUARDED_BY(mutex_) = false;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  boost::asio::steady_timer sweep_timer_;
  std::vector<std::thread> threads_;
  std::unique_ptr<ConnectionListener> listener_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_HTTP_RECEIVER_H_
