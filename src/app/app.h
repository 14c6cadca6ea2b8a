// Everything put together: what a running spanmeter consists of.

#ifndef SPANMETER_APP_APP_H_
#define SPANMETER_APP_APP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spanmeter/admin_api.h"
#include "spanmeter/clock.h"
#include "spanmeter/config.h"
#include "spanmeter/forward.h"
#include "spanmeter/http_server.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/options.h"
#include "spanmeter/otlp_grpc_server.h"
#include "spanmeter/otlp_http_server.h"
#include "spanmeter/remote_write.h"
#include "spanmeter/self_metrics.h"
#include "spanmeter/tenants.h"

#include "app/reload_metrics.h"
#include "app/state_keeper.h"

namespace spanmeter {

// Used by one thread, but for Reload().
class App {
 public:
  // `options` must be valid; see ParseConfig(). They came from `config_file` and `overrides`, with
  // which Reload() reads the file again.
  App(const Options& options, std::string config_file, ConfigOverrides overrides,
      const std::string& version);
  // Stops if need be.
  ~App();
  App(const App&) = delete;
  App& operator=(const App&) = delete;

  // Takes over from the former process, and opens the ports. False when one of them cannot be
  // opened, the reason being logged; then nothing has been started.
  bool Start();
  // Takes no more requests, finishes those in flight, collects everything for the last time, writes
  // the state for the next process, pushes what was collected, then closes the ports. May be called
  // more than once.
  void Stop();

  // Reads the configuration file anew and puts it in force, or nothing of it: returns what was
  // wrong then, or an empty text. Thread-safe.
  std::string Reload();

  // To be called every MaintenanceIntervalNanos() while running: what is due without a request.
  void Maintain() {
    tenants_.Maintain();
    admin_.Maintain();
  }
  int64_t MaintenanceIntervalNanos() const { return tenants_.MaintenanceIntervalNanos(); }

  // "host:port" as bound. REQUIRES: Start() succeeded.
  std::string grpc_address() const { return grpc_->address(); }
  // Empty where OTLP/HTTP is off.
  std::string otlp_http_address() const { return otlp_http_ ? otlp_http_->address() : ""; }
  std::string http_address() const { return http_->address(); }

  const Logger& logger() const { return logger_; }

 private:
  AdminParts MakeAdminParts(const std::string& version, bool tenancy);
  AdminConfig DescribeConfig();
  void ShutdownReceivers();
  void LogRemarks(const Options& options) const;

  const std::string config_file_;
  const ConfigOverrides overrides_;
  // In the order of their dependencies: each may use those above it.
  const SystemClock clock_;
  Logger logger_;
  SelfMetrics metrics_;
  ReloadMetrics reload_metrics_;
  Tenants tenants_;
  RemoteWrite remote_write_;
  Forward forward_;
  StateKeeper state_;
  Mutex reload_mutex_;
  Options options_ GUARDED_BY(reload_mutex_);
  // What the last reload would have changed but could not.
  std::vector<std::string> restart_needed_for_ GUARDED_BY(reload_mutex_);
  AdminApi admin_;
  std::atomic<bool> ready_{false};
  std::unique_ptr<HttpServer> http_;
  // The same, for its own threads: they may run before Start() knows it.
  std::atomic<const HttpServer*> started_http_{nullptr};
  std::unique_ptr<OtlpGrpcServer> grpc_;
  std::unique_ptr<OtlpHttpServer> otlp_http_;  // null where it is off
};

}  // namespace spanmeter

#endif  // SPANMETER_APP_APP_H_
