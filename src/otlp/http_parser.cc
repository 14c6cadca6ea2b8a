#include "otlp/http_parser.h"

#include <algorithm>
#include <iterator>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/field.hpp>
#include <boost/beast/http/parser.hpp>

namespace spanmeter {

namespace {

namespace http = boost::beast::http;
using boost::beast::iequals;

// Behind the head a chunk's own head or the trailer, which is thrown away, is no larger.
constexpr size_t kMaxUnparsedBytes = kMaxHeadBytes;

http::error ErrorOf(BodyBuffer::Outcome outcome) {
  return outcome == BodyBuffer::Outcome::kTooLarge ? http::error::body_limit
                                                   : http::error::buffer_overflow;
}

// Beast's seam for where bodies go.
struct BufferBody {
  using value_type = BodyBuffer*;

  class reader {
   public:
    template <bool is_request, typename Fields>
    reader(http::header<is_request, Fields>&, value_type& buffer) : buffer_(buffer) {}

    void init(const boost::optional<std::uint64_t>&, boost::beast::error_code& error) {
      error = {};
    }
    template <typename Buffers>
    size_t put(const Buffers& buffers, boost::beast::error_code& error) {
      size_t size = 0;
      error = {};
      for (const boost::asio::const_buffer piece : boost::beast::buffers_range(buffers)) {
        const BodyBuffer::Outcome outcome =
            buffer_->Append({static_cast<const char*>(piece.data()), piece.size()});
        if (outcome != BodyBuffer::Outcome::kOk) {
          error = ErrorOf(outcome);
          return size;
        }
        size += piece.size();
      }
      return size;
    }
    void finish(boost::beast::error_code& error) { error = {}; }

   private:
    value_type& buffer_;  // is set only after the parser was made
  };
};

std::string_view View(boost::beast::string_view text) { return {text.data(), text.size()}; }

}  // namespace

struct HttpParser::Beast {
  http::request_parser<BufferBody> parser;
};

HttpParser::HttpParser(BodyBuffer* body) : beast_(std::make_unique<Beast>()) {
  auto& parser = beast_->parser;
  parser.get().body() = body;
  parser.header_limit(kMaxHeadBytes);
  // The buffer knows.
  parser.body_limit(boost::none);
}

HttpParser::~HttpParser() = default;

HttpParser::Step HttpParser::Parse(std::string_view bytes, size_t* used) {
  auto& parser = beast_->parser;
  boost::beast::error_code error;
  *used = parser.put(boost::asio::const_buffer(bytes.data(), bytes.size()), error);
  if (error == http::error::need_more) {
    return bytes.size() - *used > kMaxUnparsedBytes
               ? (has_head_ ? Step::kMalformed : Step::kHeadTooLarge)
               : Step::kNeedsMore;
  }
  if (error == http::error::header_limit) return Step::kHeadTooLarge;
  if (error == http::error::body_limit) return Step::kBodyTooLarge;
  if (error == http::error::buffer_overflow) return Step::kNoRoom;
  if (error) return Step::kMalformed;
  if (parser.is_header_done() && !has_head_) {
    has_head_ = true;
    const auto& fields = parser.get();
    if (std::distance(fields.begin(), fields.end()) > std::ptrdiff_t{kMaxHeaderFields}) {
      return Step::kHeadTooLarge;
    }
    ReadHead();
    parser.eager(true);
    return Step::kHasHead;
  }
  return parser.is_done() ? Step::kComplete : Step::kNeedsMore;
}

void HttpParser::ReadHead() {
  const auto& parser = beast_->parser;
  const auto& message = parser.get();
  head_.method = View(message.method_string());
  head_.target = View(message.target());
  head_.keep_alive = message.keep_alive();
  head_.is_chunked = parser.chunked();
  if (const auto length = parser.content_length()) head_.content_length = *length;
  for (const auto& field : message) {
    const std::string_view value = View(field.value());
    switch (field.name()) {
      case http::field::transfer_encoding:
        if (!iequals(field.value(), "chunked")) head_.has_other_coding = true;
        break;
      case http::field::expect:
        head_.expect = value;
        break;
      case http::field::content_type:
        head_.content_type = value;
        break;
      case http::field::content_encoding:
        head_.content_encoding = value;
        break;
      case http::field::authorization:
        head_.authorizations.push_back(value);
        break;
      case http::field::origin:
        head_.origin = value;
        break;
      case http::field::access_control_request_method:
        head_.asks_for_method = value;
        break;
      case http::field::access_control_request_headers:
        head_.asks_for_headers = value;
        break;
      case http::field::unknown:
        if (iequals(field.name_string(), "X-Scope-OrgID")) head_.tenants.push_back(value);
        if (iequals(field.name_string(), "no-generate-metrics")) head_.generate_metrics = false;
        break;
      default:
        break;
    }
  }
}

}  // namespace spanmeter
