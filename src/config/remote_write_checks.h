// What no single key of [[remote_write]] shows.

#ifndef SPANMETER_CONFIG_REMOTE_WRITE_CHECKS_H_
#define SPANMETER_CONFIG_REMOTE_WRITE_CHECKS_H_

#include "spanmeter/options.h"

#include "config/reader.h"

namespace spanmeter {

// Notes what does not fit together, and gives the receivers without a name one.
void CheckRemoteWrite(Options* options, ConfigReader* reader);

// Notes each file that remote write needs and that cannot be read.
void CheckRemoteWriteFiles(const Options& options, ConfigReader* reader);

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_REMOTE_WRITE_CHECKS_H_
