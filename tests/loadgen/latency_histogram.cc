#include "loadgen/latency_histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace spanmeter::loadgen {
namespace {

// Each power of two is divided into this many buckets of equal width.
constexpr int kSubBits = 6;
constexpr uint64_t kSubBuckets = uint64_t{1} << kSubBits;

size_t BucketOf(uint64_t nanos) {
  if (nanos < kSubBuckets) return nanos;
  const int shift = std::bit_width(nanos) - 1 - kSubBits;
  return static_cast<size_t>(shift + 1) * kSubBuckets + ((nanos >> shift) - kSubBuckets);
}

// The largest value that belongs to a bucket.
uint64_t BucketEnd(size_t bucket) {
  if (bucket < kSubBuckets) return bucket;
  const uint64_t shift = bucket / kSubBuckets - 1;
  return ((bucket % kSubBuckets + kSubBuckets + 1) << shift) - 1;
}

}  // namespace

LatencyHistogram::LatencyHistogram() : buckets_((64 - kSubBits + 1) * kSubBuckets, 0) {}

void LatencyHistogram::Add(int64_t nanos) {
  nanos = std::max<int64_t>(nanos, 0);
  ++buckets_[BucketOf(static_cast<uint64_t>(nanos))];
  ++count_;
  max_nanos_ = std::max(max_nanos_, nanos);
}

void LatencyHistogram::Merge(const LatencyHistogram& other) {
  for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
  count_ += other.count_;
  max_nanos_ = std::max(max_nanos_, other.max_nanos_);
}

int64_t LatencyHistogram::Quantile(double q) const {
  if (count_ == 0) return 0;
  const auto rank =
      std::max<uint64_t>(1, static_cast<uint64_t>(std::ceil(q * static_cast<double>(count_))));
  uint64_t seen = 0;
  for (size_t i = 0; i < buckets_.size(); ++i) {
    seen += buckets_[i];
    if (seen >= rank) return std::min<int64_t>(static_cast<int64_t>(BucketEnd(i)), max_nanos_);
  }
  return max_nanos_;
}

}  // namespace spanmeter::loadgen
