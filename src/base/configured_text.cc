#include "spanmeter/configured_text.h"

#include <cstdio>
#include <cstring>
#include <errno.h>
#include <memory>
#include <string_view>
#include <utility>

#include <sys/stat.h>

namespace spanmeter {

namespace {

constexpr int64_t kLookNanos = kNanosPerSecond;
constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;
// No secret is longer, and no header may be.
constexpr size_t kMaxBytes = size_t{64} << 10;
constexpr std::string_view kWhiteSpace = " \t\r\n";

// Reads the file into *text unless its version is still *version and there is a text.
std::string ReadChanged(const std::string& path, FileVersion* version,
                        std::optional<std::string>* text) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "rbe"), fclose);
  if (file == nullptr) return std::strerror(errno);
  struct stat status = {};
  if (fstat(fileno(file.get()), &status) != 0) return std::strerror(errno);
  const FileVersion found = FileVersion::Of(status);
  if (*text && found == *version) return "";
  std::string content(kMaxBytes + 1, '\0');
  content.resize(fread(content.data(), 1, content.size(), file.get()));
  if (ferror(file.get()) != 0) return std::strerror(errno);
  if (content.size() > kMaxBytes) return "it has more than 64 KiB";
  content.resize(content.find_last_not_of(kWhiteSpace) + 1);
  if (content.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
    return "it has more than one line";
  }
  *text = std::move(content);
  *version = found;
  return "";
}

}  // namespace

FileVersion FileVersion::Of(const struct stat& status) {
  return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size, status.st_ino};
}

FileVersion FileVersion::OfFile(const std::string& path) {
  struct stat status = {};
  return stat(path.c_str(), &status) == 0 ? Of(status) : FileVersion();
}

std::string ReadOneLine(const std::string& path, std::string* text) {
  FileVersion version;
  std::optional<std::string> read;
  std::string problem = ReadChanged(path, &version, &read);
  if (problem.empty()) *text = std::move(*read);
  return problem;
}

ConfiguredText::ConfiguredText(TextOrFile source, const Clock* clock, const Logger* logger)
    : source_(std::move(source)),
      clock_(clock),
      logger_(logger),
      throttle_(clock, kLogIntervalNanos),
      next_look_nanos_(clock->MonotonicNanos()) {
  if (source_.file.empty()) text_ = source_.text;
}

std::optional<std::string> ConfiguredText::Get(std::string* error) {
  const MutexLock lock(&mutex_);
  if (source_.file.empty()) return text_;
  const int64_t now = clock_->MonotonicNanos();
  if (now >= next_look_nanos_) {
    next_look_nanos_ = now + kLookNanos;
    problem_ = ReadChanged(source_.file, &version_, &text_);
    uint64_t suppressed = 0;
    if (!problem_.empty() && text_ && throttle_.Allow(&suppressed)) {
      logger_->Warn("cannot read a file again, its last contents are still used",
                    {{"file", source_.file}, {"error", problem_}});
    }
  }
  if (!text_) *error = "cannot read " + source_.file + ": " + problem_;
  return text_;
}

}  // namespace spanmeter
