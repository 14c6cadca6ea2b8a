// Everything put together: what a running spanmeter consists of.

#ifndef SPANMETER_APP_APP_H_
#define SPANMETER_APP_APP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "spanmeter/clock.h"
#include "spanmeter/generator.h"
#include "spanmeter/http_server.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/otlp_grpc_server.h"
#include "spanmeter/self_metrics.h"

namespace spanmeter {

// Used by one thread.
class App {
 public:
  // `options` must be valid; see ParseConfig().
  App(const Options& options, const std::string& version);
  // Stops if need be.
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Opens the ports. False when one of them cannot be opened, the reason being logged; then nothing
  // has been started.
  bool Start();
  // Takes no more requests, finishes those in flight, then closes the ports. May be called more
  // than once.
  void Stop();

  // To be called every MaintenanceIntervalNanos() while running: removes stale series.
  void Maintain();
  int64_t MaintenanceIntervalNanos() const;

  // "host:port" as bound. REQUIRES: Start() succeeded.
  std::string grpc_address() const { return grpc_->address(); }
  std::string http_address() const { return http_->address(); }

  const Logger& logger() const { return logger_; }

 private:
  void LogRemarks() const;

  const Options options_;
  // In the order of their dependencies: each may use those above it.
  const SystemClock clock_;
  const Logger logger_;
  SelfMetrics metrics_;
  Generator generator_;
  std::atomic<bool> ready_{false};
  std::unique_ptr<HttpServer> http_;
  std::unique_ptr<OtlpGrpcServer> grpc_;
};

}  // namespace spanmeter

#endif  // SPANMETER_APP_APP_H_
