// What the program does when there is no memory left: it says so and ends.
//
// There is no way to go on that keeps the promises. An exception in the middle of a request would
// leave half of it counted; gRPC catches it and tells the client to try again. gRPC itself does not
// look at what malloc() returns, and would crash without a word. So every allocation of the
// process, whoever makes it, comes through here, and the first that fails ends the process with a
// reason and a status of its own. What waits for receivers is on disk, and the service manager
// starts anew.
//
// These definitions take the place of glibc's in the whole process, as its manual allows, and leave
// the work to it; free() and the like stay glibc's. Part of the program alone: tests, and programs
// with a sanitizer, which replaces malloc() itself, have nothing of it.

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

// glibc's own names for what it does; no header declares them.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
}
// NOLINTEND(bugprone-reserved-identifier)

namespace {

// packaging/man/spanmeter.8 lists it.
constexpr int kExitOutOfMemory = 3;

constexpr char kMessage[] =
    "spanmeter: cannot go on: the system or a limit (ulimit -v) gives no more memory. "
    "Raise that, or bound what grows: max_active_series, max_items, max_in_flight, max_memory\n";

// Nothing here may allocate, or wait for anybody: the caller can hold any lock.
[[noreturn]] void Stop() {
  const ssize_t ignored = write(STDERR_FILENO, kMessage, sizeof(kMessage) - 1);
  static_cast<void>(ignored);
  _exit(kExitOutOfMemory);
}

// `size` 0 may give no memory.
void* Checked(void* memory, size_t size) {
  if (memory == nullptr && size != 0) [[unlikely]]
    Stop();
  return memory;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void* malloc(size_t size) {
  return Checked(__libc_malloc(size), size);
}

__attribute__((visibility("default"))) void* calloc(size_t count, size_t size) {
  return Checked(__libc_calloc(count, size), count == 0 ? 0 : size);
}

__attribute__((visibility("default"))) void* realloc(void* memory, size_t size) {
  return Checked(__libc_realloc(memory, size), size);
}

__attribute__((visibility("default"))) void* memalign(size_t alignment, size_t size) {
  return Checked(__libc_memalign(alignment, size), size);
}

__attribute__((visibility("default"))) void* aligned_alloc(size_t alignment, size_t size) {
  return Checked(__libc_memalign(alignment, size), size);
}

__attribute__((visibility("default"))) int posix_memalign(void** memory, size_t alignment,
                                                          size_t size) {
  if (alignment % sizeof(void*) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) {
    return EINVAL;
  }
  *memory = Checked(__libc_memalign(alignment, size), size);
  return 0;
}

}  // extern "C"
