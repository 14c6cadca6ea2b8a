// Which web pages may send spans: cross-origin resource sharing (https://fetch.spec.whatwg.org/).

#ifndef SPANMETER_SRC_OTLP_HTTP_CORS_H_
#define SPANMETER_SRC_OTLP_HTTP_CORS_H_

#include <string>
#include <string_view>

#include "spanmeter/options.h"

namespace spanmeter {

// Thread-safe.
class CorsPolicy {
 public:
  explicit CorsPolicy(const CorsOptions& options) : options_(options) {}

  // False: no page may send anything, and OPTIONS is no method.
  bool enabled() const { return !options_.allowed_origins.empty(); }

  // The header fields of an answer to a page of `origin`, each with its end of line. Nothing for an
  // origin that is not allowed: then the browser hides the answer from the page.
  std::string FieldsFor(std::string_view origin) const;

  // The same for a browser's question what the page may send (a preflight). `headers` are those
  // that it asks for.
  std::string PreflightFieldsFor(std::string_view origin, std::string_view headers) const;

 private:
  bool Allows(std::string_view origin) const;

  const CorsOptions options_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_HTTP_CORS_H_
