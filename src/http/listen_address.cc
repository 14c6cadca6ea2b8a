#include "http/listen_address.h"

#include <algorithm>
#include <charconv>

#include <arpa/inet.h>

namespace spanmeter {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsHostCharacter(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '.';
}

// CivetWeb gives several meanings to what it reads here, such as lists of ports and TLS by a letter
// after the port; only hosts get through.
bool IsHost(const std::string& host) {
  if (host.empty()) return false;
  if (host.front() == '[') {
    if (host.back() != ']') return false;
    in6_addr address;
    return inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address) == 1;
  }
  if (!std::all_of(host.begin(), host.end(), IsHostCharacter)) return false;
  const bool numeric =
      std::all_of(host.begin(), host.end(), [](char c) { return IsDigit(c) || c == '.'; });
  in_addr address;
  return !numeric || inet_pton(AF_INET, host.c_str(), &address) == 1;
}

}  // namespace

std::string ListenAddress::ForCivetWeb(bool tls) const {
  const std::string end = std::to_string(port) + (tls ? "s" : "");
  // All addresses of both families, as for the gRPC port; CivetWeb would take IPv6 alone.
  if (host == "[::]") return "+" + end;
  return host + ":" + end;
}

std::optional<ListenAddress> ParseListenAddress(std::string_view listen) {
  const size_t colon = listen.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  ListenAddress address;
  address.host = listen.substr(0, colon);
  const std::string_view port = listen.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.begin(), port.end(), address.port);
  if (error != std::errc() || end != port.end() || !IsHost(address.host)) return std::nullopt;
  return address;
}

}  // namespace spanmeter
