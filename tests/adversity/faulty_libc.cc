// Stands between a process and its libc (LD_PRELOAD), to make disks slow and names hard to resolve.
//
// FAULTS_FILE names a file with two words, which is read again for every call: how many
// milliseconds the disk takes for each write or flush, or "stuck" while it takes none, and what
// becomes of the host name "receiver.test": "found" (at 127.0.0.1), "fails" (as without a name
// server) or "hangs" (as with one that does not answer, which resolvers give up after some
// seconds).

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <netdb.h>
#include <string>
#include <unistd.h>

#include <sys/types.h>

namespace {

constexpr useconds_t kResolverGivesUpMicros = 3'000'000;

struct Faults {
  char disk[16] = "0";
  char name[16] = "found";
};

Faults Read() {
  Faults faults;
  FILE* const file = fopen(getenv("FAULTS_FILE"), "re");
  if (file == nullptr) return faults;
  if (fscanf(file, "%15s %15s", faults.disk, faults.name) != 2) faults = Faults();
  fclose(file);
  return faults;
}

void AwaitDisk() {
  while (std::strcmp(Read().disk, "stuck") == 0) usleep(10'000);
  usleep(static_cast<useconds_t>(atoi(Read().disk)) * 1000);
}

template <typename Function>
Function* Next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

}  // namespace

extern "C" {

int fsync(int fd) {
  AwaitDisk();
  return Next<int(int)>("fsync")(fd);
}

int fdatasync(int fd) {
  AwaitDisk();
  return Next<int(int)>("fdatasync")(fd);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  AwaitDisk();
  return Next<ssize_t(int, const void*, size_t, off64_t)>("pwrite64")(fd, bytes, size, offset);
}

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
  if (node != nullptr && std::strcmp(node, "receiver.test") == 0) {
    const std::string name = Read().name;
    if (name == "hangs") usleep(kResolverGivesUpMicros);
    if (name != "found") return EAI_AGAIN;
    node = "127.0.0.1";
  }
  return Next<int(const char*, const char*, const addrinfo*, addrinfo**)>("getaddrinfo")(
      node, service, hints, result);
}

}  // extern "C"
