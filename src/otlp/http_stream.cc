#include "otlp/http_stream.h"

#include <cerrno>
#include <poll.h>

#include <openssl/err.h>
#include <sys/socket.h>

namespace spanmeter {

namespace {

bool IsLater(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

HttpStream::HttpStream(int fd, SSL_CTX* tls)
    : fd_(fd), is_tls_(tls != nullptr), ssl_(is_tls_ ? SSL_new(tls) : nullptr) {
  if (ssl_ != nullptr && SSL_set_fd(ssl_.get(), fd) != 1) ssl_.reset();
  if (ssl_ != nullptr) SSL_set_accept_state(ssl_.get());
  broken_ = is_tls_ && ssl_ == nullptr;
}

HttpStream::Outcome HttpStream::Handshake() {
  if (broken_) return Outcome::kEnd;
  if (!is_tls_) return Outcome::kOk;
  ERR_clear_error();
  return FromTls(SSL_do_handshake(ssl_.get()));
}

HttpStream::Outcome HttpStream::Read(char* out, size_t room, size_t* size) {
  if (broken_) return Outcome::kEnd;
  if (is_tls_) {
    ERR_clear_error();
    return FromTls(SSL_read_ex(ssl_.get(), out, room, size));
  }
  for (;;) {
    const ssize_t n = recv(fd_, out, room, 0);
    if (n > 0) {
      *size = static_cast<size_t>(n);
      return Outcome::kOk;
    }
    if (n < 0 && errno == EINTR) continue;
    return n < 0 && IsLater(errno) ? Outcome::kWantRead : Outcome::kEnd;
  }
}

HttpStream::Outcome HttpStream::Write(std::string_view bytes, size_t* size) {
  if (broken_) return Outcome::kEnd;
  if (is_tls_) {
    ERR_clear_error();
    return FromTls(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), size));
  }
  for (;;) {
    const ssize_t n = send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      *size = static_cast<size_t>(n);
      return Outcome::kOk;
    }
    if (errno == EINTR) continue;
    return IsLater(errno) ? Outcome::kWantWrite : Outcome::kEnd;
  }
}

void HttpStream::EndWriting() {
  if (is_tls_ && !broken_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
    ERR_clear_error();
  }
  shutdown(fd_, SHUT_WR);
}

bool HttpStream::PeerHasLeft() const {
  pollfd state = {fd_, POLLRDHUP, 0};
  return poll(&state, 1, 0) > 0;
}

HttpStream::Outcome HttpStream::FromTls(int result) {
  if (result == 1) return Outcome::kOk;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Outcome::kWantRead;
    case SSL_ERROR_WANT_WRITE:
      return Outcome::kWantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::kEnd;
    default:
      // Nothing may be said on it any more.
      broken_ = true;
      ERR_clear_error();
      return Outcome::kEnd;
  }
}

}  // namespace spanmeter
