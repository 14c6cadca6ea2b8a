// Secrets and header values that may stand in files which change.

#ifndef SPANMETER_CONFIGURED_TEXT_H_
#define SPANMETER_CONFIGURED_TEXT_H_

#include <cstdint>
#include <optional>
#include <string>

#include <sys/types.h>

#include "spanmeter/client_options.h"
#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"

struct stat;

namespace spanmeter {

// What changes when a file does.
struct FileVersion {
  int64_t seconds = 0;
  int64_t nanos = 0;
  off_t size = 0;
  ino_t inode = 0;

  static FileVersion Of(const struct stat& status);
  // All zero when there is no such file.
  static FileVersion OfFile(const std::string& path);

  bool operator==(const FileVersion&) const = default;
};

// Reads the only line of a file, at most 64 KiB, without white space at its end. Returns what is
// wrong, or an empty text.
std::string ReadOneLine(const std::string& path, std::string* text);

// Thread-safe.
class ConfiguredText {
 public:
  // The pointers must outlive this.
  ConfiguredText(TextOrFile source, const Clock* clock, const Logger* logger);

  // The text as it is now: the file is looked at again at most once a second, and read again when
  // it has changed. While it cannot be read the last text is used; nothing when there is none, and
  // then *error says why.
  std::optional<std::string> Get(std::string* error);

  // Empty: the text stands in the configuration.
  const std::string& file() const { return source_.file; }

 private:
  const TextOrFile source_;
  const Clock* const clock_;
  const Logger* const logger_;
  LogThrottle throttle_;
  Mutex mutex_;
  std::optional<std::string> text_ GUARDED_BY(mutex_);
  FileVersion version_ GUARDED_BY(mutex_);
  std::string problem_ GUARDED_BY(mutex_);
  int64_t next_look_nanos_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_CONFIGURED_TEXT_H_
