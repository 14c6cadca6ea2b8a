// The buckets of native histograms (https://prometheus.io/docs/specs/native_histograms/).
//
// Bucket i of schema s covers (2^((i-1) * 2^-s), 2^(i * 2^-s)]. Bounds that are no doubles are
// those doubles that are nearest to them, as everywhere in the world of Prometheus.

#ifndef SPANMETER_SRC_REGISTRY_NATIVE_BUCKETS_H_
#define SPANMETER_SRC_REGISTRY_NATIVE_BUCKETS_H_

#include <cstdint>

namespace spanmeter {

inline constexpr int32_t kMinNativeSchema = -4;
inline constexpr int32_t kMaxNativeSchema = 8;

// Values up to this are in the zero bucket: 2^-128, as in client libraries.
inline constexpr double kNativeZeroThreshold = 0x1p-128;

// The bucket of a value. Infinity is in the bucket after the one of the largest number.
// REQUIRES: `value` is positive.
int32_t NativeBucketIndex(double value, int32_t schema);

// The bucket of the next lower schema that contains bucket `index`.
inline int32_t WiderNativeBucket(int32_t index) {
  // Rounds up: the bounds that the lower schema keeps are those with an even index.
  return (index + 1) >> 1;
}

}  // namespace spanmeter

#endif  // SPANMETER_SRC_REGISTRY_NATIVE_BUCKETS_H_
