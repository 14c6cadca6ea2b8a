#include "spanmeter/otlp_http_server.h"

#include "otlp/http_limits.h"
#include "otlp/http_receiver.h"

namespace spanmeter {

std::unique_ptr<OtlpHttpServer> OtlpHttpServer::Open(const OtlpHttpOptions& options,
                                                     Tenants* tenants, const Clock* clock,
                                                     const Logger* logger, SelfMetrics* metrics,
                                                     std::string* error, RequestTee* tee) {
  return HttpReceiver::Open(options, HttpReceiverLimits(), tenants, clock, logger, metrics, error,
                            tee);
}

}  // namespace spanmeter
