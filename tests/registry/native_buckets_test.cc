#include "registry/native_buckets.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/registry.h"

namespace spanmeter {
namespace {

// A natural number of any size, as little as is needed to compare powers exactly.
class Natural {
 public:
  explicit Natural(uint64_t value)
      : words_{static_cast<uint32_t>(value), static_cast<uint32_t>(value >> 32)} {}

  void Square() {
    std::vector<uint32_t> product(2 * words_.size());
    for (size_t i = 0; i < words_.size(); ++i) {
      uint64_t carry = 0;
      for (size_t k = 0; k < words_.size(); ++k) {
        carry += uint64_t{words_[i]} * words_[k] + product[i + k];
        product[i + k] = static_cast<uint32_t>(carry);
        carry >>= 32;
      }
      product[i + words_.size()] = static_cast<uint32_t>(carry);
    }
    words_ = std::move(product);
  }
  // How many bits it has: 2^(Bits() - 1) <= number.
  size_t Bits() const {
    size_t top = words_.size();
    while (top > 0 && words_[top - 1] == 0) --top;
    return top == 0 ? 0 : 32 * (top - 1) + static_cast<size_t>(std::bit_width(words_[top - 1]));
  }

 private:
  std::vector<uint32_t> words_;
};

// Whether (numerator / 2^53)^(2^8) < 2^i. Equality cannot be: only whole powers of 2 are rational.
bool IsBelowBound(uint64_t numerator, size_t i) {
  Natural power(numerator);
  for (int n = 0; n < 8; ++n) power.Square();
  return power.Bits() <= size_t{53} * 256 + i;
}

// The double that is nearest to 2^(i/256), i from 0 to 255: exact, by bisection over its 52 bits.
double NearestBound(size_t i) {
  if (i == 0) return 1;
  // The largest double below, as a multiple of 2^-52.
  uint64_t low = uint64_t{1} << 52;
  uint64_t high = uint64_t{1} << 53;
  while (high - low > 1) {
    const uint64_t middle = (low + high) / 2;
    (IsBelowBound(2 * middle, i) ? low : high) = middle;
  }
  // Halfway to the next is a multiple of 2^-53.
  if (IsBelowBound(2 * low + 1, i)) ++low;
  return std::ldexp(static_cast<double>(low), -52);
}

TEST(NativeBuckets, BoundsAreInclusiveToTheLastBitInEverySchema) {
  std::vector<double> bounds;
  for (size_t i = 0; i < 256; ++i) bounds.push_back(NearestBound(i));
  for (int32_t schema = 0; schema <= kMaxNativeSchema; ++schema) {
    const int32_t per_octave = 1 << schema;
    for (const int32_t octave : {-127, -40, -10, -1, 0, 1, 9, 1022}) {
      for (int32_t i = 0; i < per_octave; ++i) {
        const size_t position = static_cast<size_t>(i) << (kMaxNativeSchema - schema);
        const double bound = std::ldexp(bounds[position], octave);
        const int32_t index = octave * per_octave + i;
        ASSERT_EQ(NativeBucketIndex(bound, schema), index) << schema << " " << bound;
        ASSERT_EQ(NativeBucketIndex(std::nextafter(bound, 1e308), schema), index + 1) << bound;
        ASSERT_EQ(NativeBucketIndex(std::nextafter(bound, 0), schema), index) << bound;
      }
    }
  }
}

TEST(NativeBuckets, BoundsOfNegativeSchemasArePowersOfTwo) {
  for (int32_t schema = kMinNativeSchema; schema < 0; ++schema) {
    const int32_t octaves = 1 << -schema;
    for (const int32_t index : {-7, -1, 0, 1, 2, 50}) {
      const double bound = std::ldexp(1, index * octaves);
      EXPECT_EQ(NativeBucketIndex(bound, schema), index) << schema;
      EXPECT_EQ(NativeBucketIndex(std::nextafter(bound, 1e308), schema), index + 1) << schema;
      EXPECT_EQ(NativeBucketIndex(bound / 2, schema), index) << schema;
    }
  }
}

TEST(NativeBuckets, RecordedIndices) {
  // Latencies of a recorded session with schema 3, and the buckets in which they were.
  EXPECT_EQ(NativeBucketIndex(0.001, 3), -79);
  EXPECT_EQ(NativeBucketIndex(0.01, 3), -53);
  EXPECT_EQ(NativeBucketIndex(1, 3), 0);
  EXPECT_EQ(NativeBucketIndex(1.000000001, 3), 1);
  EXPECT_EQ(NativeBucketIndex(100, 3), 54);
  EXPECT_EQ(NativeBucketIndex(1e-9, 3), -239);
  EXPECT_EQ(NativeBucketIndex(0.002, 3), -71);
  EXPECT_EQ(NativeBucketIndex(0.256, 3), -15);
  EXPECT_EQ(NativeBucketIndex(0.25, 3), -16);
}

TEST(NativeBuckets, TheEndsOfTheRangeHaveBuckets) {
  const double largest = std::numeric_limits<double>::max();
  const double infinity = std::numeric_limits<double>::infinity();
  for (int32_t schema = kMinNativeSchema; schema <= kMaxNativeSchema; ++schema) {
    const int32_t last = schema >= 0 ? 1024 * (1 << schema) : 1024 >> -schema;
    EXPECT_EQ(NativeBucketIndex(largest, schema), last);
    EXPECT_EQ(NativeBucketIndex(infinity, schema), last + 1);
  }
  EXPECT_EQ(NativeBucketIndex(std::numeric_limits<double>::denorm_min(), 0), -1074);
}

TEST(NativeBuckets, AWiderBucketHoldsTwoOfThoseBelow) {
  for (int32_t schema = kMinNativeSchema + 1; schema <= kMaxNativeSchema; ++schema) {
    for (const double value : {1e-9, 0.001, 0.25, 0.3, 1.0, 1.000001, 2.0, 3.7, 1e12}) {
      EXPECT_EQ(WiderNativeBucket(NativeBucketIndex(value, schema)),
                NativeBucketIndex(value, schema - 1))
          << schema << " " << value;
    }
  }
}

TEST(NativeBuckets, SchemaOfAFactor) {
  EXPECT_EQ(NativeSchema(1.1), 3);
  EXPECT_EQ(NativeSchema(2), 0);
  EXPECT_EQ(NativeSchema(1.999), 1);
  EXPECT_EQ(NativeSchema(4), -1);
  EXPECT_EQ(NativeSchema(3.9), 0);
  EXPECT_EQ(NativeSchema(1.5), 1);
  EXPECT_EQ(NativeSchema(1.4), 2);
  EXPECT_EQ(NativeSchema(1.09), 4);
  EXPECT_EQ(NativeSchema(1.0028), 8);
  EXPECT_EQ(NativeSchema(1.0000001), 8) << "there is none finer";
  EXPECT_EQ(NativeSchema(65536), -4);
  EXPECT_EQ(NativeSchema(1e9), -4) << "there is none coarser";
}

}  // namespace
}  // namespace spanmeter
