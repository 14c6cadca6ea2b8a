// Bearer tokens (RFC 6750) in files that change.

#ifndef SPANMETER_TOKEN_SET_H_
#define SPANMETER_TOKEN_SET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/configured_text.h"
#include "spanmeter/digest.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"

namespace spanmeter {

// What is wrong with a token, or an empty text; it does not repeat the token. Shorter tokens than
// 16 characters can be guessed.
std::string DescribeBadToken(std::string_view token);

// The token in the value of an Authorization header, "Bearer TOKEN"; nullopt when it has no such
// form.
std::optional<std::string_view> BearerToken(std::string_view authorization);

// Thread-safe.
class TokenSet {
 public:
  // The pointers must outlive this.
  TokenSet(const std::vector<std::string>& files, const Clock* clock, const Logger* logger);

  // Reads all files; false, with what is wrong with the first such file in *error, unless each
  // holds a token. To be called once, before Find().
  bool Load(std::string* error);

  // Which files hold this token, by their places in the list. Files are looked at again once a
  // second; one that does not hold a token any more stands for the token that it held last. How
  // long it takes does not depend on how much of a token is right.
  std::vector<size_t> Find(std::string_view token);

  bool empty() const { return files_.empty(); }

 private:
  struct TokenFile {
    std::unique_ptr<ConfiguredText> text;
    std::string problem;  // with what the file holds now
    std::optional<Digest> digest;
  };

  void RefreshLocked() REQUIRES_LOCK(mutex_);

  const Clock* const clock_;
  const Logger* const logger_;
  const std::vector<std::string> files_;
  const SecretDigester digester_;
  LogThrottle throttle_;
  Mutex mutex_;
  std::vector<TokenFile> tokens_ GUARDED_BY(mutex_);
  int64_t next_look_nanos_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_TOKEN_SET_H_
