// Reads and checks the PEM files of a TLS port before gRPC sees them: gRPC itself would only say
// that the handshake failed, at the first client.

#ifndef SPANMETER_SERVER_TLS_H_
#define SPANMETER_SERVER_TLS_H_

#include <string>

#include "spanmeter/options.h"

namespace spanmeter {

struct ServerTlsFiles {
  std::string cert_pem;       // the chain, the server's own certificate first
  std::string key_pem;        // its private key, not encrypted
  std::string client_ca_pem;  // empty: clients need no certificate
};

// Returns false and names the file and what is wrong with it in *error when one cannot be read or
// parsed, or the key does not belong to the certificate.
bool ReadServerTls(const ServerTlsOptions& options, ServerTlsFiles* files, std::string* error);

}  // namespace spanmeter

#endif  // SPANMETER_SERVER_TLS_H_
