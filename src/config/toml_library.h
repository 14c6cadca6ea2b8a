// toml++, the way this module uses it. Include this instead of <toml++/toml.h>.

#ifndef SPANMETER_CONFIG_TOML_LIBRARY_H_
#define SPANMETER_CONFIG_TOML_LIBRARY_H_

// toml++ 3.3 asserts things that depend on its input, such as that the name of a table begins like
// one: `[*]` ends a debug build, and with NDEBUG clang is even told to assume that it cannot
// happen. The code after these assertions handles all of it, so they are compiled to nothing.
#pragma push_macro("NDEBUG")
#undef NDEBUG
#define TOML_ASSERT(expr) static_assert(true)
#include <toml++/toml.h>
#pragma pop_macro("NDEBUG")

#endif  // SPANMETER_CONFIG_TOML_LIBRARY_H_
