#include "spanmeter/server_tls.h"

#include <cstring>
#include <memory>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "spanmeter/read_file.h"

namespace spanmeter {

namespace {

struct OpensslDeleter {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using BioPtr = std::unique_ptr<BIO, OpensslDeleter>;
using X509Ptr = std::unique_ptr<X509, OpensslDeleter>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter>;

// Keeps OpenSSL from asking for a passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) { return 0; }

BioPtr Open(const std::string& pem) {
  return BioPtr(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

bool ReadPem(const std::string& path, std::string* content, std::string* error) {
  if (const int failure = ReadFile(path, content); failure != 0) {
    *error = std::strerror(failure);
    return false;
  }
  if (content->empty()) {
    *error = "the file is empty";
    return false;
  }
  return true;
}

// The first certificate; null when there is none or one of them cannot be parsed.
X509Ptr ParseCertificates(const std::string& pem) {
  const BioPtr bio = Open(pem);
  X509Ptr first(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
  if (first == nullptr) return nullptr;
  while (X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)) != nullptr) {
  }
  // The end of the file reads as a missing begin line.
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) return nullptr;
  return first;
}

constexpr char kNoCertificate[] = "it holds no valid PEM certificate (-----BEGIN CERTIFICATE-----)";

bool CheckServerTls(const ServerTlsOptions& options, ServerTlsFiles* files, std::string* error) {
  std::string reason;
  if (!ReadPem(options.cert_file, &files->cert_pem, &reason)) {
    *error = "cannot read cert_file " + options.cert_file + ": " + reason;
    return false;
  }
  const X509Ptr certificate = ParseCertificates(files->cert_pem);
  if (certificate == nullptr) {
    *error = "cannot use cert_file " + options.cert_file + ": " + kNoCertificate;
    return false;
  }

  if (!ReadPem(options.key_file, &files->key_pem, &reason)) {
    *error = "cannot read key_file " + options.key_file + ": " + reason;
    return false;
  }
  const BioPtr bio = Open(files->key_pem);
  const KeyPtr key(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    *error = "cannot use key_file " + options.key_file +
             ": it holds no valid PEM private key without a passphrase";
    return false;
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    *error = "cannot use key_file " + options.key_file +
             ": the key does not belong to the first certificate of cert_file " + options.cert_file;
    return false;
  }

  if (options.client_ca_file.empty()) return true;
  if (!ReadPem(options.client_ca_file, &files->client_ca_pem, &reason)) {
    *error = "cannot read client_ca_file " + options.client_ca_file + ": " + reason;
    return false;
  }
  if (ParseCertificates(files->client_ca_pem) == nullptr) {
    *error = "cannot use client_ca_file " + options.client_ca_file + ": " + kNoCertificate;
    return false;
  }
  return true;
}

}  // namespace

bool ReadServerTls(const ServerTlsOptions& options, ServerTlsFiles* files, std::string* error) {
  ERR_clear_error();
  const bool ok = CheckServerTls(options, files, error);
  // What OpenSSL found wrong here is no business of the handshakes on this thread.
  ERR_clear_error();
  return ok;
}

}  // namespace spanmeter
