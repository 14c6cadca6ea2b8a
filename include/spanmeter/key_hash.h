// The hash behind the look-ups: XXH3 with a seed of each registry's own, so that nobody can choose
// label values that collide.

#ifndef SPANMETER_KEY_HASH_H_
#define SPANMETER_KEY_HASH_H_

#include <cstdint>
#include <string_view>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace spanmeter {

inline uint64_t KeyHash(std::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace spanmeter

#endif  // SPANMETER_KEY_HASH_H_
