// Addresses to listen at.

#ifndef SPANMETER_CONFIG_ADDRESS_H_
#define SPANMETER_CONFIG_ADDRESS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spanmeter {

struct ListenAddress {
  std::string host;  // without brackets
  uint16_t port = 0;

  // Whether it stands for every address of the machine.
  bool IsWildcard() const { return host == "0.0.0.0" || host == "::"; }
};

// Whether `text` is a host: a name, an IPv4 address or an IPv6 address in brackets.
bool IsHost(std::string_view text);

// Parses "host:port", the host being a name, an IPv4 address or an IPv6 address in brackets. On
// failure returns nullopt and says in *error what would be right.
std::optional<ListenAddress> ParseListenAddress(std::string_view text, std::string* error);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_ADDRESS_H_
