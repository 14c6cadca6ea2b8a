// Takes HTTP/1 requests out of a stream of bytes. Boost.Beast does the parsing; this hides it,
// since it takes long to compile.

#ifndef SPANMETER_SRC_OTLP_HTTP_PARSER_H_
#define SPANMETER_SRC_OTLP_HTTP_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "otlp/body_buffer.h"

namespace spanmeter {

// A request line and its header fields take at most this many bytes, and there are at most so many
// of them.
inline constexpr uint32_t kMaxHeadBytes = 16 << 10;
inline constexpr size_t kMaxHeaderFields = 100;

// What a receiver of spans wants to know of a request's head. The texts live as long as the parser
// that read them. A field that is not there is empty.
struct HttpHead {
  std::string_view method;
  std::string_view target;
  bool keep_alive = false;
  // The body: its length where it is announced, or in chunks.
  std::optional<uint64_t> content_length;
  bool is_chunked = false;
  // A transfer coding besides chunks, which nothing here undoes.
  bool has_other_coding = false;
  std::string_view expect;
  std::string_view content_type;
  std::string_view content_encoding;
  std::vector<std::string_view> authorizations;
  std::vector<std::string_view> tenants;
  bool generate_metrics = true;
  // Of web pages.
  std::string_view origin;
  std::string_view asks_for_method;
  std::string_view asks_for_headers;
};

// One request. Not thread-safe.
class HttpParser {
 public:
  enum class Step : uint8_t {
    kNeedsMore,
    kHasHead,  // once
    kComplete,
    kHeadTooLarge,
    kMalformed,
    // By the body's buffer.
    kBodyTooLarge,
    kNoRoom,
  };

  // `body` gets what comes in chunks, and must outlive this.
  explicit HttpParser(BodyBuffer* body);
  ~HttpParser();
  HttpParser(const HttpParser&) = delete;
  HttpParser& operator=(const HttpParser&) = delete;

  // Parses on with these bytes, of which *used are done with; the others are to come again, with
  // more behind them. REQUIRES: behind the head, the body comes in chunks.
  Step Parse(std::string_view bytes, size_t* used);

  // REQUIRES: Parse() said kHasHead.
  const HttpHead& head() const { return head_; }

 private:
  struct Beast;

  void ReadHead();

  const std::unique_ptr<Beast> beast_;
  HttpHead head_;
  bool has_head_ = false;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_HTTP_PARSER_H_
