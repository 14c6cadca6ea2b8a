// A native histogram of one series: buckets that grow exponentially, of which only those exist that
// have counted something.

#ifndef SPANMETER_SRC_REGISTRY_NATIVE_HISTOGRAM_H_
#define SPANMETER_SRC_REGISTRY_NATIVE_HISTOGRAM_H_

#include <cstddef>
#include <cstdint>

#include "spanmeter/registry.h"
#include "spanmeter/sample_sink.h"

namespace spanmeter {

class StateReader;
class StateWriter;

// Counts are exact for weights of any kind: 32-bit integers, or doubles once one of them is
// fractional or too large. The options are the same at every call, and not kept here: there are
// many histograms with the same. Not thread-safe.
class NativeHistogram {
 public:
  // Bounds the memory whatever the options say; more would be no histogram any more.
  static constexpr uint32_t kMaxBuckets = 1000;

  explicit NativeHistogram(const NativeHistogramOptions& options)
      : schema_(static_cast<int8_t>(options.schema)) {}
  ~NativeHistogram();
  NativeHistogram(const NativeHistogram&) = delete;
  NativeHistogram& operator=(const NativeHistogram&) = delete;

  // From this time on (monotonic clock) it is seen when it may start over for the first time.
  void Start(int64_t now_nanos) { last_reset_nanos_ = now_nanos; }

  // Counts an observation `weight` times. One that is not above the zero threshold goes to the zero
  // bucket. Where that makes too many buckets, the histogram starts over, if it last did long
  // enough ago, or makes its buckets wider. Returns whether it has started over: then it holds
  // nothing but this observation.
  bool Observe(double value, double weight, const NativeHistogramOptions& options,
               int64_t now_nanos);

  int32_t schema() const { return schema_; }
  double zero_count() const { return zero_count_; }
  bool started_over() const { return started_over_; }
  // How many buckets there are, the zero bucket not among them.
  size_t size() const { return size_; }
  // Copies size() buckets, ascending.
  void CopyBuckets(NativeBucket* buckets) const;

  // Appends all of it to the current record.
  void Save(StateWriter* writer) const;
  // Reads that into a new histogram; false when it makes no sense.
  bool Restore(StateReader* reader);

  void PrefetchBuckets() const { __builtin_prefetch(memory_, 1); }

 private:
  size_t CountSize() const { return wide_ ? sizeof(double) : sizeof(uint32_t); }
  uint32_t* narrow_counts() const { return static_cast<uint32_t*>(memory_); }
  double* wide_counts() const { return static_cast<double*>(memory_); }
  int32_t* indices() const {
    return reinterpret_cast<int32_t*>(static_cast<char*>(memory_) + capacity_ * CountSize());
  }

  size_t LowerBound(int32_t index) const;
  void Add(size_t position, double weight);
  void Insert(size_t position, int32_t index);
  void Reallocate(size_t capacity, bool wide);
  void StartOver(const NativeHistogramOptions& options, int64_t now_nanos);
  void HalveResolution();

  // `capacity_` counts, of 32 or, when `wide_`, of 64 bits, and then as many indices, ascending.
  void* memory_ = nullptr;
  double zero_count_ = 0;
  int64_t last_reset_nanos_ = 0;
  uint16_t size_ = 0;
  uint16_t capacity_ = 0;
  int8_t schema_;
  bool wide_ = false;
  bool started_over_ = false;
};
static_assert(sizeof(NativeHistogram) == 32);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_REGISTRY_NATIVE_HISTOGRAM_H_
