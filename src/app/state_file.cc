#include "app/state_file.h"

#include <algorithm>
#include <errno.h>
#include <fcntl.h>
#include <filesystem>
#include <stdio.h>
#include <string_view>
#include <system_error>
#include <unistd.h>
#include <utility>

#include <sys/file.h>
#include <sys/stat.h>

namespace spanmeter {

namespace {

// It holds label values, which are nobody else's business.
constexpr mode_t kFileMode = 0600;

std::string ErrnoText(std::string_view what, const std::string& path) {
  const int error = errno;
  return std::string(what) + " " + path + ": " + std::generic_category().message(error);
}

bool WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

size_t ReadSome(int fd, char* buffer, size_t size) {
  for (;;) {
    const ssize_t got = read(fd, buffer, size);
    if (got >= 0) return static_cast<size_t>(got);
    // What cannot be read is missing, and is found to be.
    if (errno != EINTR) return 0;
  }
}

}  // namespace

StateFile::StateFile(std::string directory)
    : directory_(std::move(directory)),
      path_((std::filesystem::path(directory_) / "state").string()),
      taken_path_(path_ + ".taken"),
      temporary_path_(path_ + ".tmp"),
      void_path_(path_ + ".void") {}

StateFile::~StateFile() {
  Close();
  // Only now may another process have the directory.
  if (lock_fd_ >= 0) close(lock_fd_);
}

void StateFile::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

std::string StateFile::Lock() {
  std::error_code ignored;
  std::filesystem::create_directories(directory_, ignored);
  const std::string path = path_ + ".lock";
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoText("cannot open", path);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const bool taken = errno == EWOULDBLOCK;
    std::string error = ErrnoText("cannot lock", path);
    close(fd);
    if (!taken) return error;
    const int mark = open(void_path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kFileMode);
    if (mark >= 0) {
      made_void_ = true;
      close(mark);
    }
    return "cannot lock " + path + ": another process uses it";
  }
  lock_fd_ = fd;
  return "";
}

void StateFile::GiveUp() {
  if (made_void_) unlink(void_path_.c_str());
  made_void_ = false;
}

std::string StateFile::Claim() {
  const bool was_locked = locked();
  if (!was_locked) {
    if (std::string error = Lock(); !error.empty()) {
      GiveUp();
      return error;
    }
    // What the other process has left is older than what this one has shown.
    unlink(path_.c_str());
    if (std::string error = SyncDirectory(); !error.empty()) return error;
    unlink(void_path_.c_str());
    made_void_ = false;
  }
  if (access(void_path_.c_str(), F_OK) == 0) return "another process uses " + directory_ + " too";
  return "";
}

std::string StateFile::Take(bool* removed) {
  *removed = unlink(taken_path_.c_str()) == 0;
  *removed = unlink(temporary_path_.c_str()) == 0 || *removed;
  if (access(void_path_.c_str(), F_OK) == 0) {
    // The state first: without it the mark does no harm.
    unlink(path_.c_str());
    unlink(void_path_.c_str());
    return "another process has used " + directory_ + " since it was written";
  }
  // Looked at before it is renamed: what is no file stays where it is.
  struct stat status = {};
  if (stat(path_.c_str(), &status) != 0) {
    return errno == ENOENT ? "" : ErrnoText("cannot look at", path_);
  }
  if (!S_ISREG(status.st_mode)) return path_ + " is not a file";
  if (rename(path_.c_str(), taken_path_.c_str()) != 0) return ErrnoText("cannot rename", path_);
  // Were the name to come back after a crash of the machine, the state would be used twice.
  std::string error = SyncDirectory();
  if (error.empty()) {
    fd_ = open(taken_path_.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd_ < 0) error = ErrnoText("cannot open", taken_path_);
  }
  if (!error.empty()) unlink(taken_path_.c_str());
  return error;
}

StateReader::Source StateFile::Read() {
  lseek(fd_, 0, SEEK_SET);
  return [this](char* buffer, size_t size) { return ReadSome(fd_, buffer, size); };
}

std::string StateFile::PutBack() {
  Close();
  if (rename(taken_path_.c_str(), path_.c_str()) != 0)
    return ErrnoText("cannot rename", taken_path_);
  return SyncDirectory();
}

std::string StateFile::Forget() {
  Close();
  // Should it come back after a crash of the machine, nobody will read it by that name.
  return unlink(taken_path_.c_str()) == 0 ? "" : ErrnoText("cannot remove", taken_path_);
}

std::string StateFile::Write(const Clock* clock, const std::function<void(StateWriter*)>& save,
                             uint64_t* bytes) {
  std::string error = Claim();
  if (!error.empty()) return error;
  const int fd = open(temporary_path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode);
  if (fd < 0) return ErrnoText("cannot open", temporary_path_);
  StateWriter writer(clock, [&](std::string_view part) {
    if (!WriteAll(fd, part)) error = ErrnoText("cannot write", temporary_path_);
    return error.empty();
  });
  save(&writer);
  if (!writer.Finish() && error.empty()) error = "a record of the state is too long";
  *bytes = writer.bytes();
  if (error.empty() && fsync(fd) != 0) error = ErrnoText("cannot write", temporary_path_);
  if (close(fd) != 0 && error.empty()) error = ErrnoText("cannot write", temporary_path_);
  if (error.empty() && rename(temporary_path_.c_str(), path_.c_str()) != 0) {
    error = ErrnoText("cannot rename", temporary_path_);
  }
  if (error.empty()) error = SyncDirectory();
  if (!error.empty()) unlink(temporary_path_.c_str());
  return error;
}

std::string StateFile::SyncDirectory() const {
  const int fd = open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoText("cannot open", directory_);
  std::string error;
  if (fsync(fd) != 0) error = ErrnoText("cannot sync", directory_);
  close(fd);
  return error;
}

}  // namespace spanmeter
