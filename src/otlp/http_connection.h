// One connection of the OTLP/HTTP port.

#ifndef SPANMETER_SRC_OTLP_HTTP_CONNECTION_H_
#define SPANMETER_SRC_OTLP_HTTP_CONNECTION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "spanmeter/clock.h"

#include "otlp/body_buffer.h"
#include "otlp/connection_listener.h"
#include "otlp/http_endpoint.h"
#include "otlp/http_limits.h"
#include "otlp/http_parser.h"
#include "otlp/http_stream.h"

namespace spanmeter {

// Reads requests and writes answers, one after the other. Whatever thread of the io_context has the
// time does what there is to do, and never waits; while there is nothing to do, no buffer is kept.
class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  // What all connections of a port share.
  struct Port {
    boost::asio::io_context* io;
    HttpEndpoint* endpoint;
    const HttpReceiverLimits* limits;
    const Clock* clock;
    SSL_CTX* tls;  // null without TLS
    // The connection ends: its socket is closed as soon as this returns.
    std::function<void(HttpConnection*)> on_end;
  };

  // `port` must outlive the connection.
  HttpConnection(const Port* port, OwnedFd socket);
  ~HttpConnection();
  HttpConnection(const HttpConnection&) = delete;
  HttpConnection& operator=(const HttpConnection&) = delete;

  // False when the system has no resources to wait for the socket; nothing else may be called then.
  bool is_usable() const { return is_usable_; }

  // To be called once.
  void Start();

  // The following may be called by any thread, but not after on_end.

  // Whether it has been doing the same for longer than it may.
  bool IsLate(int64_t now_nanos) const {
    return now_nanos >= deadline_nanos_.load(std::memory_order_relaxed);
  }
  // Whether it waits for the next request.
  bool IsIdle() const { return is_idle_.load(std::memory_order_relaxed); }
  // Ends it: what it waits for comes at once, and is the end.
  void Break();

 private:
  enum class State : uint8_t { kHandshake, kHead, kBody, kChunks, kWrite, kLinger };
  enum class Next : uint8_t { kGoOn, kYield, kWaitToRead, kWaitToWrite, kEnd };

  void Advance();
  Next Step();
  Next Handshake();
  Next ReadHead();
  Next OnHead();
  Next ReadBody();
  Next ReadChunks();
  Next Write();
  Next Linger();

  Next Answer(const HttpReply& reply, bool body_was_read);
  Next AnswerToBroken(HttpParser::Step step);
  Next OnRequest();
  // Reads what there is behind `in_`.
  Next ReadMore();
  static Next WaitFor(HttpStream::Outcome outcome);
  void SetDeadline(int64_t nanos_from_now);
  // While a body is awaited: `next`, which is returned, is what comes of it.
  Next AwaitBody(Next next);
  void LeaveGate();

  const Port* const port_;
  boost::asio::posix::stream_descriptor socket_;
  bool is_usable_ = false;
  HttpStream stream_;
  const std::string peer_;
  std::atomic<int64_t> deadline_nanos_;
  std::atomic<bool> is_idle_{true};

  State state_ = State::kHandshake;
  // Received and not parsed yet.
  std::string in_;
  // Of the request being received; null between two.
  std::unique_ptr<HttpParser> parser_;
  bool has_head_ = false;
  BodyBuffer body_;
  int64_t body_deadline_nanos_ = 0;
  // To be written, and how much of it was; then comes that.
  std::string out_;
  size_t written_ = 0;
  State after_write_ = State::kHead;
  bool ends_after_write_ = false;
  // The endpoint waits for the answer to be written.
  bool is_inside_ = false;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_HTTP_CONNECTION_H_
