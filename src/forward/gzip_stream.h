// Compresses requests (RFC 1952).

#ifndef SPANMETER_FORWARD_GZIP_STREAM_H_
#define SPANMETER_FORWARD_GZIP_STREAM_H_

#include <string>
#include <string_view>

struct libdeflate_compressor;

namespace spanmeter {

// Whether a body is a gzip stream: no protobuf message begins like one, since 1f is a tag of the
// wire type 7, which does not exist.
inline bool IsGzip(std::string_view body) { return body.starts_with("\x1f\x8b"); }

// Not thread-safe.
class GzipCompressor {
 public:
  GzipCompressor();
  ~GzipCompressor();
  GzipCompressor(const GzipCompressor&) = delete;
  GzipCompressor& operator=(const GzipCompressor&) = delete;

  std::string Compress(std::string_view plain);

 private:
  libdeflate_compressor* const compressor_;
};

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_GZIP_STREAM_H_
