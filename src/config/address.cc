#include "config/address.h"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>

namespace spanmeter {

namespace {

constexpr std::string_view kDigitsAndDots = "0123456789.";

bool IsIpAddress(int family, const std::string& text) {
  unsigned char address[sizeof(in6_addr)];
  // Behind a zero byte nothing would be looked at.
  return text.find('\0') == std::string::npos && inet_pton(family, text.c_str(), address) == 1;
}

bool IsHostName(std::string_view text) {
  const auto is_legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  };
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), is_legal);
}

// A name or an IPv4 address; digits and dots alone are no name.
bool IsHostWithoutBrackets(std::string_view text) {
  const bool looks_like_ipv4 = text.find_first_not_of(kDigitsAndDots) == std::string_view::npos;
  return looks_like_ipv4 ? IsIpAddress(AF_INET, std::string(text)) : IsHostName(text);
}

bool IsInBrackets(std::string_view text) {
  return text.size() >= 2 && text.front() == '[' && text.back() == ']';
}

std::optional<uint16_t> ParsePort(std::string_view text) {
  uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

bool IsHost(std::string_view text) {
  if (!IsInBrackets(text)) return IsHostWithoutBrackets(text);
  return IsIpAddress(AF_INET6, std::string(text.substr(1, text.size() - 2)));
}

std::optional<ListenAddress> ParseListenAddress(std::string_view text, std::string* error) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) {
    *error = "has no port: write host:port, like \"0.0.0.0:4317\"";
    return std::nullopt;
  }
  std::string_view host = text.substr(0, colon);
  const std::optional<uint16_t> port = ParsePort(text.substr(colon + 1));
  if (!port) {
    *error = "has no port between 0 and 65535 after the last colon";
    return std::nullopt;
  }
  if (host.empty()) {
    *error = "has no host: write \"0.0.0.0:" + std::to_string(*port) + "\" for all addresses";
    return std::nullopt;
  }
  if (IsInBrackets(host)) {
    host = host.substr(1, host.size() - 2);
    if (!IsIpAddress(AF_INET6, std::string(host))) {
      *error = "has no IPv6 address between the brackets";
      return std::nullopt;
    }
    return ListenAddress{std::string(host), *port};
  }
  if (host.find(':') != std::string_view::npos) {
    *error = "has an IPv6 address without brackets: write \"[::]:4317\"";
    return std::nullopt;
  }
  if (!IsHostWithoutBrackets(host)) {
    *error = "has no valid host before the port";
    return std::nullopt;
  }
  return ListenAddress{std::string(host), *port};
}

}  // namespace spanmeter
