// A piece of what waits for a receiver: of a collection of remote write, or a request of spans.

#ifndef SPANMETER_BLOCK_H_
#define SPANMETER_BLOCK_H_

#include <cstdint>
#include <limits>
#include <string>

namespace spanmeter {

// What a body is written in: the versions of remote write,
// https://prometheus.io/docs/specs/prw/remote_write_spec/ and
// https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/, or OTLP.
enum class Protocol : uint8_t { k1 = 1, k2 = 2, kOtlp = 3 };

struct SampleCounts {
  uint64_t samples = 0;  // of OTLP: spans
  uint64_t histograms = 0;
  uint64_t exemplars = 0;

  // What max_samples_per_send bounds.
  uint64_t points() const { return samples + histograms; }
  SampleCounts& operator+=(const SampleCounts& other) {
    samples += other.samples;
    histograms += other.histograms;
    exemplars += other.exemplars;
    return *this;
  }
  bool operator==(const SampleCounts&) const = default;
};

// A complete request body with the samples of one collection whose series' hashes lie in a range.
// Blocks of one tenant with overlapping ranges must reach the receiver in their order; others may
// overtake each other.
struct Block {
  Protocol protocol = Protocol::k2;
  std::string tenant;
  // Both inclusive.
  uint64_t first_hash = 0;
  uint64_t last_hash = std::numeric_limits<uint64_t>::max();
  SampleCounts counts;
  // Timestamps of the samples, in ms since the Unix epoch.
  int64_t oldest_ms = 0;
  int64_t newest_ms = 0;
  // Compressed (snappy's block format).
  std::string body;

  bool operator==(const Block&) const = default;
};

}  // namespace spanmeter

#endif  // SPANMETER_BLOCK_H_
