// Inflates one gzip member (RFC 1952) of bounded size.

#ifndef SPANMETER_OTLP_GZIP_H_
#define SPANMETER_OTLP_GZIP_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

struct libdeflate_decompressor;

namespace spanmeter {

// A gzip stream begins so. No protobuf message does: 1f is a tag of the wire type 7, which does not
// exist.
inline constexpr std::string_view kGzipMagic = "\x1f\x8b";

// How much room inflating needs at most: what the stream's last four bytes claim, but no more than
// `max_size` and than deflate can make of `compressed_size` bytes. `last_four` is the end of the
// stream.
uint64_t GzipRoom(uint64_t compressed_size, std::string_view last_four, uint64_t max_size);

// Not thread-safe.
class GzipInflater {
 public:
  GzipInflater();
  ~GzipInflater();
  GzipInflater(const GzipInflater&) = delete;
  GzipInflater& operator=(const GzipInflater&) = delete;

  enum class Outcome : uint8_t { kOk, kCorrupt, kNoRoom };

  // Inflates the whole of `compressed` to `out`. kCorrupt also when the checksum is wrong or
  // something follows the member.
  Outcome Inflate(std::string_view compressed, char* out, size_t room, size_t* size);

 private:
  libdeflate_decompressor* const decompressor_;
};

}  // namespace spanmeter

#endif  // SPANMETER_OTLP_GZIP_H_
