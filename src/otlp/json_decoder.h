// Turns OTLP/JSON into the protobuf encoding of the same request, so that one decoder reads both.
//
// OTLP/JSON is what the OTLP specification makes of protobuf's JSON mapping: trace and span ids are
// hexadecimal, and fields that are not known are ignored. As protobuf's own parser does, this one
// also takes field names as the .proto files write them (span_id) and enums by their names, 64-bit
// integers as numbers or strings, and null for a field that is not there.

#ifndef SPANMETER_SRC_OTLP_JSON_DECODER_H_
#define SPANMETER_SRC_OTLP_JSON_DECODER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace spanmeter {

// Objects and lists may nest this deep. The deepest valid request that the decoder looks into has
// fewer: libprotobuf refuses more than 100 nested messages.
inline constexpr size_t kMaxJsonDepth = 256;

// Keeps its memory for the next request. Not thread-safe.
class JsonDecoder {
 public:
  JsonDecoder();
  ~JsonDecoder();
  JsonDecoder(const JsonDecoder&) = delete;
  JsonDecoder& operator=(const JsonDecoder&) = delete;

  // An upper bound of the memory that decoding `size` bytes takes, in bytes.
  static uint64_t Room(uint64_t size);

  // Turns an ExportTraceServiceRequest into message(). Returns false and says in *error what is
  // wrong and at which byte when `json` is no JSON or no such request. As in protobuf requests,
  // texts may be any bytes.
  bool Decode(std::string_view json, std::string* error);

  // What the last successful Decode() made: the canonical encoding, without fields that have their
  // default. Fields come in the order of the JSON. Valid until the next call.
  std::string_view message() const;

  // Gives back memory beyond that many bytes.
  void Trim(size_t max_bytes);

 private:
  class Parser;

  const std::unique_ptr<Parser> parser_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_JSON_DECODER_H_
