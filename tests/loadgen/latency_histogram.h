// Latencies with a bounded relative error, in constant memory.

#ifndef SPANMETER_TESTS_LOADGEN_LATENCY_HISTOGRAM_H_
#define SPANMETER_TESTS_LOADGEN_LATENCY_HISTOGRAM_H_

#include <cstdint>
#include <vector>

namespace spanmeter::loadgen {

// Counts durations in buckets that are at most 1/64 of their value wide. Not thread-safe.
class LatencyHistogram {
 public:
  LatencyHistogram();

  // Negative durations count as 0.
  void Add(int64_t nanos);
  void Merge(const LatencyHistogram& other);

  uint64_t count() const { return count_; }
  int64_t max_nanos() const { return max_nanos_; }
  // The duration that the fraction `q` (0 to 1) of all durations does not pass, rounded up to the
  // end of its bucket; 0 when there are none.
  int64_t Quantile(double q) const;

 private:
  std::vector<uint64_t> buckets_;
  uint64_t count_ = 0;
  int64_t max_nanos_ = 0;
};

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_LATENCY_HISTOGRAM_H_
