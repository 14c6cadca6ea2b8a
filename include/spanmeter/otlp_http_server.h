// The OTLP/HTTP port.

#ifndef SPANMETER_OTLP_HTTP_SERVER_H_
#define SPANMETER_OTLP_HTTP_SERVER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/request_tee.h"
#include "spanmeter/self_metrics.h"
#include "spanmeter/tenants.h"

namespace spanmeter {

// Serves POST /v1/traces from Serve() until Shutdown(). Thread-safe. REQUIRES: with TLS, SIGPIPE is
// ignored.
class OtlpHttpServer {
 public:
  // Opens the port; connections wait until Serve(). Returns null and says why in *error when a file
  // of `options` cannot be used or the port cannot be opened. All arguments but `options` must
  // outlive the server. `options.enabled` is the caller's business. `tee`,
  // which may be null, gets what was counted.
  static std::unique_ptr<OtlpHttpServer> Open(const OtlpHttpOptions& options, Tenants* tenants,
                                              const Clock* clock, const Logger* logger,
                                              SelfMetrics* metrics, std::string* error,
                                              RequestTee* tee = nullptr);
  virtual ~OtlpHttpServer() = default;

  // "host:port" as bound, with the port that the system chose.
  virtual std::string address() const = 0;
  // To be called once.
  virtual void Serve() = 0;
  // Refuses new requests (503), finishes those in flight and returns when all are answered or, at
  // the latest, `grace_nanos` and a moment later, when the rest was cut off. What was acknowledged
  // is counted when this returns, and nothing is counted afterwards. May be called more than once.
  virtual void Shutdown(int64_t grace_nanos) = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_OTLP_HTTP_SERVER_H_
