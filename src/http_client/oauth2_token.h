// Tokens of the OAuth 2.0 client credentials grant: RFC 6749, section 4.4.

#ifndef SPANMETER_HTTP_CLIENT_OAUTH2_TOKEN_H_
#define SPANMETER_HTTP_CLIENT_OAUTH2_TOKEN_H_

#include <cstdint>
#include <string>

#include "spanmeter/client_options.h"

namespace spanmeter {

// The characters that a form may have as they are; all others as %XX.
std::string FormEncoded(const std::string& text);

// The body of a request for a token. With `secret`, client id and secret are in it, for servers
// that do not take them as basic auth.
std::string TokenRequest(const OAuth2Options& options, const std::string* secret);

// Not thread-safe.
class OAuth2Token {
 public:
  // Reads a server's answer; `now_nanos` (monotonic clock) is when it came. Returns what is wrong
  // with it, or an empty text.
  std::string Read(const std::string& json, int64_t now_nanos);
  // There is none any more.
  void Forget() { token_.clear(); }
  // Whether there is one that will be valid for a little longer.
  bool IsValid(int64_t now_nanos) const { return !token_.empty() && now_nanos < expires_nanos_; }
  const std::string& token() const { return token_; }

 private:
  std::string token_;
  int64_t expires_nanos_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_HTTP_CLIENT_OAUTH2_TOKEN_H_
