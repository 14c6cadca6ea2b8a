// The OTLP/gRPC port.

#ifndef SPANMETER_OTLP_GRPC_SERVER_H_
#define SPANMETER_OTLP_GRPC_SERVER_H_

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

// Serves opentelemetry.proto.collector.trace.v1.TraceService and grpc.health.v1.Health from its
// construction until Shutdown(). Thread-safe.
class OtlpGrpcServer {
 public:
  // Returns null and says why in *error when a file of `options` cannot be used or the port
  // cannot be opened. All arguments but `options` must outlive the server. `tee`, which may be
  // null, gets what was counted.
  static std::unique_ptr<OtlpGrpcServer> Start(const OtlpGrpcOptions& options, Tenants* tenants,
                                               const Clock* clock, const Logger* logger,
                                               SelfMetrics* metrics, std::string* error,
                                               RequestTee* tee = nullptr);
  virtual ~OtlpGrpcServer() = default;

  // "host:port" as bound, with the port that the system chose.
  virtual std::string address() const = 0;
  // Refuses new requests (UNAVAILABLE), finishes those in flight and returns when all are answered
  // or, at the latest, `grace_nanos` later, when the rest was cancelled. What was acknowledged is
  // counted when this returns, and nothing is counted afterwards. May be called more than once.
  virtual void Shutdown(int64_t grace_nanos) = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_OTLP_GRPC_SERVER_H_
