// One HTTP/1.1 answer on a CivetWeb connection.

#ifndef SPANMETER_SRC_HTTP_REPLY_H_
#define SPANMETER_SRC_HTTP_REPLY_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "spanmeter/clock.h"

struct mg_connection;

namespace spanmeter {

// What is the same for the whole answer, but for the body.
struct ReplyHead {
  int status = 200;
  std::string_view content_type = "text/plain; charset=utf-8";
  // Further header lines, each ended by CR LF.
  std::string headers;
  std::string_view cache_control = "no-store";
};

// Not thread-safe. Exactly one of Send() and StartStream() is called, once.
class Reply {
 public:
  enum class Framing : uint8_t {
    kChunked,      // HTTP/1.1
    kUntilClosed,  // HTTP/1.0: the body ends with the connection
  };

  // `conn` and `clock` must outlive the reply. `head_only` answers HEAD: the header fields of GET
  // without the body. `close` ends the connection after the answer. A body that is not out by
  // `deadline_nanos`, on the monotonic clock, is given up.
  Reply(mg_connection* conn, const Clock* clock, Framing framing, bool head_only, bool close,
        int64_t deadline_nanos);

  // An answer with the status 304 has no body.
  bool Send(const ReplyHead& head, std::string_view body);

  // A body whose size is not known yet. All return false when the peer has gone away, stalls, or
  // takes too long; nothing more is written then and the connection must be closed.
  bool StartStream(const ReplyHead& head);
  bool WriteChunk(std::string_view bytes);
  bool FinishStream();

  bool head_only() const { return head_only_; }
  // 0 until an answer was begun.
  int status() const { return status_; }
  // Of the body, without framing.
  uint64_t body_bytes() const { return body_bytes_; }

 private:
  std::string RenderHead(const ReplyHead& head, std::string_view length_header);
  bool Write(std::string_view bytes);

  mg_connection* const conn_;
  const Clock* const clock_;
  const Framing framing_;
  const bool head_only_;
  const bool close_;
  const int64_t deadline_nanos_;
  int status_ = 0;
  uint64_t body_bytes_ = 0;
  bool failed_ = false;
};

// The standard phrase of a status code that this server sends.
std::string_view ReasonPhrase(int status);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_HTTP_REPLY_H_
