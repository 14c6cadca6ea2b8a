#include "otlp/http_connection.h"

#include <algorithm>
#include <array>
#include <limits>
#include <netdb.h>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>
#include <sys/socket.h>

namespace spanmeter {

namespace {

// What is read at a time where heads are expected. Bodies go right where they belong.
constexpr size_t kReadBytes = 16 << 10;

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

std::string PeerOf(int fd) {
  sockaddr_storage address = {};
  socklen_t size = sizeof(address);
  std::array<char, NI_MAXHOST> host = {};
  std::array<char, NI_MAXSERV> port = {};
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  if (getpeername(fd, generic, &size) != 0 ||
      getnameinfo(generic, size, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "unknown";
  }
  const std::string name = host.data();
  return (name.find(':') == std::string::npos ? name : "[" + name + "]") + ":" + port.data();
}

}  // namespace

HttpConnection::HttpConnection(const Port* port, OwnedFd socket)
    : port_(port),
      socket_(*port->io),
      stream_(socket.get(), port->tls),
      peer_(PeerOf(socket.get())),
      deadline_nanos_(port->clock->MonotonicNanos() + port->limits->handshake),
      body_(port->endpoint->body_budget(), port->endpoint->max_message_size()) {
  boost::system::error_code error;
  socket_.assign(socket.get(), error);
  is_usable_ = !error;
  if (is_usable_) socket.Release();  // Asio closes it from now on.
}

HttpConnection::~HttpConnection() { LeaveGate(); }

void HttpConnection::Start() {
  boost::asio::post(*port_->io, [self = shared_from_this()] { self->Advance(); });
}

void HttpConnection::Break() { shutdown(socket_.native_handle(), SHUT_RDWR); }

// At most one call of this is under way or waited for at a time, so nothing here needs a lock.
void HttpConnection::Advance() {
  using Wait = boost::asio::posix::stream_descriptor;
  for (;;) {
    const Next next = Step();
    switch (next) {
      case Next::kGoOn:
        continue;
      case Next::kYield:
        Start();
        return;
      case Next::kWaitToRead:
      case Next::kWaitToWrite:
        socket_.async_wait(
            next == Next::kWaitToRead ? Wait::wait_read : Wait::wait_write,
            [self = shared_from_this()](const boost::system::error_code&) { self->Advance(); });
        return;
      case Next::kEnd:
        LeaveGate();
        port_->on_end(this);
        boost::system::error_code ignored;
        socket_.close(ignored);
        return;
    }
  }
}

HttpConnection::Next HttpConnection::Step() {
  switch (state_) {
    case State::kHandshake:
      return Handshake();
    case State::kHead:
      return ReadHead();
    case State::kBody:
      return ReadBody();
    case State::kChunks:
      return ReadChunks();
    case State::kWrite:
      return Write();
    case State::kLinger:
      return Linger();
  }
  return Next::kEnd;
}

HttpConnection::Next HttpConnection::Handshake() {
  const HttpStream::Outcome outcome = stream_.Handshake();
  if (outcome != HttpStream::Outcome::kOk) return WaitFor(outcome);
  state_ = State::kHead;
  return Next::kGoOn;
}

HttpConnection::Next HttpConnection::ReadHead() {
  if (in_.empty()) {
    const Next next = ReadMore();
    if (next == Next::kWaitToRead && parser_ == nullptr) std::string().swap(in_);
    return next;
  }
  if (parser_ == nullptr) {
    parser_ = std::make_unique<HttpParser>(&body_);
    is_idle_.store(false, std::memory_order_relaxed);
    SetDeadline(port_->limits->head);
  }
  size_t used = 0;
  const HttpParser::Step step = parser_->Parse(in_, &used);
  in_.erase(0, used);
  if (step == HttpParser::Step::kHasHead) return OnHead();
  if (step == HttpParser::Step::kNeedsMore) return ReadMore();
  return AnswerToBroken(step);
}

HttpConnection::Next HttpConnection::OnHead() {
  has_head_ = true;
  const HttpHead& head = parser_->head();
  const bool has_body = head.is_chunked || head.content_length.value_or(0) != 0;
  if (const auto reply = port_->endpoint->AnswerToHead(head, peer_)) {
    return Answer(*reply, !has_body);
  }
  body_deadline_nanos_ = port_->clock->MonotonicNanos() + port_->limits->body;
  body_.Expect(head.content_length.value_or(0));
  const State body_state = head.is_chunked ? State::kChunks : State::kBody;
  // Nobody needs to be told who has begun already.
  if (has_body && !head.expect.empty() && in_.empty()) {
    out_ = kContinue;
    written_ = 0;
    after_write_ = body_state;
    SetDeadline(port_->limits->answer);
    ends_after_write_ = false;
    state_ = State::kWrite;
    return Next::kGoOn;
  }
  state_ = body_state;
  return Next::kGoOn;
}

HttpConnection::Next HttpConnection::ReadBody() {
  const size_t length = parser_->head().content_length.value_or(0);
  if (!in_.empty()) {
    const size_t size = std::min(in_.size(), length - body_.size());
    const BodyBuffer::Outcome outcome = body_.Append({in_.data(), size});
    if (outcome != BodyBuffer::Outcome::kOk) return AnswerToBroken(HttpParser::Step::kNoRoom);
    in_.erase(0, size);
  }
  while (body_.size() < length) {
    if (body_.Grow() != BodyBuffer::Outcome::kOk) {
      return AnswerToBroken(HttpParser::Step::kNoRoom);
    }
    size_t size = 0;
    const HttpStream::Outcome outcome =
        stream_.Read(body_.end(), std::min(body_.room(), length - body_.size()), &size);
    if (outcome != HttpStream::Outcome::kOk) return AwaitBody(WaitFor(outcome));
    body_.Advance(size);
  }
  return OnRequest();
}

HttpConnection::Next HttpConnection::ReadChunks() {
  if (in_.empty()) return AwaitBody(ReadMore());
  size_t used = 0;
  const HttpParser::Step step = parser_->Parse(in_, &used);
  in_.erase(0, used);
  if (step == HttpParser::Step::kComplete) return OnRequest();
  if (step != HttpParser::Step::kNeedsMore) return AnswerToBroken(step);
  return AwaitBody(ReadMore());
}

HttpConnection::Next HttpConnection::OnRequest() {
  deadline_nanos_.store(kNever, std::memory_order_relaxed);
  const HttpReply reply = port_->endpoint->Handle(
      parser_->head(), body_.view(), peer_, [this] { return stream_.PeerHasLeft(); }, &is_inside_);
  return Answer(reply, true);
}

HttpConnection::Next HttpConnection::AnswerToBroken(HttpParser::Step step) {
  return Answer(
      port_->endpoint->AnswerToBroken(step, has_head_ ? &parser_->head() : nullptr, peer_), false);
}

HttpConnection::Next HttpConnection::Answer(const HttpReply& reply, bool body_was_read) {
  const bool stays = body_was_read && parser_->head().keep_alive && !port_->endpoint->closing();
  const bool is_head_request = has_head_ && parser_->head().method == "HEAD";
  out_ = Serialize(reply, port_->clock->WallNanos(), stays, !is_head_request);
  written_ = 0;
  // What was said about the request is not needed any more.
  body_.Clear();
  parser_.reset();
  has_head_ = false;
  after_write_ = body_was_read ? State::kHead : State::kLinger;
  ends_after_write_ = body_was_read && !stays;
  state_ = State::kWrite;
  SetDeadline(port_->limits->answer);
  return Next::kGoOn;
}

HttpConnection::Next HttpConnection::Write() {
  while (written_ < out_.size()) {
    size_t size = 0;
    const HttpStream::Outcome outcome =
        stream_.Write(std::string_view(out_).substr(written_), &size);
    if (outcome != HttpStream::Outcome::kOk) return WaitFor(outcome);
    written_ += size;
  }
  std::string().swap(out_);
  LeaveGate();
  state_ = after_write_;
  if (ends_after_write_ || state_ == State::kLinger) stream_.EndWriting();
  if (ends_after_write_) return Next::kEnd;
  if (state_ == State::kLinger) {
    SetDeadline(port_->limits->linger);
    return Next::kGoOn;
  }
  if (state_ != State::kHead) return Next::kGoOn;  // it was 100 Continue
  is_idle_.store(true, std::memory_order_relaxed);
  SetDeadline(port_->limits->idle);
  // Others have their turn before the next request of this peer.
  return in_.empty() ? Next::kGoOn : Next::kYield;
}

HttpConnection::Next HttpConnection::Linger() {
  std::array<char, kReadBytes> thrown_away;
  for (;;) {
    size_t size = 0;
    const HttpStream::Outcome outcome = stream_.Read(thrown_away.data(), thrown_away.size(), &size);
    if (outcome != HttpStream::Outcome::kOk) return WaitFor(outcome);
    if (IsLate(port_->clock->MonotonicNanos())) return Next::kEnd;
  }
}

HttpConnection::Next HttpConnection::ReadMore() {
  std::array<char, kReadBytes> bytes;
  size_t size = 0;
  const HttpStream::Outcome outcome = stream_.Read(bytes.data(), bytes.size(), &size);
  if (outcome != HttpStream::Outcome::kOk) return WaitFor(outcome);
  in_.append(bytes.data(), size);
  return Next::kGoOn;
}

HttpConnection::Next HttpConnection::WaitFor(HttpStream::Outcome outcome) {
  switch (outcome) {
    case HttpStream::Outcome::kWantRead:
      return Next::kWaitToRead;
    case HttpStream::Outcome::kWantWrite:
      return Next::kWaitToWrite;
    default:
      return Next::kEnd;
  }
}

void HttpConnection::SetDeadline(int64_t nanos_from_now) {
  deadline_nanos_.store(port_->clock->MonotonicNanos() + nanos_from_now, std::memory_order_relaxed);
}

HttpConnection::Next HttpConnection::AwaitBody(Next next) {
  if (next == Next::kWaitToRead || next == Next::kWaitToWrite) {
    const int64_t stalled = port_->clock->MonotonicNanos() + port_->limits->stall;
    deadline_nanos_.store(std::min(stalled, body_deadline_nanos_), std::memory_order_relaxed);
  }
  return next;
}

void HttpConnection::LeaveGate() {
  if (!is_inside_) return;
  is_inside_ = false;
  port_->endpoint->Leave();
}

}  // namespace spanmeter
