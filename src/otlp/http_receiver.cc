#include "otlp/http_receiver.h"

#include <algorithm>
#include <utility>

#include <boost/system/error_code.hpp>

namespace spanmeter {

namespace {

// Each works on one request at a time; what they wait for, they all wait for together.
constexpr unsigned kMinThreads = 2;
constexpr unsigned kMaxThreads = 16;

// At the end of a shutdown requests that are not complete get this long to become so, and to be
// refused properly.
constexpr std::chrono::milliseconds kFarewell(500);

}  // namespace

bool HttpConnections::Add(const std::shared_ptr<HttpConnection>& connection, size_t max) {
  const MutexLock lock(&mutex_);
  if (open_.size() >= max) return false;
  open_.emplace(connection.get(), connection);
  return true;
}

void HttpConnections::Remove(HttpConnection* connection) {
  const MutexLock lock(&mutex_);
  open_.erase(connection);
  if (closed_ && open_.empty()) none_.release();
}

void HttpConnections::BreakLate(int64_t now_nanos) {
  const MutexLock lock(&mutex_);
  for (const auto& [connection, owner] : open_) {
    if (connection->IsLate(now_nanos)) connection->Break();
  }
}

void HttpConnections::BreakIdle() {
  const MutexLock lock(&mutex_);
  for (const auto& [connection, owner] : open_) {
    if (connection->IsIdle()) connection->Break();
  }
}

void HttpConnections::BreakAll() {
  const MutexLock lock(&mutex_);
  for (const auto& [connection, owner] : open_) connection->Break();
}

void HttpConnections::Close() {
  const MutexLock lock(&mutex_);
  closed_ = true;
  if (open_.empty()) none_.release();
}

std::unique_ptr<HttpReceiver> HttpReceiver::Open(const OtlpHttpOptions& options,
                                                 const HttpReceiverLimits& limits, Tenants* tenants,
                                                 const Clock* clock, const Logger* logger,
                                                 SelfMetrics* metrics, std::string* error,
                                                 RequestTee* tee) {
  std::unique_ptr<HttpReceiver> receiver(
      new HttpReceiver(options, limits, tenants, clock, logger, metrics, tee));
  if (!receiver->Listen(options, error)) return nullptr;
  return receiver;
}

HttpReceiver::HttpReceiver(const OtlpHttpOptions& options, const HttpReceiverLimits& limits,
                           Tenants* tenants, const Clock* clock, const Logger* logger,
                           SelfMetrics* metrics, RequestTee* tee)
    : limits_(limits),
      clock_(clock),
      logger_(logger),
      refused_connections_(RefusedConnections(metrics, "http")),
      endpoint_(options, tenants, clock, logger, metrics, tee),
      work_(boost::asio::make_work_guard(io_)),
      sweep_timer_(io_) {}

HttpReceiver::~HttpReceiver() { Shutdown(0); }

bool HttpReceiver::Listen(const OtlpHttpOptions& options, std::string* error) {
  const MutexLock lock(&mutex_);
  if (!endpoint_.LoadTokens(error)) return false;
  if (options.tls.has_value()) {
    tls_ =
        TlsContext::Create(*options.tls, TlsVersion::kTls12, "otlp_http", clock_, logger_, error);
    if (tls_ == nullptr) return false;
  }
  listener_ = ConnectionListener::Open(options.listen, clock_, logger_, refused_connections_);
  if (listener_ == nullptr) {
    *error = "cannot listen on " + options.listen +
             ": the port is in use, or the address is not one of this machine";
    return false;
  }
  address_ =
      options.listen.substr(0, options.listen.rfind(':') + 1) + std::to_string(listener_->port());
  port_ = {&io_,
           &endpoint_,
           &limits_,
           clock_,
           tls_ == nullptr ? nullptr : tls_->get(),
           [this](HttpConnection* connection) { connections_.Remove(connection); }};
  is_running_ = true;
  const unsigned threads =
      std::clamp(std::thread::hardware_concurrency(), kMinThreads, kMaxThreads);
  for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { io_.run(); });
  SweepLater();
  return true;
}

void HttpReceiver::Serve() {
  listener_->Start([this](int /*listener_fd*/, int fd) { Take(OwnedFd(fd)); });
}

void HttpReceiver::Take(OwnedFd socket) {
  const size_t max = tls_ == nullptr ? limits_.connections : limits_.tls_connections;
  const auto connection = std::make_shared<HttpConnection>(&port_, std::move(socket));
  if (!connection->is_usable() || !connections_.Add(connection, max)) {
    refused_connections_->Increment();
    return;
  }
  connection->Start();
}

void HttpReceiver::SweepLater() {
  sweep_timer_.expires_after(limits_.sweep_interval);
  sweep_timer_.async_wait([this](const boost::system::error_code& error) {
    if (error) return;  // cancelled
    connections_.BreakLate(clock_->MonotonicNanos());
    SweepLater();
  });
}

void HttpReceiver::Shutdown(int64_t grace_nanos) {
  // A second caller waits for the first.
  const MutexLock lock(&mutex_);
  if (!is_running_) return;
  is_running_ = false;
  endpoint_.Drain(std::chrono::nanoseconds(grace_nanos));
  listener_->Stop();
  connections_.Close();
  connections_.BreakIdle();
  if (!connections_.WaitUntilNone(kFarewell)) {
    connections_.BreakAll();
    // Only requests that are being worked on take a moment.
    connections_.WaitUntilNone();
  }
  io_.stop();
  for (std::thread& thread : threads_) thread.join();
}

}  // namespace spanmeter
