// The header Retry-After: RFC 9110, section 10.2.3.

#ifndef SPANMETER_RETRY_AFTER_H_
#define SPANMETER_RETRY_AFTER_H_

#include <cstdint>
#include <string>

namespace spanmeter {

// How long a receiver wants to be left alone, in nanoseconds: 0 when the text says nothing of the
// kind, and never more than ten minutes. `wall_nanos`: now, since the Unix epoch.
int64_t RetryAfterNanos(const std::string& text, int64_t wall_nanos);

}  // namespace spanmeter

#endif  // SPANMETER_RETRY_AFTER_H_
