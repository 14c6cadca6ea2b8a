// "host:port", as configured.

#ifndef SPANMETER_SRC_HTTP_LISTEN_ADDRESS_H_
#define SPANMETER_SRC_HTTP_LISTEN_ADDRESS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spanmeter {

struct ListenAddress {
  std::string host;  // an IPv6 address with its brackets
  uint16_t port = 0;

  // The value of CivetWeb's option listening_ports.
  std::string ForCivetWeb(bool tls) const;
};

// Returns nullopt unless `listen` is a host name, an IPv4 address or an IPv6 address in brackets,
// followed by a colon and a port.
std::optional<ListenAddress> ParseListenAddress(std::string_view listen);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_LISTEN_ADDRESS_H_
