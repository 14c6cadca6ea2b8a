// What the program does when there is no memory left: it says so and ends.
//
// There is no way to go on that keeps the promises. An exception in the middle of a request would
// leave half of it counted; gRPC catches it and tells the client to try again. gRPC itself does not
// look at what malloc() returns, and would crash without a word. So every allocation of the
// process, whoever makes it, comes through here, and the first that fails ends the process with a
// reason and a status of its own. What waits for receivers is on disk, and the service manager
// starts anew.
//
// These definitions come before those of all libraries and leave the work to the next one, which is
// glibc, or what was preloaded in its place, such as jemalloc; free() and the like stay theirs.
// Part of the program alone: tests, and programs with a sanitizer, which replaces malloc() itself,
// have nothing of it.

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <dlfcn.h>
#include <unistd.h>

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

// The definition of NAME that would be in force without ours. Threads that ask at the same time
// find the same. REQUIRES: Function is its type.
template <typename Function>
class Next {
 public:
  explicit constexpr Next(const char* name) : name_(name) {}

  Function* get() {
    Function* function = function_.load(std::memory_order_relaxed);
    if (function == nullptr) [[unlikely]] {
      function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name_));
      if (function == nullptr) Stop();
      function_.store(function, std::memory_order_relaxed);
    }
    return function;
  }

 private:
  const char* const name_;
  std::atomic<Function*> function_{nullptr};
};

// malloc() is called before there are any constructors: these need none.
constinit Next<void*(size_t)> next_malloc("malloc");
constinit Next<void*(size_t, size_t)> next_calloc("calloc");
constinit Next<void*(void*, size_t)> next_realloc("realloc");
constinit Next<void*(size_t, size_t)> next_memalign("memalign");
constinit Next<void*(size_t, size_t)> next_aligned_alloc("aligned_alloc");
constinit Next<int(void**, size_t, size_t)> next_posix_memalign("posix_memalign");

// `size` 0 may give no memory.
void* Checked(void* memory, size_t size) {
  if (memory == nullptr && size != 0) [[unlikely]]
    Stop();
  return memory;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void* malloc(size_t size) {
  return Checked(next_malloc.get()(size), size);
}

__attribute__((visibility("default"))) void* calloc(size_t count, size_t size) {
  return Checked(next_calloc.get()(count, size), count == 0 ? 0 : size);
}

__attribute__((visibility("default"))) void* realloc(void* memory, size_t size) {
  return Checked(next_realloc.get()(memory, size), size);
}

__attribute__((visibility("default"))) void* memalign(size_t alignment, size_t size) {
  return Checked(next_memalign.get()(alignment, size), size);
}

__attribute__((visibility("default"))) void* aligned_alloc(size_t alignment, size_t size) {
  return Checked(next_aligned_alloc.get()(alignment, size), size);
}

__attribute__((visibility("default"))) int posix_memalign(void** memory, size_t alignment,
                                                          size_t size) {
  const int error = next_posix_memalign.get()(memory, alignment, size);
  if (error == ENOMEM) Stop();
  return error;
}

}  // extern "C"
