// HTTP by libcurl.

#ifndef SPANMETER_CURL_CLIENT_H_
#define SPANMETER_CURL_CLIENT_H_

#include <memory>
#include <string>

#include "spanmeter/client_options.h"
#include "spanmeter/clock.h"
#include "spanmeter/http_client.h"
#include "spanmeter/log.h"

namespace spanmeter {

// Connections are kept and shared by all requests; HTTP/2 where the receiver offers it over TLS.
// Files of credentials, headers and certificates are read again when they change. `user_agent` is
// "spanmeter/VERSION". The pointers must outlive the client.
std::unique_ptr<HttpClient> NewCurlClient(const HttpClientOptions& options,
                                          const std::string& user_agent, const Clock* clock,
                                          const Logger* logger);

}  // namespace spanmeter

#endif  // SPANMETER_CURL_CLIENT_H_
