// URLs (RFC 3986), as far as the configuration has to understand them.

#ifndef SPANMETER_CONFIG_URL_H_
#define SPANMETER_CONFIG_URL_H_

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace spanmeter {

// What printing shows in the place of a secret.
inline constexpr std::string_view kHiddenSecret = "<secret>";

struct Url {
  std::string scheme;
  bool has_user = false;  // with or without a password
  std::string host;       // an IPv6 address without brackets
  std::string port;       // empty: that of the scheme
  std::string path;       // empty or from the first "/" on
  std::string query;      // empty or from the "?" on
};

// Parses a URL of one of `schemes`. On failure returns nullopt and says in *error what would be
// right, without repeating any of the text, which may hold a password.
std::optional<Url> ParseUrl(std::string_view text, std::span<const std::string_view> schemes,
                            std::string* error);

// The URL with kHiddenSecret in the place of the password, if it has one. REQUIRES: `url` is one
// that ParseUrl() takes, or empty.
std::string HidePassword(const std::string& url);

// A name for what is at the URL: "host:port/path" out of the characters [A-Za-z0-9_.:/-], at most
// 100 of them. It is the same whenever these three are; what does not fit is made up for by a hash.
std::string NameFromUrl(const Url& url);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_URL_H_
