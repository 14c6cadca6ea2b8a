// Puts blocks together into one request, in the version that the receiver knows.

#ifndef SPANMETER_REMOTE_WRITE_RECODE_H_
#define SPANMETER_REMOTE_WRITE_RECODE_H_

#include <span>
#include <string>

#include "spanmeter/block.h"

namespace spanmeter {

// Returns whether all blocks are intact; *body is then a compressed request with all of their
// series, in order. A single block in the right version is taken as it is. What a version does not
// know (start times and metadata in 1.0) is left out.
bool Recode(std::span<const Block> blocks, Protocol protocol, std::string* body);

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_RECODE_H_
