// A log that a test can read.

#ifndef SPANMETER_TESTS_SUPPORT_LOG_FILE_H_
#define SPANMETER_TESTS_SUPPORT_LOG_FILE_H_

#include <string>
#include <unistd.h>

#include <sys/mman.h>

namespace spanmeter {

// The lines of a Logger.
class LogFile {
 public:
  LogFile() : fd_(memfd_create("log", MFD_CLOEXEC)) {}
  ~LogFile() { close(fd_); }
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  int fd() const { return fd_; }
  std::string text() const {
    std::string text(static_cast<size_t>(lseek(fd_, 0, SEEK_END)), '\0');
    const ssize_t size = pread(fd_, text.data(), text.size(), 0);
    text.resize(size > 0 ? static_cast<size_t>(size) : 0);
    return text;
  }
  // How often the words occur.
  int Count(const std::string& words) const {
    const std::string all = text();
    int count = 0;
    for (size_t at = all.find(words); at != std::string::npos; at = all.find(words, at + 1)) {
      ++count;
    }
    return count;
  }

 private:
  const int fd_;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_SUPPORT_LOG_FILE_H_
