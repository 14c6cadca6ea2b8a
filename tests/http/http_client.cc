#include "http/http_client.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <netdb.h>
#include <poll.h>
#include <unistd.h>

#include <sys/socket.h>

namespace spanmeter {
namespace {

constexpr int kWaitMs = 20'000;

std::string Lower(std::string_view s) {
  std::string lower(s);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return lower;
}

}  // namespace

HttpConnection::HttpConnection(const std::string& address, int receive_buffer) {
  const size_t colon = address.rfind(':');
  std::string host = address.substr(0, colon);
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found) != 0) return;
  fd_ = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (receive_buffer > 0) {
    setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
  }
  if (connect(fd_, found->ai_addr, found->ai_addrlen) != 0) {
    close(fd_);
    fd_ = -1;
  }
  freeaddrinfo(found);
}

HttpConnection::~HttpConnection() {
  if (fd_ >= 0) close(fd_);
}

bool HttpConnection::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return true;
}

void HttpConnection::ShutdownWrites() { shutdown(fd_, SHUT_WR); }

bool HttpConnection::ReadMore() {
  pollfd waiting = {fd_, POLLIN, 0};
  if (poll(&waiting, 1, kWaitMs) != 1) return false;
  char bytes[65536];
  const ssize_t size = recv(fd_, bytes, sizeof bytes, 0);
  if (size <= 0) return false;
  buffer_.append(bytes, static_cast<size_t>(size));
  return true;
}

bool HttpConnection::ReceiveBytes(size_t size) {
  while (buffer_.size() < size) {
    if (!ReadMore()) return false;
  }
  return true;
}

bool HttpConnection::PeerCloses() {
  while (true) {
    pollfd waiting = {fd_, POLLIN, 0};
    if (poll(&waiting, 1, kWaitMs) != 1) return false;
    char bytes[65536];
    if (recv(fd_, bytes, sizeof bytes, 0) <= 0) return true;
  }
}

std::optional<HttpResponse> HttpConnection::Receive(bool head) {
  size_t end;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return std::nullopt;
  }
  HttpResponse response;
  const std::string lines = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  size_t line_end = lines.find("\r\n");
  response.status = std::atoi(lines.substr(9, 3).c_str());
  response.reason = lines.substr(13, line_end - 13);
  while (line_end + 2 < lines.size()) {
    const size_t begin = line_end + 2;
    line_end = lines.find("\r\n", begin);
    const size_t colon = lines.find(": ", begin);
    response.headers[Lower(lines.substr(begin, colon - begin))] =
        lines.substr(colon + 2, line_end - colon - 2);
  }
  if (head) {
    response.complete = true;
  } else if (response.headers.contains("content-length")) {
    const auto size = std::strtoul(response.headers["content-length"].c_str(), nullptr, 10);
    response.complete = ReceiveBytes(size);
    response.body = buffer_.substr(0, size);
    buffer_.erase(0, response.body.size());
  } else if (response.headers.contains("transfer-encoding")) {
    while (true) {
      size_t eol;
      while ((eol = buffer_.find("\r\n")) == std::string::npos) {
        if (!ReadMore()) return response;
      }
      const auto size = std::strtoul(buffer_.c_str(), nullptr, 16);
      if (!ReceiveBytes(eol + 2 + size + 2)) return response;
      response.body.append(buffer_, eol + 2, size);
      response.complete = buffer_.compare(eol + 2 + size, 2, "\r\n") == 0;
      buffer_.erase(0, eol + 2 + size + 2);
      if (size == 0 || !response.complete) return response;
      response.complete = false;
    }
  } else {
    while (ReadMore()) {
    }
    response.body = std::move(buffer_);
    buffer_.clear();
    response.complete = true;
  }
  return response;
}

std::string MakeRequest(std::string_view method, std::string_view path, std::string_view headers) {
  std::string request(method);
  request.append(" ").append(path).append(" HTTP/1.1\r\nHost: localhost\r\n");
  return request.append(headers).append("\r\n");
}

HttpResponse Fetch(const std::string& address, std::string_view method, std::string_view path,
                   std::string_view headers) {
  HttpConnection connection(address);
  if (!connection.Send(MakeRequest(method, path, headers))) return {};
  return connection.Receive(method == "HEAD").value_or(HttpResponse());
}

}  // namespace spanmeter
