#include "otlp/connection_listener.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace spanmeter {

namespace {

// Descriptors for everything else: the threads and waiting connections of the HTTP port, receivers,
// the storage, files that are read anew. With a low limit it is a quarter of that.
constexpr rlim_t kReservedFiles = 128;

// No more descriptors than these are given to connections, whatever the limit: gRPC keeps about
// 17 KiB for each, so that all together take less than 300 MiB.
constexpr rlim_t kMaxFiles = 16'384;

// How long to leave the port alone when no file can be opened: what helps is that others close
// theirs.
constexpr int kShortagePauseMillis = 100;

constexpr int64_t kShortageLogInterval = 10 * kNanosPerSecond;

// A peer that does not acknowledge what it was sent for so long is gone.
constexpr int kUserTimeoutMillis = 20'000;

bool SetOption(int fd, int level, int name, int value) {
  return setsockopt(fd, level, name, &value, sizeof(value)) == 0;
}

// Whether a connection with this descriptor, the lowest that was free, is one too many.
bool IsTooMany(int fd) {
  rlim_t usable = kMaxFiles;
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    usable = std::min(usable, limit.rlim_cur - std::min(kReservedFiles, limit.rlim_cur / 4));
  }
  return static_cast<rlim_t>(fd) >= usable;
}

uint16_t PortOf(int fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

// Opens a port at this address; the descriptor is -1 when that fails.
OwnedFd ListenAt(const addrinfo& address, bool on_ipv4_too) {
  OwnedFd fd(socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (fd.get() < 0) return fd;
  // A port that is free but for the remains of old connections can be taken.
  if (!SetOption(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1)) return OwnedFd();
  if (address.ai_family == AF_INET6 &&
      !SetOption(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, on_ipv4_too ? 0 : 1)) {
    return OwnedFd();
  }
  if (bind(fd.get(), address.ai_addr, address.ai_addrlen) != 0 ||
      listen(fd.get(), SOMAXCONN) != 0) {
    return OwnedFd();
  }
  return fd;
}

bool IsShortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

prometheus::Counter* RefusedConnections(SelfMetrics* metrics, const std::string& transport) {
  return &prometheus::BuildCounter()
              .Name("spanmeter_otlp_connections_refused_total")
              .Help(
                  "Connections for spans that were closed at once because there are too many or "
                  "hardly "
                  "any more files may be open.")
              .Register(metrics->registry())
              .Add({{"transport", transport}});
}

OwnedFd::~OwnedFd() {
  if (fd_ >= 0) close(fd_);
}

OwnedFd& OwnedFd::operator=(OwnedFd&& other) noexcept {
  if (this != &other) {
    if (fd_ >= 0) close(fd_);
    fd_ = other.Release();
  }
  return *this;
}

int OwnedFd::Release() { return std::exchange(fd_, -1); }

ConnectionListener::ConnectionListener(const Clock* clock, const Logger* logger,
                                       prometheus::Counter* refused)
    : logger_(logger),
      refused_(refused),
      throttle_(clock, kShortageLogInterval),
      stop_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

ConnectionListener::~ConnectionListener() { Stop(); }

std::unique_ptr<ConnectionListener> ConnectionListener::Open(const std::string& listen,
                                                             const Clock* clock,
                                                             const Logger* logger,
                                                             prometheus::Counter* refused) {
  std::unique_ptr<ConnectionListener> listener(new ConnectionListener(clock, logger, refused));
  const size_t colon = listen.rfind(':');
  std::string host = listen.substr(0, colon);
  const std::string port = listen.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[') host = host.substr(1, host.size() - 2);
  if (listener->stop_.get() < 0) return nullptr;
  // All addresses of the machine include those of IPv6, where there is any: "localhost" may be one.
  if (host == "0.0.0.0" && listener->OpenAll("::", port)) return listener;
  return listener->OpenAll(host, port) ? std::move(listener) : nullptr;
}

bool ConnectionListener::OpenAll(const std::string& host, const std::string& port) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &found) != 0) return false;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    // Where the system chose the port, all addresses have the same.
    if (port_ != 0) {
      const uint16_t number = htons(port_);
      if (address->ai_family == AF_INET6) {
        reinterpret_cast<sockaddr_in6*>(address->ai_addr)->sin6_port = number;
      } else {
        reinterpret_cast<sockaddr_in*>(address->ai_addr)->sin_port = number;
      }
    }
    OwnedFd fd = ListenAt(*address, host == "::");
    // A name may have addresses that this machine lacks, such as ::1 without IPv6.
    if (fd.get() < 0 && errno == EADDRINUSE) return false;
    if (fd.get() < 0) continue;
    if (port_ == 0) port_ = PortOf(fd.get());
    sockets_.push_back(std::move(fd));
  }
  return !sockets_.empty();
}

void ConnectionListener::Start(Take take) {
  take_ = std::move(take);
  thread_ = std::thread([this] { Run(); });
}

void ConnectionListener::Stop() {
  if (thread_.joinable()) {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }
  sockets_.clear();
}

void ConnectionListener::Run() {
  bool is_short = false;
  std::vector<pollfd> waiting;
  for (;;) {
    waiting.assign(1, {stop_.get(), POLLIN, 0});
    // In a shortage the connections that wait would only wake us up in vain.
    if (!is_short) {
      for (const OwnedFd& socket : sockets_) waiting.push_back({socket.get(), POLLIN, 0});
    }
    if (poll(waiting.data(), waiting.size(), is_short ? kShortagePauseMillis : -1) < 0) continue;
    if (waiting[0].revents != 0) return;
    is_short = false;
    for (const OwnedFd& socket : sockets_) is_short = !AcceptAll(socket.get()) || is_short;
  }
}

bool ConnectionListener::AcceptAll(int listener_fd) {
  for (;;) {
    OwnedFd fd(accept4(listener_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.get() < 0) {
      const int error = errno;
      if (IsShortage(error)) {
        LogShortage(std::strerror(error));
        return false;
      }
      if (error == EAGAIN) return true;
      continue;  // that peer has gone again
    }
    if (IsTooMany(fd.get())) {
      refused_->Increment();
      LogShortage("the limit of connections is reached");
      continue;
    }
    SetOption(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
    SetOption(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, kUserTimeoutMillis);
    take_(listener_fd, fd.Release());
  }
}

void ConnectionListener::LogShortage(const std::string& error) {
  uint64_t suppressed = 0;
  if (!throttle_.Allow(&suppressed)) return;
  logger_->Error(
      "cannot take more connections for spans: too many files are open; raise the limit (ulimit "
      "-n, LimitNOFILE=), or let fewer clients connect",
      {{"error", error}, {"more_since_last_line", suppressed}});
}

}  // namespace spanmeter
