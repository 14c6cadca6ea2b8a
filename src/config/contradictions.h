// Problems that no single key shows.

#ifndef SPANMETER_CONFIG_CONTRADICTIONS_H_
#define SPANMETER_CONFIG_CONTRADICTIONS_H_

#include "spanmeter/options.h"

#include "config/reader.h"

namespace spanmeter {

// Notes what does not fit together in *options, and settles what the keys leave open: TLS without
// any file is no TLS, and receivers without a name get one.
void CheckContradictions(Options* options, ConfigReader* reader);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_CONTRADICTIONS_H_
