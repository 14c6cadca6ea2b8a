// A client of HTTP over TLS.

#ifndef SPANMETER_TESTS_HTTP_TLS_CLIENT_H_
#define SPANMETER_TESTS_HTTP_TLS_CLIENT_H_

#include <memory>
#include <string>
#include <string_view>

#include <openssl/ssl.h>

#include "support/test_certificates.h"

namespace spanmeter {

struct TlsClientOptions {
  std::string authority_pem;
  // The client's own; null: none.
  const testing::Certificate* own = nullptr;
  // TLS1_1_VERSION and so on; 0: what the library has.
  int max_version = 0;
};

// One connection.
class TlsConnection {
 public:
  TlsConnection(const std::string& address, const TlsClientOptions& options);
  ~TlsConnection();
  TlsConnection(const TlsConnection&) = delete;
  TlsConnection& operator=(const TlsConnection&) = delete;

  // Whether the server has shown a certificate of the authority.
  bool connected() const { return connected_; }
  // The serial number of the server's certificate.
  std::string serial() const;
  bool session_was_resumed() const { return SSL_session_reused(ssl_) == 1; }
  bool Send(std::string_view bytes);
  // What comes until `end` was seen or the connection ends. With TLS 1.3, a refused certificate of
  // the client shows here.
  std::string ReceiveUntil(std::string_view end);

 private:
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  int fd_ = -1;
  bool connected_ = false;
};

// Asks for /-/healthy; the whole answer, or an empty text.
std::string FetchHealth(const std::string& address, const TlsClientOptions& options);

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_HTTP_TLS_CLIENT_H_
