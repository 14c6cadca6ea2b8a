// Whether this is compiled with a sanitizer, for tests of what sanitizers change, such as memory.

#ifndef SPANMETER_TESTS_SUPPORT_SANITIZERS_H_
#define SPANMETER_TESTS_SUPPORT_SANITIZERS_H_

namespace spanmeter {

// GCC defines macros, clang has features.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_SUPPORT_SANITIZERS_H_
