#include "http/access.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>
#include <strings.h>
#include <utility>

#include <arpa/inet.h>

#include "spanmeter/password_hash.h"

#include "http/listen_address.h"

namespace spanmeter {

namespace {

// The user's name and password of the Basic scheme (RFC 7617).
struct Basic {
  std::string name;
  std::string password;
};

int Base64Value(char c) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t found = kAlphabet.find(c);
  return found == std::string_view::npos ? -1 : static_cast<int>(found);
}

// Strict but for padding, which may be missing.
std::optional<std::string> DecodeBase64(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    const int value = Base64Value(c);
    if (value < 0) return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    bytes.push_back(static_cast<char>(bits >> count & 0xFF));
  }
  return bytes;
}

std::optional<Basic> ParseBasic(std::string_view authorization) {
  constexpr std::string_view kScheme = "Basic ";
  if (authorization.size() < kScheme.size() ||
      strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0) {
    return std::nullopt;
  }
  authorization.remove_prefix(kScheme.size());
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  std::optional<std::string> decoded = DecodeBase64(authorization);
  if (!decoded) return std::nullopt;
  const size_t colon = decoded->find(':');
  if (colon == std::string::npos) return std::nullopt;
  Basic basic = {decoded->substr(0, colon), decoded->substr(colon + 1)};
  Wipe(&*decoded);
  return basic;
}

std::string ListenHost(const std::string& listen) {
  const std::optional<ListenAddress> address = ParseListenAddress(listen);
  return address ? address->host : "";
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool IsIpAddress(const std::string& host) {
  in6_addr address;
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
  }
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

}  // namespace

bool IsLoopback(const std::string& address) {
  in_addr v4;
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_LOOPBACK(&v6)) return true;
  return IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127;
}

bool IsSafeHost(std::string_view host, std::string_view listen_host) {
  // What follows the last colon, if digits alone, is the port.
  const size_t colon = host.rfind(':');
  if (colon != std::string_view::npos &&
      host.find_first_not_of("0123456789", colon + 1) == std::string_view::npos &&
      host.find(']', colon) == std::string_view::npos) {
    host = host.substr(0, colon);
  }
  if (IsIpAddress(std::string(host))) return true;
  if (!host.empty() && host.back() == '.') host.remove_suffix(1);
  constexpr std::string_view kLocalhost = "localhost";
  // RFC 6761, section 6.3: so are all names below it.
  if (EqualsIgnoringCase(host, kLocalhost)) return true;
  if (host.size() > kLocalhost.size() + 1 &&
      EqualsIgnoringCase(host.substr(host.size() - kLocalhost.size() - 1), ".localhost")) {
    return true;
  }
  return !host.empty() && EqualsIgnoringCase(host, listen_host);
}

std::unique_ptr<HttpAccess> HttpAccess::Create(const HttpOptions& options, const Clock* clock,
                                               const Logger* logger, std::string* error) {
  std::unique_ptr<HttpAccess> access(new HttpAccess(options, clock, logger));
  if (!access->passwords_.Load(error) || !access->tokens_.Load(error)) return nullptr;
  return access;
}

HttpAccess::HttpAccess(const HttpOptions& options, const Clock* clock, const Logger* logger)
    : has_credentials_(options.has_credentials()),
      admin_from_anywhere_(options.admin_from_anywhere),
      listen_host_(ListenHost(options.listen)),
      token_options_(options.tokens),
      passwords_(options.users, PasswordMatches, clock, logger),
      tokens_(
          [&options] {
            std::vector<std::string> files;
            for (const HttpTokenOptions& token : options.tokens) files.push_back(token.file);
            return files;
          }(),
          clock, logger) {}

AccessVerdict HttpAccess::Check(const AccessRequest& request) {
  if (request.need == AccessNeed::kNone) return {};
  if (!has_credentials_) return CheckWithoutRoles(request);
  if (request.authorization.empty()) return Refuse(AccessRefusal::kMissing);

  HttpRole role = HttpRole::kScrape;
  if (const std::optional<std::string_view> token = BearerToken(request.authorization)) {
    const std::vector<size_t> found = tokens_.Find(*token);
    if (found.empty()) return Refuse(AccessRefusal::kWrong);
    for (const size_t i : found) role = std::max(role, token_options_[i].role);
  } else if (std::optional<Basic> basic = ParseBasic(request.authorization)) {
    if (passwords_.empty()) return Refuse(AccessRefusal::kWrong);
    const Passwords::Verdict verdict = passwords_.Check(basic->name, basic->password);
    Wipe(&basic->password);
    if (verdict.outcome == Passwords::Outcome::kLimited) return Refuse(AccessRefusal::kLimited);
    if (verdict.outcome == Passwords::Outcome::kWrong) return Refuse(AccessRefusal::kWrong);
    role = verdict.role;
  } else {
    return Refuse(AccessRefusal::kMalformed);
  }
  if (request.need == AccessNeed::kAdmin && role != HttpRole::kAdmin) {
    return Refuse(AccessRefusal::kForbidden);
  }
  return {};
}

AccessVerdict HttpAccess::CheckWithoutRoles(const AccessRequest& request) const {
  if (request.need != AccessNeed::kAdmin || admin_from_anywhere_) return {};
  if (!IsLoopback(request.peer)) return Refuse(AccessRefusal::kPeer);
  if (!IsSafeHost(request.host, listen_host_)) return Refuse(AccessRefusal::kHost);
  return {};
}

AccessVerdict HttpAccess::Refuse(AccessRefusal refusal) const {
  AccessVerdict verdict;
  verdict.refusal = refusal;
  switch (refusal) {
    case AccessRefusal::kNone:
      break;
    case AccessRefusal::kMissing:
    case AccessRefusal::kMalformed:
    case AccessRefusal::kWrong:
      verdict.status = 401;
      verdict.message =
          refusal == AccessRefusal::kWrong
              ? "wrong name, password or token: see http.users and http.tokens of the configuration"
              : "log in with a name and a password, or send a token: see http.users and "
                "http.tokens of the configuration";
      if (!passwords_.empty()) {
        verdict.headers += "WWW-Authenticate: Basic realm=\"spanmeter\", charset=\"UTF-8\"\r\n";
      }
      if (!tokens_.empty()) verdict.headers += "WWW-Authenticate: Bearer realm=\"spanmeter\"\r\n";
      break;
    case AccessRefusal::kLimited:
      verdict.status = 503;
      verdict.message = "too many passwords are being checked: try again";
      verdict.headers = "Retry-After: 1\r\n";
      break;
    case AccessRefusal::kForbidden:
      verdict.status = 403;
      verdict.message =
          "this takes the role admin, yours is scrape: see http.users and "
          "http.tokens of the configuration";
      break;
    case AccessRefusal::kPeer:
      verdict.status = 403;
      verdict.message =
          "this is for the machine that spanmeter runs on: configure http.users or "
          "http.tokens, or set http.admin_from_anywhere";
      break;
    case AccessRefusal::kHost:
      verdict.status = 403;
      verdict.message =
          "the name of the server is none that is known to be its own: ask for "
          "localhost or an IP address, or configure http.users, http.tokens or "
          "http.admin_from_anywhere";
      break;
  }
  return verdict;
}

}  // namespace spanmeter
