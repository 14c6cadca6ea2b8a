// Reads files that are small enough to be in memory as a whole.

#ifndef SPANMETER_READ_FILE_H_
#define SPANMETER_READ_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

namespace spanmeter {

// Appends what is in the file, but nothing more once there are `max_bytes`. Returns 0, or the errno
// of what failed, which for a directory is EISDIR. Thread-safe.
int ReadFile(const std::string& path, std::string* content, size_t max_bytes = SIZE_MAX);

}  // namespace spanmeter

#endif  // SPANMETER_READ_FILE_H_
