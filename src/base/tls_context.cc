#include "spanmeter/tls_context.h"

#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace spanmeter {

namespace {

// Of TLS 1.2, what has forward secrecy and authenticated encryption. All of TLS 1.3 has.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL";

template <typename T, void (*release)(T*)>
struct Releaser {
  void operator()(T* object) const { release(object); }
};
void FreeBio(BIO* bio) { BIO_free(bio); }
using BioPtr = std::unique_ptr<BIO, Releaser<BIO, FreeBio>>;
using X509Ptr = std::unique_ptr<X509, Releaser<X509, X509_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, Releaser<EVP_PKEY, EVP_PKEY_free>>;

BioPtr Open(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

X509Ptr NextCertificate(BIO* bio) {
  return X509Ptr(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr));
}

// Keeps OpenSSL from asking for a passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

bool UseCertificates(SSL_CTX* context, const ServerTlsFiles& files) {
  const BioPtr chain = Open(files.cert_pem);
  const X509Ptr own = NextCertificate(chain.get());
  if (own == nullptr || SSL_CTX_use_certificate(context, own.get()) != 1) return false;
  while (const X509Ptr next = NextCertificate(chain.get())) {
    if (SSL_CTX_add1_chain_cert(context, next.get()) != 1) return false;
  }
  const BioPtr key_pem = Open(files.key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(key_pem.get(), nullptr, NoPassphrase, nullptr));
  return key != nullptr && SSL_CTX_use_PrivateKey(context, key.get()) == 1;
}

bool UseAuthorities(SSL_CTX* context, const std::string& pem) {
  const BioPtr bio = Open(pem);
  while (const X509Ptr authority = NextCertificate(bio.get())) {
    if (X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context, authority.get()) != 1) {
      return false;
    }
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return true;
}

std::string LastError() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "OpenSSL gives no reason" : reason;
}

}  // namespace

std::unique_ptr<TlsContext> TlsContext::Create(const ServerTlsOptions& options,
                                               TlsVersion min_version, const std::string& port,
                                               const Clock* clock, const Logger* logger,
                                               std::string* error) {
  std::unique_ptr<TlsContext> made(new TlsContext(options, min_version, port, clock, logger));
  ServerTlsFiles files;
  if (!made->watch_.Read(&files, error)) return nullptr;
  {
    const MutexLock lock(&made->mutex_);
    made->current_ = made->Build(files, error);
    if (made->current_ == nullptr) return nullptr;
  }
  made->front_ = made->Build(files, error);
  if (made->front_ == nullptr) return nullptr;
  SSL_CTX_set_client_hello_cb(made->front_.get(), &TlsContext::ClientHello, made.get());
  return made;
}

TlsContext::TlsContext(const ServerTlsOptions& options, TlsVersion min_version,
                       const std::string& port, const Clock* clock, const Logger* logger)
    : options_(options),
      min_version_(min_version),
      port_(port),
      logger_(logger),
      watch_(options, port, clock, logger) {}

TlsContext::ContextPtr TlsContext::Build(const ServerTlsFiles& files, std::string* error) const {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr) {
    *error = "cannot set up TLS: " + LastError();
    return nullptr;
  }
  SSL_CTX* const ctx = context.get();
  SSL_CTX_set_min_proto_version(
      ctx, min_version_ == TlsVersion::kTls13 ? TLS1_3_VERSION : TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(ctx, kCiphers);
  SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(ctx, 0);
  // A slow reader is given up when it takes nothing for a while, not when it takes no large piece.
  SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
  if (!UseCertificates(ctx, files)) {
    *error = "cannot use cert_file " + options_.cert_file + ": " + LastError();
    context.reset();
  } else if (!files.client_ca_pem.empty() && !UseAuthorities(ctx, files.client_ca_pem)) {
    *error = "cannot use client_ca_file " + options_.client_ca_file + ": " + LastError();
    context.reset();
  }
  ERR_clear_error();
  return context;
}

void TlsContext::RefreshLocked() {
  ServerTlsFiles files;
  if (!watch_.ReadIfChanged(&files)) return;
  std::string error;
  ContextPtr renewed = Build(files, &error);
  if (renewed == nullptr) {
    logger_->Warn("cannot use the new certificates, the former ones are still used",
                  {{"port", port_}, {"error", error}});
    return;
  }
  current_ = std::move(renewed);
}

// The first thing that happens in a handshake.
int TlsContext::ClientHello(SSL* ssl, int* /*alert*/, void* self) {
  auto* const context = static_cast<TlsContext*>(self);
  const MutexLock lock(&context->mutex_);
  context->RefreshLocked();
  // The connection shares it from here on.
  return SSL_set_SSL_CTX(ssl, context->current_.get()) == nullptr ? SSL_CLIENT_HELLO_ERROR
                                                                  : SSL_CLIENT_HELLO_SUCCESS;
}

}  // namespace spanmeter
