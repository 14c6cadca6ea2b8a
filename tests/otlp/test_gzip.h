// Compresses what tests send.

#ifndef SPANMETER_TESTS_OTLP_TEST_GZIP_H_
#define SPANMETER_TESTS_OTLP_TEST_GZIP_H_

#include <libdeflate.h>
#include <string>
#include <string_view>

namespace spanmeter::testing {

inline std::string Gzip(std::string_view plain) {
  libdeflate_compressor* const compressor = libdeflate_alloc_compressor(6);
  std::string compressed(libdeflate_gzip_compress_bound(compressor, plain.size()), '\0');
  compressed.resize(libdeflate_gzip_compress(compressor, plain.data(), plain.size(),
                                             compressed.data(), compressed.size()));
  libdeflate_free_compressor(compressor);
  return compressed;
}

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_OTLP_TEST_GZIP_H_
