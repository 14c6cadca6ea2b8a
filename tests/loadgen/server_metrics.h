// What the server says about itself, read from its HTTP port.

#ifndef SPANMETER_TESTS_LOADGEN_SERVER_METRICS_H_
#define SPANMETER_TESTS_LOADGEN_SERVER_METRICS_H_

#include <optional>
#include <string>

namespace spanmeter::loadgen {

// Reads process_cpu_seconds_total from the text format at `url` ("http://host:port/path"). Returns
// nullopt and says why in *error when that is not possible within 5 seconds.
std::optional<double> ReadServerCpuSeconds(const std::string& url, std::string* error);

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_SERVER_METRICS_H_
