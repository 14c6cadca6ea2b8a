// A URL as metrics, log and page show it.

#ifndef SPANMETER_REMOTE_WRITE_URL_LABEL_H_
#define SPANMETER_REMOTE_WRITE_URL_LABEL_H_

#include <string>

namespace spanmeter {

// Scheme, host, port and path: what may hold secrets (user, query) is left out.
std::string UrlLabel(const std::string& url);

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_URL_LABEL_H_
