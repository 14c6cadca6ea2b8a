// Fuzzes the decoder of trace requests: whatever the bytes, it sees what libprotobuf sees, or both
// refuse.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "otlp/decode_differential.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const spanmeter::testing::Comparison comparison = spanmeter::testing::CompareWithLibprotobuf(
      std::string_view(reinterpret_cast<const char*>(data), size));
  if (!comparison.equal) {
    std::fprintf(stderr, "%s\n", comparison.difference.c_str());
    std::abort();
  }
  return 0;
}
