#include "forward/gzip_stream.h"

#include <libdeflate.h>
#include <new>

namespace spanmeter {

namespace {

// Spans repeat themselves so much that higher levels make them hardly smaller, at several times the
// cost.
constexpr int kLevel = 1;

libdeflate_compressor* MakeCompressor() {
  libdeflate_compressor* const compressor = libdeflate_alloc_compressor(kLevel);
  if (compressor == nullptr) throw std::bad_alloc();
  return compressor;
}

}  // namespace

GzipCompressor::GzipCompressor() : compressor_(MakeCompressor()) {}

GzipCompressor::~GzipCompressor() { libdeflate_free_compressor(compressor_); }

std::string GzipCompressor::Compress(std::string_view plain) {
  std::string out(libdeflate_gzip_compress_bound(compressor_, plain.size()), '\0');
  out.resize(
      libdeflate_gzip_compress(compressor_, plain.data(), plain.size(), out.data(), out.size()));
  return out;
}

}  // namespace spanmeter
