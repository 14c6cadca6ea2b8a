// What requests have besides samples: headers and metadata.

#ifndef SPANMETER_REMOTE_WRITE_WRITE_REQUEST_H_
#define SPANMETER_REMOTE_WRITE_WRITE_REQUEST_H_

#include <map>
#include <span>
#include <string>

#include "spanmeter/block.h"
#include "spanmeter/sample_sink.h"

namespace spanmeter {

// The headers that tell a receiver what is in a request.
std::map<std::string, std::string> WriteHeaders(Protocol protocol);

// The body of a request of version 1.0 that says of what type metrics are, compressed.
std::string EncodeMetadata(std::span<const MetricInfo> metrics);

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_WRITE_REQUEST_H_
