// TLS of the gRPC port, with certificates that may change while it is open.

#ifndef SPANMETER_SRC_OTLP_GRPC_TLS_H_
#define SPANMETER_SRC_OTLP_GRPC_TLS_H_

#include <memory>
#include <string>

#include <grpcpp/security/server_credentials.h>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"

namespace spanmeter {

// Every handshake gets the certificates that are in the files then; see ServerTlsWatch. Returns
// null and says in *error which file cannot be used and why. The pointers must outlive what is
// returned, and that the server.
std::shared_ptr<grpc::ServerCredentials> MakeGrpcTls(const ServerTlsOptions& options,
                                                     const Clock* clock, const Logger* logger,
                                                     std::string* error);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_GRPC_TLS_H_
