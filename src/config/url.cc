#include "config/url.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdio>

#include "spanmeter/key_hash.h"

#include "config/address.h"

namespace spanmeter {

namespace {

constexpr std::string_view kSchemeEnd = "://";
constexpr size_t kMaxName = 100;

// Where the parts of a URL begin and end. What a URL holds before the path can only be told apart
// from the end: passwords may contain "@" and ":".
struct Authority {
  size_t begin = 0;
  size_t end = 0;
  size_t host = 0;  // begin, or behind the last "@"
};

// nullopt when there is no "://".
std::optional<Authority> FindAuthority(std::string_view url) {
  const size_t scheme_end = url.find(kSchemeEnd);
  if (scheme_end == std::string_view::npos) return std::nullopt;
  Authority authority;
  authority.begin = scheme_end + kSchemeEnd.size();
  authority.end = std::min(url.size(), url.find_first_of("/?#", authority.begin));
  const size_t at = url.substr(authority.begin, authority.end - authority.begin).rfind('@');
  authority.host = at == std::string_view::npos ? authority.begin : authority.begin + at + 1;
  return authority;
}

bool IsHexDigit(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool HasOnlyWholeEscapes(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (i + 2 >= text.size() || !IsHexDigit(text[i + 1]) || !IsHexDigit(text[i + 2])) return false;
  }
  return true;
}

bool IsPort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port != 0;
}

// Characters that stand in no URL; other programs would read on differently behind them.
bool IsIllegal(char c) {
  return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) >= 0x7F || c == '\\';
}

std::string ListSchemes(std::span<const std::string_view> schemes) {
  std::string list;
  for (const std::string_view& scheme : schemes) {
    if (!list.empty()) list.append(&scheme == &schemes.back() ? " or " : ", ");
    list.append(scheme).append(kSchemeEnd);
  }
  return list;
}

}  // namespace

std::optional<Url> ParseUrl(std::string_view text, std::span<const std::string_view> schemes,
                            std::string* error) {
  Url url;
  const std::optional<Authority> authority = FindAuthority(text);
  if (authority) url.scheme = text.substr(0, authority->begin - kSchemeEnd.size());
  if (std::find(schemes.begin(), schemes.end(), url.scheme) == schemes.end()) {
    *error = (text.empty() ? "is empty: it must begin with " : "must begin with ") +
             ListSchemes(schemes);
    return std::nullopt;
  }
  if (std::any_of(text.begin(), text.end(), IsIllegal)) {
    *error =
        "has a character that cannot stand in a URL (a blank, a backslash, a control character "
        "or one beyond ASCII): write it as %XX";
    return std::nullopt;
  }
  if (text.find('#') != std::string_view::npos) {
    *error =
        "has a fragment (#...), which is never sent: remove it, or write %23 for a # that is "
        "part of something else";
    return std::nullopt;
  }
  if (!HasOnlyWholeEscapes(text)) {
    *error = "has a % that is not followed by two hexadecimal digits: write %25";
    return std::nullopt;
  }

  url.has_user = authority->host != authority->begin;
  const std::string_view address = text.substr(authority->host, authority->end - authority->host);
  // The colons of an IPv6 address stand in brackets.
  const size_t bracket = address.rfind(']');
  const size_t colon = address.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = address.substr(0, colon);
  if (host.empty()) {
    *error = "has no host: write " + url.scheme + "://HOST:PORT";
    return std::nullopt;
  }
  if (!IsHost(host)) {
    *error =
        "has no valid host: write a name, an IPv4 address or an IPv6 address in brackets; a / "
        "or ? in a password must be written as %2F or %3F";
    return std::nullopt;
  }
  url.host = host.front() == '[' ? host.substr(1, host.size() - 2) : host;
  if (colon != std::string_view::npos) {
    url.port = address.substr(colon + 1);
    if (!IsPort(url.port)) {
      *error =
          "has no port between 1 and 65535 after the host and a colon; a / or ? in a password "
          "must be written as %2F or %3F";
      return std::nullopt;
    }
  }
  const size_t query = std::min(text.size(), text.find('?', authority->end));
  url.path = text.substr(authority->end, query - authority->end);
  url.query = text.substr(query);
  return url;
}

std::string HidePassword(const std::string& url) {
  const std::optional<Authority> authority = FindAuthority(url);
  if (!authority || authority->host == authority->begin) return url;
  const size_t at = authority->host - 1;
  const size_t password = url.find(':', authority->begin) + 1;
  if (password == 0 || password >= at) return url;
  return url.substr(0, password).append(kHiddenSecret).append(url, at);
}

std::string NameFromUrl(const Url& url) {
  std::string whole = url.host;
  if (!url.port.empty()) whole.append(":").append(url.port);
  if (url.path != "/") whole.append(url.path);

  std::string name = whole;
  std::replace_if(
      name.begin(), name.end(),
      [](char c) {
        return !((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                 c == '_' || c == '.' || c == ':' || c == '/' || c == '-');
      },
      '_');
  if (name == whole && name.size() <= kMaxName) return name;
  char hash[10];
  std::snprintf(hash, sizeof(hash), "-%08x", static_cast<uint32_t>(KeyHash(whole, 0)));
  name.resize(std::min(name.size(), kMaxName - (sizeof(hash) - 1)));
  return name + hash;
}

}  // namespace spanmeter
