// What protects the OTLP/HTTP port from its peers. Durations are in nanoseconds.

#ifndef SPANMETER_SRC_OTLP_HTTP_LIMITS_H_
#define SPANMETER_SRC_OTLP_HTTP_LIMITS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "spanmeter/clock.h"

namespace spanmeter {

struct HttpReceiverLimits {
  // More are closed at once. An idle one takes about 1 KiB, with TLS about 30.
  size_t connections = 16384;
  size_t tls_connections = 4096;

  // For a TLS handshake, and for the first head on a connection.
  int64_t handshake = 20 * kNanosPerSecond;
  // From a head's first byte to its last.
  int64_t head = 20 * kNanosPerSecond;
  // From the head to the body's last byte.
  int64_t body = 60 * kNanosPerSecond;
  // For the next bytes of a body, which meanwhile takes memory that others want.
  int64_t stall = 10 * kNanosPerSecond;
  // For the peer to take an answer.
  int64_t answer = 20 * kNanosPerSecond;
  // A refused body is read and thrown away for so long: closing the connection on unread bytes
  // would take the answer away from the peer.
  int64_t linger = 2 * kNanosPerSecond;
  // Between two requests. Exporters send every few seconds when there is something to send.
  int64_t idle = int64_t{15} * 60 * kNanosPerSecond;

  // How often times are looked at.
  std::chrono::milliseconds sweep_interval{500};
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_HTTP_LIMITS_H_
