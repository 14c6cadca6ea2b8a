// Accepts the connections of a port for spans and hands them to its server.
//
// gRPC can listen by itself, but the first accept() that fails, because no more files may be open,
// makes it close the port for good while the process seems well. This listener outlives that. It
// also keeps some descriptors back for everything else that opens files, and takes no more
// connections than 16 K: what comes beyond is closed at once, and counted.

#ifndef SPANMETER_SRC_OTLP_CONNECTION_LISTENER_H_
#define SPANMETER_SRC_OTLP_CONNECTION_LISTENER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <prometheus/counter.h>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/self_metrics.h"

namespace spanmeter {

// What a listener of this transport counts: connections that were closed at once.
prometheus::Counter* RefusedConnections(SelfMetrics* metrics, const std::string& transport);

// An open file descriptor.
class OwnedFd {
 public:
  explicit OwnedFd(int fd = -1) : fd_(fd) {}
  ~OwnedFd();
  OwnedFd(OwnedFd&& other) noexcept : fd_(other.Release()) {}
  OwnedFd& operator=(OwnedFd&& other) noexcept;

  int get() const { return fd_; }
  // The caller closes it from now on.
  int Release();

 private:
  int fd_;
};

class ConnectionListener {
 public:
  // Gets a connection, which it has to close, and the socket that it came in by.
  using Take = std::function<void(int listener_fd, int fd)>;

  // Opens the port at `listen`, which is "host:port" as ParseListenAddress() has checked it, on all
  // addresses that the host has. Returns null when it cannot. Connections wait until Start().
  // `clock` and `logger` must outlive this; `refused` counts what was closed at once, and does too.
  static std::unique_ptr<ConnectionListener> Open(const std::string& listen, const Clock* clock,
                                                  const Logger* logger,
                                                  prometheus::Counter* refused);
  ~ConnectionListener();
  ConnectionListener(const ConnectionListener&) = delete;
  ConnectionListener& operator=(const ConnectionListener&) = delete;

  uint16_t port() const { return port_; }

  // Hands connections to `take`, in a thread of its own, until Stop(). REQUIRES: called once.
  void Start(Take take);
  // Closes the port. `take` is not called any more when this returns. May be called more than once,
  // by one thread at a time.
  void Stop();

 private:
  ConnectionListener(const Clock* clock, const Logger* logger, prometheus::Counter* refused);

  bool OpenAll(const std::string& host, const std::string& port);
  void Run();
  // Returns false when no file can be opened any more.
  bool AcceptAll(int listener_fd);
  void LogShortage(const std::string& error);

  const Logger* const logger_;
  prometheus::Counter* const refused_;
  LogThrottle throttle_;
  Take take_;
  uint16_t port_ = 0;
  std::vector<OwnedFd> sockets_;
  OwnedFd stop_;  // an eventfd that becomes readable at Stop()
  std::thread thread_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_CONNECTION_LISTENER_H_
