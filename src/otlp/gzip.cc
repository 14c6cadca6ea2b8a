#include "otlp/gzip.h"

#include <algorithm>
#include <cstring>
#include <libdeflate.h>
#include <new>

namespace spanmeter {

namespace {

// Deflate codes 258 bytes in no less than two bits.
constexpr uint64_t kMaxExpansion = 1032;

}  // namespace

uint64_t GzipRoom(uint64_t compressed_size, std::string_view last_four, uint64_t max_size) {
  uint32_t claimed = 0;
  std::memcpy(&claimed, last_four.data(), std::min(sizeof claimed, last_four.size()));
  return std::min({uint64_t{claimed}, compressed_size * kMaxExpansion, max_size});
}

GzipInflater::GzipInflater() : decompressor_(libdeflate_alloc_decompressor()) {
  if (decompressor_ == nullptr) throw std::bad_alloc();
}

GzipInflater::~GzipInflater() { libdeflate_free_decompressor(decompressor_); }

GzipInflater::Outcome GzipInflater::Inflate(std::string_view compressed, char* out, size_t room,
                                            size_t* size) {
  size_t consumed = 0;
  switch (libdeflate_gzip_decompress_ex(decompressor_, compressed.data(), compressed.size(), out,
                                        room, &consumed, size)) {
    case LIBDEFLATE_SUCCESS:
      return consumed == compressed.size() ? Outcome::kOk : Outcome::kCorrupt;
    case LIBDEFLATE_INSUFFICIENT_SPACE:
      return Outcome::kNoRoom;
    default:
      return Outcome::kCorrupt;
  }
}

}  // namespace spanmeter
