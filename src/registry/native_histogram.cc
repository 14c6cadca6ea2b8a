#include "registry/native_histogram.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#include "registry/native_buckets.h"

namespace spanmeter {

namespace {

constexpr double kMaxNarrow = std::numeric_limits<uint32_t>::max();

uint32_t MostBuckets(const NativeHistogramOptions& options) {
  return options.max_buckets == 0 ? NativeHistogram::kMaxBuckets
                                  : std::min(options.max_buckets, NativeHistogram::kMaxBuckets);
}

}  // namespace

NativeHistogram::~NativeHistogram() { std::free(memory_); }

bool NativeHistogram::Observe(double value, double weight, const NativeHistogramOptions& options,
                              int64_t now_nanos) {
  if (!(value > kNativeZeroThreshold)) {
    zero_count_ += weight;
    return false;
  }
  int32_t index = NativeBucketIndex(value, schema_);
  size_t position = LowerBound(index);
  if (position < size_ && indices()[position] == index) [[likely]] {
    // Fast path: the bucket exists.
    Add(position, weight);
    return false;
  }
  const bool too_many = size_ >= MostBuckets(options);
  const bool starts_over = too_many && options.min_reset_nanos != 0 &&
                           now_nanos - last_reset_nanos_ >= options.min_reset_nanos;
  if (starts_over) {
    StartOver(options, now_nanos);
    index = NativeBucketIndex(value, schema_);
    position = 0;
  }
  Insert(position, index);
  Add(position, weight);
  // The lowest schema has hardly more than a hundred buckets for all numbers that there are.
  while (size_ > MostBuckets(options) && schema_ > kMinNativeSchema) HalveResolution();
  return starts_over;
}

size_t NativeHistogram::LowerBound(int32_t index) const {
  // Without branches that depend on the value, which come as they please.
  const int32_t* const begin = indices();
  size_t position = 0;
  size_t left = size_;
  while (left > 1) {
    const size_t half = left / 2;
    position += begin[position + half - 1] < index ? half : 0;
    left -= half;
  }
  if (left == 1 && begin[position] < index) ++position;
  return position;
}

void NativeHistogram::Add(size_t position, double weight) {
  if (!wide_) {
    uint32_t& count = narrow_counts()[position];
    const double sum = count + weight;
    if (sum <= kMaxNarrow && sum == static_cast<double>(static_cast<int64_t>(sum))) [[likely]] {
      count = static_cast<uint32_t>(sum);
      return;
    }
    Reallocate(capacity_, true);
  }
  wide_counts()[position] += weight;
}

void NativeHistogram::Insert(size_t position, int32_t index) {
  if (size_ == capacity_) Reallocate(std::max<size_t>(4, capacity_ + capacity_ / 2), wide_);
  const size_t behind = size_ - position;
  int32_t* const place = indices() + position;
  std::memmove(place + 1, place, behind * sizeof *place);
  *place = index;
  char* const count = static_cast<char*>(memory_) + position * CountSize();
  std::memmove(count + CountSize(), count, behind * CountSize());
  std::memset(count, 0, CountSize());
  ++size_;
}

// Moves the buckets to memory for `capacity` of them.
void NativeHistogram::Reallocate(size_t capacity, bool wide) {
  const size_t count_size = wide ? sizeof(double) : sizeof(uint32_t);
  void* const memory = std::malloc(capacity * (count_size + sizeof(int32_t)));
  if (memory == nullptr) throw std::bad_alloc();
  if (size_ > 0) {
    std::memcpy(static_cast<char*>(memory) + capacity * count_size, indices(),
                size_ * sizeof(int32_t));
    if (wide == wide_) {
      std::memcpy(memory, memory_, size_ * count_size);
    } else {
      std::copy_n(narrow_counts(), size_, static_cast<double*>(memory));
    }
  }
  std::free(memory_);
  memory_ = memory;
  capacity_ = static_cast<uint16_t>(capacity);
  wide_ = wide;
}

void NativeHistogram::StartOver(const NativeHistogramOptions& options, int64_t now_nanos) {
  size_ = 0;
  zero_count_ = 0;
  schema_ = static_cast<int8_t>(options.schema);
  last_reset_nanos_ = now_nanos;
  started_over_ = true;
}

void NativeHistogram::HalveResolution() {
  if (!wide_) {
    double total = 0;
    for (size_t i = 0; i < size_; ++i) total += narrow_counts()[i];
    if (total > kMaxNarrow) Reallocate(capacity_, true);
  }
  --schema_;
  size_t merged = 0;
  for (size_t i = 0; i < size_; ++i) {
    const int32_t index = WiderNativeBucket(indices()[i]);
    const bool same = merged > 0 && indices()[merged - 1] == index;
    if (!same) indices()[merged++] = index;
    if (wide_) {
      double& count = wide_counts()[merged - 1];
      count = wide_counts()[i] + (same ? count : 0);
    } else {
      uint32_t& count = narrow_counts()[merged - 1];
      count = narrow_counts()[i] + (same ? count : 0);
    }
  }
  size_ = static_cast<uint16_t>(merged);
}

void NativeHistogram::CopyBuckets(NativeBucket* buckets) const {
  for (size_t i = 0; i < size_; ++i) {
    buckets[i].index = indices()[i];
    buckets[i].count = wide_ ? wide_counts()[i] : narrow_counts()[i];
  }
}

}  // namespace spanmeter
