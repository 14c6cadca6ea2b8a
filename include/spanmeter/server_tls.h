// Reads and checks the PEM files of a TLS port before a library sees them: gRPC itself would only
// say that the handshake failed, at the first client.

#ifndef SPANMETER_SERVER_TLS_H_
#define SPANMETER_SERVER_TLS_H_

#include <array>
#include <cstdint>
#include <string>

#include "spanmeter/clock.h"
#include "spanmeter/configured_text.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
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

// Follows the files of a TLS port while it is open. Thread-safe.
class ServerTlsWatch {
 public:
  // `port` is its name in the log. The pointers must outlive this.
  ServerTlsWatch(const ServerTlsOptions& options, std::string port, const Clock* clock,
                 const Logger* logger);

  // As ReadServerTls().
  bool Read(ServerTlsFiles* files, std::string* error);
  // True, with what is in the files now, when that is something else than what was read last. Looks
  // at them at most once a second. What does not fit together, perhaps because only one file has
  // been replaced yet, is logged, not taken, and looked at again.
  bool ReadIfChanged(ServerTlsFiles* files);

 private:
  using Versions = std::array<FileVersion, 3>;

  Versions VersionsOfFiles() const;

  const ServerTlsOptions options_;
  const std::string port_;
  const Clock* const clock_;
  const Logger* const logger_;
  LogThrottle throttle_;

  Mutex mutex_;
  Versions versions_ GUARDED_BY(mutex_);
  int64_t next_look_nanos_ GUARDED_BY(mutex_) = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_SERVER_TLS_H_
