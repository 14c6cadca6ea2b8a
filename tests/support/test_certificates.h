// Makes certificates for tests.

#ifndef SPANMETER_TESTS_SUPPORT_TEST_CERTIFICATES_H_
#define SPANMETER_TESTS_SUPPORT_TEST_CERTIFICATES_H_

#include <memory>
#include <string>

#include <openssl/evp.h>
#include <openssl/x509.h>

namespace spanmeter::testing {

struct OpensslDeleter {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

// A certificate and its key, both as PEM too.
struct Certificate {
  std::unique_ptr<EVP_PKEY, OpensslDeleter> key;
  std::unique_ptr<X509, OpensslDeleter> certificate;
  std::string key_pem;
  std::string cert_pem;
};

// A certificate authority when `issuer` is null, otherwise a certificate for "localhost" that it
// signed. Valid for an hour.
Certificate MakeCertificate(const std::string& name, const Certificate* issuer);

// Writes `content` to a file of that name in the test's own directory and returns its path.
std::string WriteTestFile(const std::string& name, const std::string& content);

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_SUPPORT_TEST_CERTIFICATES_H_
