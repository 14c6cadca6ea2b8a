#include "registry/native_buckets.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "spanmeter/registry.h"

namespace spanmeter {

namespace {

constexpr size_t kBounds = size_t{1} << kMaxNativeSchema;

// The bounds within [0.5, 1) of the highest schema; those of schema s are every 2^(8-s)th of them.
const std::array<double, kBounds>& Bounds() {
  static const std::array<double, kBounds> bounds = [] {
    std::array<double, kBounds> result;
    for (size_t i = 0; i < kBounds; ++i) {
      // With the long double's eleven more bits the nearest double is found: a test compares all
      // of them with exact arithmetic.
      result[i] = static_cast<double>(
          std::exp2(static_cast<long double>(i) / static_cast<long double>(kBounds)) / 2);
    }
    return result;
  }();
  return bounds;
}

}  // namespace

int32_t NativeBucketIndex(double value, int32_t schema) {
  if (std::isinf(value)) [[unlikely]] {
    return NativeBucketIndex(std::numeric_limits<double>::max(), schema) + 1;
  }
  int exponent;
  const double fraction = std::frexp(value, &exponent);  // in [0.5, 1)
  if (schema <= 0) {
    // The bounds are powers of 2: all that matters besides the exponent is whether it is one.
    const int above = fraction == 0.5 ? exponent - 1 : exponent;
    return (above + (1 << -schema) - 1) >> -schema;
  }
  // The first bound that is not below. The number of bounds is a power of 2, so the search needs
  // no branch that depends on the value.
  const double* const bounds = Bounds().data();
  const size_t size = size_t{1} << schema;
  const size_t stride = kBounds >> schema;
  size_t below = 0;
  for (size_t step = size / 2; step != 0; step /= 2) {
    below += bounds[(below + step - 1) * stride] < fraction ? step : 0;
  }
  below += bounds[below * stride] < fraction ? 1 : 0;
  return static_cast<int32_t>(below) + (exponent - 1) * (1 << schema);
}

int32_t NativeSchema(double factor) {
  for (int32_t schema = kMinNativeSchema; schema < kMaxNativeSchema; ++schema) {
    const double ratio =
        schema <= 0 ? std::ldexp(1, 1 << -schema) : 2 * Bounds()[kBounds >> schema];
    if (ratio <= factor) return schema;
  }
  return kMaxNativeSchema;
}

}  // namespace spanmeter
