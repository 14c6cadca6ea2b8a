#include "spanmeter/read_file.h"

#include <algorithm>
#include <cstdio>
#include <errno.h>
#include <memory>

namespace spanmeter {

int ReadFile(const std::string& path, std::string* content, size_t max_bytes) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(fopen(path.c_str(), "rb"), fclose);
  if (file == nullptr) return errno;
  char buffer[4096];
  while (content->size() < max_bytes) {
    const size_t wanted = std::min(sizeof buffer, max_bytes - content->size());
    const size_t size = fread(buffer, 1, wanted, file.get());
    if (size == 0) break;
    content->append(buffer, size);
  }
  // Opening a directory succeeds, reading it does not.
  return ferror(file.get()) != 0 ? errno : 0;
}

}  // namespace spanmeter
