// Where a Logger writes that has nobody to read it.

#ifndef SPANMETER_TESTS_FUZZ_NULL_FILE_H_
#define SPANMETER_TESTS_FUZZ_NULL_FILE_H_

#include <fcntl.h>
#include <unistd.h>

namespace spanmeter::testing {

class NullFile {
 public:
  NullFile() : fd_(open("/dev/null", O_WRONLY | O_CLOEXEC)) {}
  ~NullFile() { close(fd_); }
  NullFile(const NullFile&) = delete;
  NullFile& operator=(const NullFile&) = delete;

  int fd() const { return fd_; }

 private:
  const int fd_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_FUZZ_NULL_FILE_H_
