#include "loadgen/server_metrics.h"

#include <algorithm>
#include <charconv>
#include <netdb.h>
#include <string_view>
#include <unistd.h>

#include <sys/socket.h>
#include <sys/time.h>

namespace spanmeter::loadgen {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr std::string_view kCpuMetric = "process_cpu_seconds_total ";

// Closes a socket at the end of a scope.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

int Connect(const std::string& host, const std::string& port) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* addresses = nullptr;
  if (getaddrinfo(host.c_str(), port.c_str(), &hints, &addresses) != 0) return -1;
  int fd = -1;
  for (const addrinfo* a = addresses; a != nullptr && fd < 0; a = a->ai_next) {
    fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0) continue;
    const timeval timeout = {5, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
    if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
      close(fd);
      fd = -1;
    }
  }
  freeaddrinfo(addresses);
  return fd;
}

}  // namespace

std::optional<double> ReadServerCpuSeconds(const std::string& url, std::string* error) {
  std::string authority = url.substr(std::min(url.size(), kScheme.size()));
  const size_t slash = authority.find('/');
  const std::string path = slash == std::string::npos ? "/" : authority.substr(slash);
  authority.resize(std::min(slash, authority.size()));
  std::string host = authority;
  std::string port = "80";
  const size_t colon = authority.rfind(':');
  if (colon != std::string::npos && authority.find(']', colon) == std::string::npos) {
    host = authority.substr(0, colon);
    port = authority.substr(colon + 1);
  }
  if (host.size() > 2 && host.front() == '[') host = host.substr(1, host.size() - 2);

  const Socket socket(Connect(host, port));
  if (socket.fd() < 0) {
    *error = "cannot connect to " + authority;
    return std::nullopt;
  }
  // HTTP/1.0, so that the body ends with the connection and is not chunked.
  std::string request = "GET " + path + " HTTP/1.0\r\nHost: " + authority + "\r\n\r\n";
  for (size_t sent = 0; sent < request.size();) {
    const ssize_t n = send(socket.fd(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) {
      *error = "cannot send a request to " + authority;
      return std::nullopt;
    }
    sent += static_cast<size_t>(n);
  }
  std::string answer;
  char buffer[16384];
  for (ssize_t n = 0; (n = recv(socket.fd(), buffer, sizeof(buffer), 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
  }
  const size_t at = answer.find("\n" + std::string(kCpuMetric));
  if (at == std::string::npos) {
    *error = "cannot find process_cpu_seconds_total at " + url;
    return std::nullopt;
  }
  const char* const begin = answer.data() + at + 1 + kCpuMetric.size();
  double seconds = 0;
  if (std::from_chars(begin, answer.data() + answer.size(), seconds).ec != std::errc()) {
    *error = "cannot read the value of process_cpu_seconds_total at " + url;
    return std::nullopt;
  }
  return seconds;
}

}  // namespace spanmeter::loadgen
