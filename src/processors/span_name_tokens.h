// Cuts span names into the tokens that are compared to find names of one pattern.

#ifndef SPANMETER_PROCESSORS_SPAN_NAME_TOKENS_H_
#define SPANMETER_PROCESSORS_SPAN_NAME_TOKENS_H_

#include <cstddef>
#include <string_view>
#include <vector>

namespace spanmeter {

// Fills `tokens` with the tokens of `name`, which put together are the name again. A token is
//
// - a word: letters and numbers;
// - white space, as much as there is;
// - hexadecimal digits and what joins them to a UUID: `7b1e-4b0c`. It begins with a digit, goes on
//   over `-`, and takes all digits and `-` that follow;
// - a percent sign with the two hexadecimal digits that follow, as URLs have it, or with the last
//   character of the name;
// - else one character, or one byte that is not UTF-8.
//
// Stops after `max_tokens` tokens and one more, so that a name of any length costs no more. The
// tokens borrow from `name`.
void SplitSpanName(std::string_view name, size_t max_tokens, std::vector<std::string_view>* tokens);

// Whether a token is an id, a number or the like rather than a word somebody chose: hexadecimal
// digits and punctuation with a number in it, or more numbers than a quarter of its bytes and than
// one.
bool LooksLikeData(std::string_view token);

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_SPAN_NAME_TOKENS_H_
