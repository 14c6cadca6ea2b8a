// OTLP over gRPC.

#ifndef SPANMETER_FORWARD_GRPC_EXPORT_CLIENT_H_
#define SPANMETER_FORWARD_GRPC_EXPORT_CLIENT_H_

#include <memory>
#include <string>

#include "spanmeter/clock.h"
#include "spanmeter/forward_options.h"
#include "spanmeter/log.h"

#include "forward/export_client.h"

namespace spanmeter {

// Bodies go out as they are: gRPC neither copies nor compresses them. Files of headers and
// certificates are read again when they change. `user_agent` is "spanmeter/VERSION". The pointers
// must outlive the client.
std::unique_ptr<ExportClient> NewGrpcExportClient(const ForwardOptions& options,
                                                  const std::string& user_agent, const Clock* clock,
                                                  const Logger* logger);

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_GRPC_EXPORT_CLIENT_H_
