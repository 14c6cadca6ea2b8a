// Guesses what somebody meant who wrote a name that does not exist.

#ifndef SPANMETER_SUGGESTION_H_
#define SPANMETER_SUGGESTION_H_

#include <string>
#include <string_view>
#include <vector>

namespace spanmeter {

// Returns the name among `known` that `written` is a slip of, or an empty text when none is near
// enough. Looks over case, '-' for '_', a prefix or suffix too many, and a few wrong, missing,
// superfluous or exchanged letters.
std::string Suggest(std::string_view written, const std::vector<std::string>& known);

}  // namespace spanmeter

#endif  // SPANMETER_SUGGESTION_H_
