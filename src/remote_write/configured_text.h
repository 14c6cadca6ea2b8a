// Secrets and header values that may stand in files which change.

#ifndef SPANMETER_REMOTE_WRITE_CONFIGURED_TEXT_H_
#define SPANMETER_REMOTE_WRITE_CONFIGURED_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/remote_write_options.h"

namespace spanmeter {

// Not thread-safe.
class ConfiguredText {
 public:
  // The pointers must outlive this.
  ConfiguredText(TextOrFile source, const Clock* clock, const Logger* logger);

  // The text as it is now: the file is looked at again at most once a second, and read again when
  // it has changed. While it cannot be read the last text is used; nothing when there is none, and
  // then *error says why.
  std::optional<std::string> Get(std::string* error);

 private:
  // What changes when a file does.
  struct Version {
    int64_t seconds = 0;
    int64_t nanos = 0;
    off_t size = 0;
    ino_t inode = 0;

    bool operator==(const Version&) const = default;
  };

  // Returns what is wrong, or an empty text.
  std::string Read();

  const TextOrFile source_;
  const Clock* const clock_;
  const Logger* const logger_;
  LogThrottle throttle_;
  std::optional<std::string> text_;
  Version version_;
  std::string problem_;
  int64_t next_look_nanos_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_CONFIGURED_TEXT_H_
