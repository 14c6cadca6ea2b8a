#include "spanmeter/digest.h"

#include <cstdlib>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

namespace spanmeter {

namespace {

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

Digest Sha256(std::string_view text) {
  Digest digest;
  SHA256(Bytes(text), text.size(), digest.data());
  return digest;
}

SecretDigester::SecretDigester() : key_(32, '\0') {
  // Fails only where the system has no randomness, and then nothing is safe.
  if (RAND_bytes(reinterpret_cast<unsigned char*>(key_.data()), static_cast<int>(key_.size())) !=
      1) {
    std::abort();
  }
}

Digest SecretDigester::Of(std::string_view text) const {
  Digest digest;
  unsigned int size = digest.size();
  HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()), Bytes(text), text.size(),
       digest.data(), &size);
  return digest;
}

bool DigestsEqual(const Digest& a, const Digest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void Wipe(std::string* secret) {
  OPENSSL_cleanse(secret->data(), secret->size());
  secret->clear();
}

}  // namespace spanmeter
