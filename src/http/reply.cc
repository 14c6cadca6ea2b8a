#include "http/reply.h"

#include <algorithm>
#include <charconv>
#include <civetweb.h>
#include <cstdio>
#include <ctime>

namespace spanmeter {
namespace {

// Large enough that system calls do not matter, small enough that a reader that takes a few bytes
// at a time meets the deadline.
constexpr size_t kWriteBytes = 64 * 1024;

// For every answer: nothing here may be sniffed, framed or referred from, and nothing foreign, or
// that stands within a page, is run or loaded.
constexpr std::string_view kCommonHeaders =
    "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'\r\n"
    "Cross-Origin-Opener-Policy: same-origin\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n";

// Over TLS: for a year browsers come by no other way (RFC 6797).
constexpr std::string_view kTlsHeaders = "Strict-Transport-Security: max-age=31536000\r\n";

// RFC 9110, section 5.6.7; strftime() would follow the locale.
std::string HttpDate(int64_t wall_nanos) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<time_t>(wall_nanos / kNanosPerSecond);
  tm utc = {};
  gmtime_r(&seconds, &utc);
  char text[64];
  std::snprintf(text, sizeof text, "%s, %02d %s %04d %02d:%02d:%02d GMT", kDays[utc.tm_wday],
                utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

}  // namespace

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 304:
      return "Not Modified";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 411:
      return "Length Required";
    case 413:
      return "Content Too Large";
    case 414:
      return "URI Too Long";
    case 422:
      return "Unprocessable Content";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    case 505:
      return "HTTP Version Not Supported";
    default:
      return status < 500 ? "Bad Request" : "Internal Server Error";
  }
}

Reply::Reply(mg_connection* conn, const Clock* clock, Framing framing, bool head_only, bool close,
             int64_t deadline_nanos)
    : conn_(conn),
      clock_(clock),
      framing_(framing),
      head_only_(head_only),
      close_(close || framing == Framing::kUntilClosed),
      deadline_nanos_(deadline_nanos) {
  if (close_) mg_disable_connection_keep_alive(conn_);
}

std::string Reply::RenderHead(const ReplyHead& head, std::string_view length_header) {
  status_ = head.status;
  std::string text = "HTTP/1.1 " + std::to_string(head.status) + " ";
  text.append(ReasonPhrase(head.status)).append("\r\n");
  text.append("Date: ").append(HttpDate(clock_->WallNanos())).append("\r\n");
  text.append("Content-Type: ").append(head.content_type).append("\r\n");
  text.append("Cache-Control: ").append(head.cache_control).append("\r\n");
  text.append(head.headers).append(kCommonHeaders);
  if (mg_get_request_info(conn_)->is_ssl != 0) text.append(kTlsHeaders);
  text.append(length_header);
  text.append(close_ ? "Connection: close\r\n\r\n" : "Connection: keep-alive\r\n\r\n");
  return text;
}

bool Reply::Send(const ReplyHead& head, std::string_view body) {
  const bool has_body = head.status != 304;
  const std::string length = "Content-Length: " + std::to_string(body.size()) + "\r\n";
  std::string text = RenderHead(head, has_body ? length : "");
  if (!head_only_ && has_body) {
    text += body;
    body_bytes_ = body.size();
  }
  return Write(text);
}

bool Reply::StartStream(const ReplyHead& head) {
  return Write(
      RenderHead(head, framing_ == Framing::kChunked ? "Transfer-Encoding: chunked\r\n" : ""));
}

bool Reply::WriteChunk(std::string_view bytes) {
  if (head_only_ || bytes.empty()) return !failed_;
  if (framing_ == Framing::kChunked) {
    // The end of the chunk before, and the size of this one.
    char frame[2 + 16 + 2] = {'\r', '\n'};
    char* const begin = body_bytes_ == 0 ? frame + 2 : frame;
    char* end = std::to_chars(frame + 2, frame + 18, bytes.size(), 16).ptr;
    *end++ = '\r';
    *end++ = '\n';
    if (!Write({begin, static_cast<size_t>(end - begin)})) return false;
  }
  body_bytes_ += bytes.size();
  return Write(bytes);
}

bool Reply::FinishStream() {
  if (head_only_ || framing_ != Framing::kChunked) return !failed_;
  return Write(body_bytes_ == 0 ? "0\r\n\r\n" : "\r\n0\r\n\r\n");
}

bool Reply::Write(std::string_view bytes) {
  while (!bytes.empty() && !failed_) {
    const std::string_view piece = bytes.substr(0, kWriteBytes);
    failed_ = clock_->MonotonicNanos() > deadline_nanos_ ||
              mg_write(conn_, piece.data(), piece.size()) != static_cast<int>(piece.size());
    bytes.remove_prefix(piece.size());
  }
  // What was promised cannot be completed: only the end of the connection tells the reader so.
  if (failed_) mg_disable_connection_keep_alive(conn_);
  return !failed_;
}

}  // namespace spanmeter
