// OTLP over HTTP, in protobuf.

#ifndef SPANMETER_FORWARD_HTTP_EXPORT_CLIENT_H_
#define SPANMETER_FORWARD_HTTP_EXPORT_CLIENT_H_

#include <memory>
#include <string>

#include "spanmeter/clock.h"
#include "spanmeter/forward_options.h"
#include "spanmeter/http_client.h"
#include "spanmeter/log.h"

#include "forward/export_client.h"

namespace spanmeter {

// The URL that requests are sent to: with /v1/traces where the endpoint has no path.
std::string ExportUrl(const std::string& endpoint);

// Sends through `http`, which sends to the receiver. The clock must outlive the client.
std::unique_ptr<ExportClient> NewHttpExportClient(std::unique_ptr<HttpClient> http,
                                                  const Clock* clock);

// The same by libcurl. `user_agent` is "spanmeter/VERSION". The pointers must outlive the client.
std::unique_ptr<ExportClient> NewHttpExportClient(const ForwardOptions& options,
                                                  const std::string& user_agent, const Clock* clock,
                                                  const Logger* logger);

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_HTTP_EXPORT_CLIENT_H_
