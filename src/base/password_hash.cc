#include "spanmeter/password_hash.h"

#include <algorithm>
#include <crypt.h>
#include <memory>

#include <openssl/crypto.h>

namespace spanmeter {

namespace {

// "$2b$12$", a salt of 22 characters and a digest of 31.
constexpr size_t kPrefix = 7;
constexpr size_t kSize = 60;

constexpr const char* kRemedy =
    "write a bcrypt hash, as `htpasswd -nBC 12 NAME` prints it after the colon";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsBcryptCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || IsDigit(c) || c == '.' || c == '/';
}

bool HasPrefix(std::string_view hash) {
  return hash.size() >= kPrefix && hash[0] == '$' && hash[1] == '2' &&
         (hash[2] == 'a' || hash[2] == 'b' || hash[2] == 'y') && hash[3] == '$' &&
         IsDigit(hash[4]) && IsDigit(hash[5]) && hash[6] == '$';
}

}  // namespace

std::string DescribeBadPasswordHash(std::string_view hash) {
  if (hash.empty()) return std::string("is empty: ") + kRemedy;
  if (!HasPrefix(hash)) {
    const bool is_other_hash = hash[0] == '$' || hash[0] == '{';
    return std::string(is_other_hash ? "is a hash of another kind than bcrypt: "
                                     : "is no hash, perhaps the password itself: ") +
           kRemedy;
  }
  if (hash.size() != kSize || !std::all_of(hash.begin() + kPrefix, hash.end(), IsBcryptCharacter)) {
    return "is a bcrypt hash that is not complete: it must have 60 characters";
  }
  const int cost = PasswordCost(hash);
  if (cost >= kMinPasswordCost && cost <= kMaxPasswordCost) return "";
  return "is a bcrypt hash with a cost of " + std::to_string(cost) + ", but " +
         std::to_string(kMinPasswordCost) + " to " + std::to_string(kMaxPasswordCost) +
         " are allowed: " + kRemedy;
}

int PasswordCost(std::string_view hash) { return (hash[4] - '0') * 10 + (hash[5] - '0'); }

std::string NobodysPasswordHash(int cost) {
  return "$2b$" + std::to_string(cost) + "$" + std::string(kSize - kPrefix, '.');
}

bool PasswordMatches(const std::string& password, const std::string& hash) {
  // Larger than a thread's stack should have to bear.
  const auto data = std::make_unique<crypt_data>();
  const char* const made = crypt_r(password.c_str(), hash.c_str(), data.get());
  const std::string_view result = made == nullptr ? "" : made;
  const bool is_same =
      result.size() == hash.size() && CRYPTO_memcmp(result.data(), hash.data(), hash.size()) == 0;
  OPENSSL_cleanse(data.get(), sizeof(crypt_data));
  return is_same;
}

}  // namespace spanmeter
