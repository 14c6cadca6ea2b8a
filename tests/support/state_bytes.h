// Streams of state in memory, for tests.

#ifndef SPANMETER_TESTS_SUPPORT_STATE_BYTES_H_
#define SPANMETER_TESTS_SUPPORT_STATE_BYTES_H_

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

#include "spanmeter/clock.h"
#include "spanmeter/state_stream.h"

namespace spanmeter::testing {

// What `save(StateWriter*)` writes, as a complete stream.
template <typename Save>
std::string StateBytes(const Clock& clock, Save save) {
  std::string bytes;
  StateWriter writer(&clock, [&bytes](std::string_view part) {
    bytes += part;
    return true;
  });
  save(&writer);
  writer.Finish();
  return bytes;
}

// Gives away `bytes`, which must stay valid, so many at a time.
inline StateReader::Source ReadFrom(std::string_view bytes, size_t at_a_time = SIZE_MAX) {
  return [bytes, at_a_time](char* buffer, size_t size) mutable {
    const size_t n = std::min({bytes.size(), size, at_a_time});
    if (n != 0) std::memcpy(buffer, bytes.data(), n);
    bytes.remove_prefix(n);
    return n;
  };
}

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_SUPPORT_STATE_BYTES_H_
