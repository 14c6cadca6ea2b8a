// A connection's bytes, plain or through TLS, without ever waiting: whoever calls waits for the
// socket to become ready.

#ifndef SPANMETER_SRC_OTLP_HTTP_STREAM_H_
#define SPANMETER_SRC_OTLP_HTTP_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include <openssl/ssl.h>

namespace spanmeter {

// Does not own the socket, which must be non-blocking and outlive this. Not thread-safe.
class HttpStream {
 public:
  enum class Outcome : uint8_t {
    kOk,
    kWantRead,   // try again when the socket can be read
    kWantWrite,  // ... or written
    kEnd,        // the peer sends no more, or the connection is broken
  };

  // Null for plain bytes; a context of TLS must outlive this.
  HttpStream(int fd, SSL_CTX* tls);
  HttpStream(const HttpStream&) = delete;
  HttpStream& operator=(const HttpStream&) = delete;

  // To be called until it says kOk, before anything is read or written.
  Outcome Handshake();
  // Reads up to `room` bytes, which must not be 0.
  Outcome Read(char* out, size_t room, size_t* size);
  // Writes as much as goes.
  Outcome Write(std::string_view bytes, size_t* size);
  // Says that nothing more will be written, if that can be said without waiting.
  void EndWriting();
  // Whether the peer has closed the connection, or its half of it.
  bool PeerHasLeft() const;

 private:
  struct Deleter {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  Outcome FromTls(int result);

  const int fd_;
  const bool is_tls_;
  std::unique_ptr<SSL, Deleter> ssl_;  // null when memory ran out, too
  bool broken_ = false;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_HTTP_STREAM_H_
