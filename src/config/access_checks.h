// What no single key of those who may ask or send something shows.

#ifndef SPANMETER_CONFIG_ACCESS_CHECKS_H_
#define SPANMETER_CONFIG_ACCESS_CHECKS_H_

#include "spanmeter/options.h"

#include "config/reader.h"

namespace spanmeter {

// Notes what does not fit together in [[http.users]], [[http.tokens]], [[otlp.grpc.tokens]] and
// [[otlp.http.tokens]].
void CheckAccess(const Options& options, ConfigReader* reader);

// Notes each of their files that does not hold what it should, and hashes that are none.
void CheckAccessFiles(const Options& options, ConfigReader* reader);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_ACCESS_CHECKS_H_
