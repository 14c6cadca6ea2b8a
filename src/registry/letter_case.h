// Texts in lower and upper case: the simple case mappings of The Unicode Standard, character by
// character and the same under every locale.

#ifndef SPANMETER_REGISTRY_LETTER_CASE_H_
#define SPANMETER_REGISTRY_LETTER_CASE_H_

#include <string>
#include <string_view>

namespace spanmeter {

// Bytes that are not UTF-8 stay as they are.
std::string ToLowercase(std::string_view text);
std::string ToUppercase(std::string_view text);

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_LETTER_CASE_H_
