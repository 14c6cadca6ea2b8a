// The file in which queues are kept.

#ifndef SPANMETER_QUEUE_BLOCK_STORE_H_
#define SPANMETER_QUEUE_BLOCK_STORE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include "spanmeter/block_index.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/queue_storage.h"

#include "queue/sqlite.h"

namespace spanmeter {

// A block, with or without its body.
struct StoreRow {
  BlockIndex::Entry entry;  // the block's own fields
  std::string_view queue;
  std::string_view tenant;
  std::string_view body;
};

// A block as it was found in the file.
struct StoredBlock {
  BlockIndex::Entry entry;
  const std::string* tenant;
};

// `NAME.db` in a directory, an SQLite database with a write-ahead log. A lock on a file
// beside it keeps other processes out.
//
// Thread-safe. No method throws or waits for anything but the disk.
class BlockStore {
 public:
  using Row = StoreRow;
  // All that is in the file, but for the bodies.
  struct Contents {
    using Stored = StoredBlock;
    std::set<std::string, std::less<>> tenants;  // the blocks point to them
    // By the name of the queue; ascending ids.
    std::map<std::string, std::vector<Stored>, std::less<>> queues;
    std::map<std::string, int64_t, std::less<>> stamps;
  };
  // What is to be done before Write() can work again.
  enum class Repair : uint8_t {
    kNone,      // it did work
    kRetry,     // nothing: to be tried again later
    kReopen,    // Open(): there is no file, or it is not the one that was opened
    kSetAside,  // Open(), which then makes a new file: this one is damaged
  };

  // The logger must outlive the store.
  BlockStore(std::string directory, StorageUse use, const Logger* logger);
  ~BlockStore();
  BlockStore(const BlockStore&) = delete;
  BlockStore& operator=(const BlockStore&) = delete;

  // Opens the file or makes it, and reads *contents. A damaged file, or one that is something else,
  // is renamed to NAME.db.corrupt and replaced by an empty one. When it returns false, what
  // was open before can still be read if it is still there.
  bool Open(Contents* contents);

  // Writes all, and deletes what was forgotten, or changes nothing and returns false. What it has
  // written survives a crash of the machine. A stamp replaces the tenant's former one.
  bool Write(std::span<const Row> rows,
             std::span<const std::pair<std::string_view, int64_t>> stamps);

  // Removes the file, of which nothing is needed any more; Open() makes a new one. A full disk may
  // have no room even for writing down that something is deleted.
  void Discard();

  // The block need not be kept any more. It is deleted with the next Write() or Maintain().
  // Never waits for the disk.
  void Forget(uint64_t id);
  // Deletes what was forgotten, returns unused space to the file system in pieces, and deletes
  // stamps before `oldest_stamp_ms`. To be called every second or so.
  void Maintain(int64_t oldest_stamp_ms);
  // Ascending.
  std::vector<uint64_t> Forgotten() const;

  // Reads bodies: *bodies has one for each id, none where there is none or it is damaged. Returns
  // false when nothing can be read at present.
  bool Read(std::span<const uint64_t> ids, std::vector<std::optional<std::string>>* bodies);

  Repair repair() const;
  // Why a method failed last.
  std::string error() const;
  // How many files were set aside.
  uint64_t files_set_aside() const;
  // The size of all files.
  uint64_t file_bytes() const;
  const std::string& path() const { return path_; }

 private:
  struct Statements {
    SqliteStatement insert_block;
    SqliteStatement insert_body;
    SqliteStatement delete_block;
    SqliteStatement delete_body;
    SqliteStatement read_body;
    SqliteStatement set_stamp;
  };
  struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    bool operator==(const FileId&) const = default;
  };

  // Each returns false after Fail().
  bool Lock() REQUIRES_LOCK(mutex_);
  bool OpenOnce(Contents* contents) REQUIRES_LOCK(mutex_);
  bool PrepareFile(SqliteDatabase* database) REQUIRES_LOCK(mutex_);
  bool Load(SqliteDatabase* database, Contents* contents) REQUIRES_LOCK(mutex_);
  void Close() REQUIRES_LOCK(mutex_);
  bool SetAside() REQUIRES_LOCK(mutex_);
  bool Begin(const char* synchronous) REQUIRES_LOCK(mutex_);
  bool WriteRows(std::span<const Row> rows) REQUIRES_LOCK(mutex_);
  bool WriteStamps(std::span<const std::pair<std::string_view, int64_t>> stamps)
      REQUIRES_LOCK(mutex_);
  bool Commit(const std::vector<uint64_t>& deleted) REQUIRES_LOCK(mutex_);
  bool Delete(const std::vector<uint64_t>& ids) REQUIRES_LOCK(mutex_);

  bool Fail(Repair repair, std::string error) REQUIRES_LOCK(mutex_);
  bool FailWith(int code, const SqliteDatabase& database) REQUIRES_LOCK(mutex_);
  bool IsWhereItWas() const REQUIRES_LOCK(mutex_);
  void ShrinkFile() REQUIRES_LOCK(mutex_);
  std::vector<uint64_t> SomeForgotten() const;

  const std::string directory_;
  const StorageUse use_;
  const std::string path_;
  const Logger* const logger_;

  mutable Mutex mutex_;
  int lock_fd_ GUARDED_BY(mutex_) = -1;
  FileId lock_id_ GUARDED_BY(mutex_);
  FileId file_id_ GUARDED_BY(mutex_);
  // Before the statements, so that it is closed after them.
  SqliteDatabase database_ GUARDED_BY(mutex_);
  Statements statements_ GUARDED_BY(mutex_);
  Repair repair_ GUARDED_BY(mutex_) = Repair::kReopen;
  std::string error_ GUARDED_BY(mutex_);
  uint64_t files_set_aside_ GUARDED_BY(mutex_) = 0;

  // Taken alone or after mutex_.
  mutable Mutex forgotten_mutex_;
  std::set<uint64_t> forgotten_ GUARDED_BY(forgotten_mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_QUEUE_BLOCK_STORE_H_
