// The settings of those who connect to somebody: secrets, credentials, TLS. Durations are in
// nanoseconds.

#ifndef SPANMETER_CLIENT_OPTIONS_H_
#define SPANMETER_CLIENT_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace spanmeter {

// A secret or a header's value: either the text itself or a file that holds it, read again when it
// changes. White space at the end of the file does not count. At most one of the two is set.
struct TextOrFile {
  std::string text;
  std::string file;

  bool empty() const { return text.empty() && file.empty(); }
  bool operator==(const TextOrFile&) const = default;
};

struct BasicAuthOptions {
  std::string username;
  TextOrFile password;

  bool operator==(const BasicAuthOptions&) const = default;
};

// The header `Authorization: TYPE CREDENTIALS`.
struct AuthorizationOptions {
  std::string type = "Bearer";
  TextOrFile credentials;

  bool operator==(const AuthorizationOptions&) const = default;
};

// The client credentials grant of OAuth 2.0 (RFC 6749, section 4.4).
struct OAuth2Options {
  std::string client_id;
  TextOrFile client_secret;
  std::vector<std::string> scopes;
  std::string token_url;
  // Further parameters of the token request.
  std::map<std::string, std::string> endpoint_params;

  bool operator==(const OAuth2Options&) const = default;
};

enum class TlsVersion : uint8_t { kTls10, kTls11, kTls12, kTls13 };

// TLS towards a receiver. Files are PEM.
struct ClientTlsOptions {
  // Empty: the system's authorities.
  std::string ca_file;
  // Both or none: the certificate that is shown.
  std::string cert_file;
  std::string key_file;
  // Whose certificate is expected; empty: the URL's host.
  std::string server_name;
  bool insecure_skip_verify = false;
  TlsVersion min_version = TlsVersion::kTls12;

  bool operator==(const ClientTlsOptions&) const = default;
};

// Whom an HTTP client sends its requests to, and how.
struct HttpClientOptions {
  std::string url;
  // Of a request as a whole.
  int64_t remote_timeout = int64_t{30} * 1'000'000'000;
  std::map<std::string, TextOrFile> headers;
  // At most one of these three.
  std::optional<BasicAuthOptions> basic_auth;
  std::optional<AuthorizationOptions> authorization;
  std::optional<OAuth2Options> oauth2;
  ClientTlsOptions tls_config;
  std::string proxy_url;
  bool follow_redirects = true;

  bool operator==(const HttpClientOptions&) const = default;
};

}  // namespace spanmeter

#endif  // SPANMETER_CLIENT_OPTIONS_H_
