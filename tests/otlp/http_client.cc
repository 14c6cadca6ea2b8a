#include "otlp/http_client.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace spanmeter::testing {

HttpClient::HttpClient(const std::string& address) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
  const timeval timeout = {30, 0};
  setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
  setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
  sockaddr_in peer = {};
  peer.sin_family = AF_INET;
  peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  peer.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  // Where nobody listens, there will be no answer.
  connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&peer), sizeof peer) == 0;
}

HttpClient::~HttpClient() { close(fd_); }

void HttpClient::Send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(n));
  }
}

void HttpClient::EndSending() { shutdown(fd_, SHUT_WR); }

HttpAnswer HttpClient::Receive() {
  size_t end = 0;
  while ((end = in_.find("\r\n\r\n")) == std::string::npos) {
    if (!ReadMore()) return {};
  }
  HttpAnswer answer;
  const std::string head = in_.substr(0, end + 2);
  in_.erase(0, end + 4);
  answer.status = std::stoi(head.substr(head.find(' ') + 1));
  for (size_t at = head.find("\r\n") + 2; at < head.size();) {
    const size_t line_end = head.find("\r\n", at);
    const size_t colon = head.find(": ", at);
    std::string name = head.substr(at, colon - at);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    answer.fields[name] = head.substr(colon + 2, line_end - colon - 2);
    at = line_end + 2;
  }
  const auto length = answer.fields.find("content-length");
  const size_t size = length == answer.fields.end() ? 0 : std::stoul(length->second);
  while (in_.size() < size) {
    if (!ReadMore()) return {};
  }
  answer.body = in_.substr(0, size);
  in_.erase(0, size);
  return answer;
}

bool HttpClient::HasBeenClosed() {
  char byte = 0;
  const ssize_t n = recv(fd_, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return n == 0 || (n < 0 && errno != EAGAIN);
}

bool HttpClient::IsClosed() { return in_.empty() && !ReadMore() && errno != EAGAIN; }

HttpAnswer HttpClient::Post(std::string_view body, const std::string& content_type,
                            const std::string& fields) {
  Send("POST /v1/traces HTTP/1.1\r\nHost: localhost\r\nContent-Type: " + content_type +
       "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + fields + "\r\n" +
       std::string(body));
  return Receive();
}

bool HttpClient::ReadMore() {
  std::array<char, 4096> bytes;
  errno = 0;
  const ssize_t n = recv(fd_, bytes.data(), bytes.size(), 0);
  if (n <= 0) return false;
  in_.append(bytes.data(), static_cast<size_t>(n));
  return true;
}

}  // namespace spanmeter::testing
