// The file by which a process hands its state on to the next one.
//
// In the directory are
//
//   state        what a clean stop has left; valid for one start
//   state.taken  the same while a process starts with it
//   state.tmp    what is being written
//   state.lock   locked by the process that the directory belongs to
//   state.void   made by a process that found it locked: what the other one leaves is not what this
//                one's readers saw last
//
// A state that is older than what scrapers and receivers have seen would be worse than none: values
// that step back look like a reset, and everything would be added once more. So a state gives up
// its name before anybody can see what became of it, and one that still has the name state.taken at
// a start, because that process died, is not read.

#ifndef SPANMETER_APP_STATE_FILE_H_
#define SPANMETER_APP_STATE_FILE_H_

#include <cstdint>
#include <functional>
#include <string>

#include "spanmeter/clock.h"
#include "spanmeter/state_stream.h"

namespace spanmeter {

// Not thread-safe. Methods that can fail return what went wrong, or an empty text.
class StateFile {
 public:
  explicit StateFile(std::string directory);
  ~StateFile();
  StateFile(const StateFile&) = delete;
  StateFile& operator=(const StateFile&) = delete;

  // Makes the directory if need be and locks it until the destruction. When another process has it,
  // that one's state is void, until this process gives up.
  std::string Lock();
  bool locked() const { return lock_fd_ >= 0; }
  // This process has not been there, for a directory that another one has.
  void GiveUp();

  // Takes the state that is there, if any is, and opens it; removes what processes that died have
  // left, and says so in *removed. REQUIRES: Lock() succeeded.
  std::string Take(bool* removed);
  bool taken() const { return fd_ >= 0; }
  // Reads the state that was taken, from its beginning. REQUIRES: taken().
  StateReader::Source Read();

  // For a start that failed: the state is there for the next one.
  std::string PutBack();
  // For one that succeeded, or for a state that is of no use: it is gone.
  std::string Forget();

  // Writes a state: `save` writes its records. It is there when this returns without an error, and
  // after a crash of the machine too; else there is none. If Lock() has failed, it is tried again:
  // the other process may have ended.
  std::string Write(const Clock* clock, const std::function<void(StateWriter*)>& save,
                    uint64_t* bytes);

  const std::string& path() const { return path_; }

 private:
  // Makes sure that this process may write a state.
  std::string Claim();
  std::string SyncDirectory() const;
  void Close();

  const std::string directory_;
  const std::string path_;
  const std::string taken_path_;
  const std::string temporary_path_;
  const std::string void_path_;
  bool made_void_ = false;
  int lock_fd_ = -1;
  int fd_ = -1;  // of the state that was taken
};

}  // namespace spanmeter

#endif  // SPANMETER_APP_STATE_FILE_H_
