// Passwords as bcrypt hashes ($2a$, $2b$ and $2y$, as `htpasswd -B` and others make them).

#ifndef SPANMETER_PASSWORD_HASH_H_
#define SPANMETER_PASSWORD_HASH_H_

#include <string>
#include <string_view>

namespace spanmeter {

// The logarithms of how many rounds a password takes. Fewer make guessing cheap; more make every
// wrong password cost seconds of CPU time.
inline constexpr int kMinPasswordCost = 10;
inline constexpr int kMaxPasswordCost = 16;

// What is wrong with a hash, to stand after its name, or an empty text. It repeats nothing of the
// hash, which may be the password itself.
std::string DescribeBadPasswordHash(std::string_view hash);

// REQUIRES: the hash is not bad.
int PasswordCost(std::string_view hash);

// A hash of this cost that belongs to no password that anybody knows, for taking as long as if
// there were one. REQUIRES: kMinPasswordCost <= cost <= kMaxPasswordCost.
std::string NobodysPasswordHash(int cost);

// Whether the password is the one of the hash. Takes about 0.05 s of CPU time at a cost of 10, and
// twice as long for each further one. Only the first 72 bytes of a password count. REQUIRES: the
// hash is not bad.
bool PasswordMatches(const std::string& password, const std::string& hash);

}  // namespace spanmeter

#endif  // SPANMETER_PASSWORD_HASH_H_
