// Digests of secrets, by which they can be compared and remembered without being kept.

#ifndef SPANMETER_DIGEST_H_
#define SPANMETER_DIGEST_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace spanmeter {

using Digest = std::array<uint8_t, 32>;

// SHA-256.
Digest Sha256(std::string_view text);

// Makes digests that mean nothing outside of this object: they are keyed with random bytes. Two
// texts are equal when their digests are, and how long comparing takes says nothing about them.
// Thread-safe.
class SecretDigester {
 public:
  SecretDigester();

  Digest Of(std::string_view text) const;

 private:
  std::string key_;
};

// Takes as long whatever the digests are.
bool DigestsEqual(const Digest& a, const Digest& b);

// Overwrites a secret that is not needed any more.
void Wipe(std::string* secret);

}  // namespace spanmeter

#endif  // SPANMETER_DIGEST_H_
