// Problems of [[forward]] that show only when all of it is known.

#ifndef SPANMETER_CONFIG_FORWARD_CHECKS_H_
#define SPANMETER_CONFIG_FORWARD_CHECKS_H_

#include "spanmeter/options.h"

#include "config/reader.h"

namespace spanmeter {

// Adds what contradicts itself to the reader's problems, and gives names to receivers without one.
void CheckForward(Options* options, ConfigReader* reader);

// Adds files that cannot be read.
void CheckForwardFiles(const Options& options, ConfigReader* reader);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_FORWARD_CHECKS_H_
