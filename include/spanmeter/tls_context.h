// TLS of a port that OpenSSL serves, with certificates that may change while it is open.

#ifndef SPANMETER_TLS_CONTEXT_H_
#define SPANMETER_TLS_CONTEXT_H_

#include <memory>
#include <string>

#include <openssl/ssl.h>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/options.h"
#include "spanmeter/server_tls.h"

namespace spanmeter {

// Thread-safe. Every handshake gets the certificates that are in the files then; see
// ServerTlsWatch. No session is resumed, so that an authority that was taken away counts no more.
class TlsContext {
 public:
  // `port` is its name in the log. Returns null and says in *error which file cannot be used and
  // why. The pointers must outlive the context.
  static std::unique_ptr<TlsContext> Create(const ServerTlsOptions& options, TlsVersion min_version,
                                            const std::string& port, const Clock* clock,
                                            const Logger* logger, std::string* error);
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  // Makes connections; its certificates are replaced when one shakes hands. Lives as long as this.
  SSL_CTX* get() const { return front_.get(); }

 private:
  struct Deleter {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  using ContextPtr = std::unique_ptr<SSL_CTX, Deleter>;

  TlsContext(const ServerTlsOptions& options, TlsVersion min_version, const std::string& port,
             const Clock* clock, const Logger* logger);

  static int ClientHello(SSL* ssl, int* alert, void* self);
  // Null when the files cannot be used.
  ContextPtr Build(const ServerTlsFiles& files, std::string* error) const;
  void RefreshLocked() REQUIRES_LOCK(mutex_);

  const ServerTlsOptions options_;
  const TlsVersion min_version_;
  const std::string port_;
  const Logger* const logger_;
  ServerTlsWatch watch_;
  ContextPtr front_;

  Mutex mutex_;
  ContextPtr current_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_TLS_CONTEXT_H_
