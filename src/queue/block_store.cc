#include "queue/block_store.h"

#include <algorithm>
#include <errno.h>
#include <fcntl.h>
#include <filesystem>
#include <system_error>
#include <unistd.h>

#include <sys/file.h>
#include <sys/stat.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace spanmeter {

namespace {

// "spmq": marks the file as ours. The version is that of the tables below.
constexpr int64_t kApplicationId = 0x73706D71;
constexpr int64_t kSchemaVersion = 2;

// Bodies have a table of their own, so that a start does not read through them.
constexpr char kSchema[] =
    "BEGIN;"
    "CREATE TABLE blocks(id INTEGER PRIMARY KEY, queue TEXT NOT NULL, tenant TEXT NOT NULL,"
    " protocol INTEGER NOT NULL, first_hash INTEGER NOT NULL, last_hash INTEGER NOT NULL,"
    " samples INTEGER NOT NULL, histograms INTEGER NOT NULL, exemplars INTEGER NOT NULL,"
    " oldest_ms INTEGER NOT NULL, newest_ms INTEGER NOT NULL, body_bytes INTEGER NOT NULL,"
    " checksum INTEGER NOT NULL);"
    "CREATE TABLE bodies(id INTEGER PRIMARY KEY, checksum INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE stamps(tenant TEXT PRIMARY KEY, stamp_ms INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA application_id = 1936747889;"
    "PRAGMA user_version = 2;"
    "COMMIT;";

// Nobody else ought to use the file; whoever looks into it with a tool is waited for, shortly.
// Debian's SQLite overwrites what is deleted unless told otherwise, which costs as much as writing.
// The exclusive mode keeps the log's index in this process's memory instead of in a third file. The
// log is moved to the file when it has 16 MiB (4096 pages).
constexpr char kSettings[] =
    "PRAGMA busy_timeout = 200;"
    "PRAGMA locking_mode = EXCLUSIVE;"
    "PRAGMA auto_vacuum = INCREMENTAL;"
    "PRAGMA secure_delete = OFF;"
    "PRAGMA temp_store = MEMORY;"
    "PRAGMA wal_autocheckpoint = 4096;"
    "PRAGMA journal_size_limit = 16777216;";

// So many blocks are deleted at a time, which takes a fraction of a second; the rest waits for the
// next time.
constexpr size_t kMaxDeleted = 5'000;

// Unused pages (of 4 KiB) that stay in the file for what comes next, besides an eighth of all.
constexpr int64_t kKeptPages = 1024;

uint64_t Checksum(uint64_t id, std::string_view body) {
  return XXH3_64bits_withSeed(body.data(), body.size(), id);
}

// Of what a row of the table `blocks` says: a wrong tenant would get what belongs to another one.
uint64_t RowChecksum(const BlockIndex::Entry& entry, std::string_view queue,
                     std::string_view tenant) {
  const uint64_t fields[] = {entry.id,
                             static_cast<uint64_t>(entry.protocol),
                             entry.first_hash,
                             entry.last_hash,
                             entry.samples,
                             entry.histograms,
                             entry.exemplars,
                             static_cast<uint64_t>(entry.oldest_ms),
                             static_cast<uint64_t>(entry.newest_ms),
                             entry.body_bytes,
                             queue.size()};
  std::string bytes(reinterpret_cast<const char*>(fields), sizeof fields);
  bytes.append(queue).append(tenant);
  return XXH3_64bits(bytes.data(), bytes.size());
}

bool FitsUint32(int64_t value) {
  return value >= 0 && value <= std::numeric_limits<uint32_t>::max();
}

// Reads the current row of the table `blocks`; false if it makes no sense.
bool ReadEntry(const SqliteStatement& row, BlockIndex::Entry* entry) {
  const int64_t protocol = row.Int(3);
  const bool known = protocol == static_cast<int64_t>(Protocol::k1) ||
                     protocol == static_cast<int64_t>(Protocol::k2) ||
                     protocol == static_cast<int64_t>(Protocol::kOtlp);
  entry->id = static_cast<uint64_t>(row.Int(0));
  entry->first_hash = static_cast<uint64_t>(row.Int(4));
  entry->last_hash = static_cast<uint64_t>(row.Int(5));
  for (const int column : {6, 7, 8, 11}) {
    if (!FitsUint32(row.Int(column))) return false;
  }
  entry->protocol = static_cast<Protocol>(protocol);
  entry->samples = static_cast<uint32_t>(row.Int(6));
  entry->histograms = static_cast<uint32_t>(row.Int(7));
  entry->exemplars = static_cast<uint32_t>(row.Int(8));
  entry->oldest_ms = row.Int(9);
  entry->newest_ms = row.Int(10);
  entry->body_bytes = static_cast<uint32_t>(row.Int(11));
  // Ids beyond that are never given (see QueueStorage).
  constexpr int64_t kMaxId = int64_t{1} << 62;
  return known && row.Int(0) > 0 && row.Int(0) < kMaxId && entry->first_hash <= entry->last_hash &&
         static_cast<uint64_t>(row.Int(12)) == RowChecksum(*entry, row.Text(1), row.Text(2));
}

std::string ErrnoText(std::string_view what) {
  return std::string(what) + ": " + std::generic_category().message(errno);
}

}  // namespace

BlockStore::BlockStore(std::string directory, StorageUse use, const Logger* logger)
    : directory_(std::move(directory)),
      use_(std::move(use)),
      path_((std::filesystem::path(directory_) / (use_.name + ".db")).string()),
      logger_(logger) {}

BlockStore::~BlockStore() {
  MutexLock lock(&mutex_);
  Close();
  // Only now may others have the file.
  if (lock_fd_ >= 0) close(lock_fd_);
}

bool BlockStore::Fail(Repair repair, std::string error) {
  repair_ = repair;
  error_ = std::move(error);
  return false;
}

bool BlockStore::FailWith(int code, const SqliteDatabase& database) {
  const int primary = code & 0xFF;
  Repair repair = Repair::kRetry;
  if (IsDamage(code)) {
    repair = Repair::kSetAside;
  } else if (primary == SQLITE_READONLY || primary == SQLITE_CANTOPEN || primary == SQLITE_MISUSE) {
    repair = Repair::kReopen;
  }
  return Fail(repair, database.error());
}

bool BlockStore::IsWhereItWas() const {
  struct stat status = {};
  return stat(path_.c_str(), &status) == 0 && FileId{status.st_dev, status.st_ino} == file_id_;
}

bool BlockStore::Lock() {
  const std::string path = path_ + ".lock";
  struct stat status = {};
  if (lock_fd_ >= 0 && stat(path.c_str(), &status) == 0 &&
      FileId{status.st_dev, status.st_ino} == lock_id_) {
    return true;
  }
  const int fd = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return Fail(Repair::kReopen, ErrnoText("cannot open " + path));
  if (flock(fd, LOCK_EX | LOCK_NB) != 0 || fstat(fd, &status) != 0) {
    const bool taken = errno == EWOULDBLOCK;
    std::string error = ErrnoText("cannot lock " + path);
    close(fd);
    return Fail(Repair::kReopen, taken ? "another process uses it" : std::move(error));
  }
  if (lock_fd_ >= 0) close(lock_fd_);
  lock_fd_ = fd;
  lock_id_ = {status.st_dev, status.st_ino};
  return true;
}

bool BlockStore::Open(Contents* contents) {
  MutexLock lock(&mutex_);
  std::error_code ignored;
  std::filesystem::create_directories(directory_, ignored);
  if (!Lock()) return false;

  // The file that was open before is let go, unless it lies somewhere else now: then it can be read
  // until there is another.
  if (repair_ == Repair::kSetAside || IsWhereItWas()) {
    const bool set_aside = repair_ == Repair::kSetAside && IsWhereItWas();
    Close();
    if (set_aside && !SetAside()) return false;
  }
  const std::filesystem::file_status status = std::filesystem::status(path_, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    error_ = "not a file";
    if (!SetAside()) return false;
  }
  if (OpenOnce(contents)) return true;
  return repair_ == Repair::kSetAside && SetAside() && OpenOnce(contents);
}

bool BlockStore::OpenOnce(Contents* contents) {
  *contents = Contents();
  // In this order, because statements end before their database.
  SqliteDatabase database;
  Statements statements;
  int code = database.Open(path_);
  if (code != SQLITE_OK) {
    FailWith(code, database);
    if (repair_ != Repair::kSetAside) repair_ = Repair::kReopen;
    return false;
  }
  if (!PrepareFile(&database) || !Load(&database, contents)) {
    if (repair_ != Repair::kSetAside) repair_ = Repair::kReopen;
    return false;
  }
  const std::pair<const char*, SqliteStatement*> all[] = {
      {"INSERT OR REPLACE INTO blocks VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)", &statements.insert_block},
      {"INSERT OR REPLACE INTO bodies VALUES(?,?,?)", &statements.insert_body},
      {"DELETE FROM blocks WHERE id = ?", &statements.delete_block},
      {"DELETE FROM bodies WHERE id = ?", &statements.delete_body},
      {"SELECT checksum, body FROM bodies WHERE id = ?", &statements.read_body},
      {"INSERT OR REPLACE INTO stamps VALUES(?,?)", &statements.set_stamp},
  };
  for (const auto& [sql, statement] : all) {
    code = database.Prepare(sql, statement);
    // Tables that are not as they should be.
    if (code != SQLITE_OK) return Fail(Repair::kSetAside, database.error());
  }
  struct stat status = {};
  if (stat(path_.c_str(), &status) != 0) {
    return Fail(Repair::kReopen, ErrnoText("cannot find " + path_));
  }
  // Closing the former file, which lies elsewhere, must not touch what is at the path now.
  database_.Abandon();
  statements_ = std::move(statements);
  database_ = std::move(database);
  file_id_ = {status.st_dev, status.st_ino};
  repair_ = Repair::kNone;
  error_.clear();
  return true;
}

bool BlockStore::PrepareFile(SqliteDatabase* database) {
  int code = database->Execute(kSettings);
  int64_t tables = 0;
  int64_t application = 0;
  int64_t version = 0;
  if (code == SQLITE_OK) code = database->QueryInt("SELECT count(*) FROM sqlite_schema", &tables);
  if (code == SQLITE_OK) code = database->QueryInt("PRAGMA application_id", &application);
  if (code == SQLITE_OK) code = database->QueryInt("PRAGMA user_version", &version);
  if (code != SQLITE_OK) return FailWith(code, *database);
  if (database->read_only()) return Fail(Repair::kReopen, "cannot write to " + path_);

  const bool is_new = tables == 0 && application == 0 && version == 0;
  if (!is_new && application != kApplicationId) {
    return Fail(Repair::kSetAside, "the file is not one of spanmeter");
  }
  if (!is_new && version != kSchemaVersion) {
    return Fail(Repair::kSetAside, "the file has version " + std::to_string(version) +
                                       ", this program knows version " +
                                       std::to_string(kSchemaVersion));
  }
  code = database->Execute("PRAGMA journal_mode = WAL");
  if (code == SQLITE_OK && is_new) code = database->Execute(kSchema);
  return code == SQLITE_OK || FailWith(code, *database);
}

bool BlockStore::Load(SqliteDatabase* database, Contents* contents) {
  SqliteStatement rows;
  int code = database->Prepare(
      "SELECT id, queue, tenant, protocol, first_hash, last_hash, samples, histograms, exemplars,"
      " oldest_ms, newest_ms, body_bytes, checksum FROM blocks ORDER BY id",
      &rows);
  // The file is one of this version, so the tables that are missing were lost.
  if (code == SQLITE_ERROR) return Fail(Repair::kSetAside, database->error());
  if (code != SQLITE_OK) return FailWith(code, *database);
  // In a table that is damaged one page can stand in several places: rows come again then, and
  // possibly very often.
  uint64_t last_id = 0;
  while ((code = rows.Step()) == SQLITE_ROW) {
    Contents::Stored stored;
    if (!ReadEntry(rows, &stored.entry) || stored.entry.id <= last_id) {
      return Fail(Repair::kSetAside, "a block's row makes no sense");
    }
    last_id = stored.entry.id;
    stored.tenant = &*contents->tenants.emplace(rows.Text(2)).first;
    const auto queue = contents->queues.find(rows.Text(1));
    if (queue != contents->queues.end()) {
      queue->second.push_back(stored);
    } else {
      contents->queues[std::string(rows.Text(1))].push_back(stored);
    }
  }
  if (code != SQLITE_DONE) return FailWith(code, *database);

  SqliteStatement stamps;
  code = database->Prepare("SELECT tenant, stamp_ms FROM stamps", &stamps);
  if (code == SQLITE_ERROR) return Fail(Repair::kSetAside, database->error());
  if (code != SQLITE_OK) return FailWith(code, *database);
  while ((code = stamps.Step()) == SQLITE_ROW) {
    contents->stamps[std::string(stamps.Text(0))] = stamps.Int(1);
  }
  return code == SQLITE_DONE || FailWith(code, *database);
}

void BlockStore::Close() {
  statements_ = Statements();
  database_ = SqliteDatabase();
  file_id_ = FileId();
}

void BlockStore::Discard() {
  MutexLock lock(&mutex_);
  repair_ = Repair::kReopen;
  if (!IsWhereItWas()) return;
  database_.Abandon();
  Close();
  for (const char* suffix : {"", "-wal"}) {
    std::error_code ignored;
    std::filesystem::remove(path_ + suffix, ignored);
  }
  MutexLock forgotten_lock(&forgotten_mutex_);
  forgotten_.clear();
}

bool BlockStore::SetAside() {
  const std::string target = path_ + ".corrupt";
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::error_code error;
    std::filesystem::remove_all(target + suffix, error);
    std::filesystem::rename(path_ + suffix, target + suffix, error);
    const bool missing = error == std::errc::no_such_file_or_directory;
    if (error && !missing) {
      return Fail(Repair::kSetAside, "cannot rename " + path_ + suffix + ": " + error.message());
    }
  }
  ++files_set_aside_;
  logger_->Error(
      "the storage of " + use_.title + " is damaged and was set aside; an empty one replaces it",
      {{"path", path_}, {"renamed_to", target}, {"error", error_}});
  repair_ = Repair::kReopen;
  return true;
}

bool BlockStore::Begin(const char* synchronous) {
  if (repair_ == Repair::kReopen || repair_ == Repair::kSetAside) return false;
  if (!IsWhereItWas()) return Fail(Repair::kReopen, path_ + " was removed or replaced");
  int code = database_.Execute(synchronous);
  if (code == SQLITE_OK) code = database_.Execute("BEGIN IMMEDIATE");
  return code == SQLITE_OK || FailWith(code, database_);
}

bool BlockStore::Commit(const std::vector<uint64_t>& deleted) {
  const int code = database_.Execute("COMMIT");
  if (code != SQLITE_OK) return FailWith(code, database_);
  repair_ = Repair::kNone;
  error_.clear();
  MutexLock lock(&forgotten_mutex_);
  for (const uint64_t id : deleted) forgotten_.erase(id);
  return true;
}

bool BlockStore::Delete(const std::vector<uint64_t>& ids) {
  for (const uint64_t id : ids) {
    for (SqliteStatement* statement : {&statements_.delete_block, &statements_.delete_body}) {
      const int code = statement->Bind(0, static_cast<int64_t>(id)).Run();
      if (code != SQLITE_OK) return FailWith(code, database_);
    }
  }
  return true;
}

bool BlockStore::WriteRows(std::span<const Row> rows) {
  for (const Row& row : rows) {
    const BlockIndex::Entry& entry = row.entry;
    const auto id = static_cast<int64_t>(entry.id);
    int code = statements_.insert_block.Bind(0, id)
                   .BindText(1, row.queue)
                   .BindText(2, row.tenant)
                   .Bind(3, static_cast<int64_t>(entry.protocol))
                   .Bind(4, static_cast<int64_t>(entry.first_hash))
                   .Bind(5, static_cast<int64_t>(entry.last_hash))
                   .Bind(6, entry.samples)
                   .Bind(7, entry.histograms)
                   .Bind(8, entry.exemplars)
                   .Bind(9, entry.oldest_ms)
                   .Bind(10, entry.newest_ms)
                   .Bind(11, entry.body_bytes)
                   .Bind(12, static_cast<int64_t>(RowChecksum(entry, row.queue, row.tenant)))
                   .Run();
    if (code == SQLITE_OK) {
      code = statements_.insert_body.Bind(0, id)
                 .Bind(1, static_cast<int64_t>(Checksum(entry.id, row.body)))
                 .BindBlob(2, row.body)
                 .Run();
    }
    if (code != SQLITE_OK) return FailWith(code, database_);
  }
  return true;
}

bool BlockStore::WriteStamps(std::span<const std::pair<std::string_view, int64_t>> stamps) {
  for (const auto& [tenant, stamp_ms] : stamps) {
    const int code = statements_.set_stamp.BindText(0, tenant).Bind(1, stamp_ms).Run();
    if (code != SQLITE_OK) return FailWith(code, database_);
  }
  return true;
}

bool BlockStore::Write(std::span<const Row> rows,
                       std::span<const std::pair<std::string_view, int64_t>> stamps) {
  MutexLock lock(&mutex_);
  if (!Begin("PRAGMA synchronous = FULL")) return false;
  // Deleted first, so that what is new takes the room.
  const std::vector<uint64_t> deleted = SomeForgotten();
  if (Delete(deleted) && WriteRows(rows) && WriteStamps(stamps) && Commit(deleted)) return true;
  database_.RollBack();
  return false;
}

void BlockStore::Forget(uint64_t id) {
  MutexLock lock(&forgotten_mutex_);
  forgotten_.insert(id);
}

std::vector<uint64_t> BlockStore::SomeForgotten() const {
  MutexLock lock(&forgotten_mutex_);
  const size_t count = std::min(forgotten_.size(), kMaxDeleted);
  return {forgotten_.begin(), std::next(forgotten_.begin(), static_cast<ptrdiff_t>(count))};
}

std::vector<uint64_t> BlockStore::Forgotten() const {
  MutexLock lock(&forgotten_mutex_);
  return {forgotten_.begin(), forgotten_.end()};
}

void BlockStore::Maintain(int64_t oldest_stamp_ms) {
  const std::vector<uint64_t> deleted = SomeForgotten();
  MutexLock lock(&mutex_);
  if (!deleted.empty()) {
    // A deletion that a crash undoes only means that something is sent twice.
    if (!Begin("PRAGMA synchronous = NORMAL")) return;
    const std::string prune =
        "DELETE FROM stamps WHERE stamp_ms < " + std::to_string(oldest_stamp_ms);
    const int code = database_.Execute(prune.c_str());
    const bool done =
        (code == SQLITE_OK || FailWith(code, database_)) && Delete(deleted) && Commit(deleted);
    if (!done) {
      database_.RollBack();
      return;
    }
  }
  if (repair_ == Repair::kNone) ShrinkFile();
}

void BlockStore::ShrinkFile() {
  int64_t unused = 0;
  int64_t pages = 0;
  int code = database_.QueryInt("PRAGMA freelist_count", &unused);
  if (code == SQLITE_OK) code = database_.QueryInt("PRAGMA page_count", &pages);
  if (code == SQLITE_OK && unused > kKeptPages + pages / 8) {
    // 64 MiB of unused pages at most, which takes a few milliseconds, or some more when the last
    // pages of the file are in use and have to move.
    code = database_.Execute("PRAGMA incremental_vacuum(16384)");
    // Only this shortens the file.
    if (code == SQLITE_OK) database_.Checkpoint();
  }
  if (code != SQLITE_OK) FailWith(code, database_);
}

bool BlockStore::Read(std::span<const uint64_t> ids,
                      std::vector<std::optional<std::string>>* bodies) {
  bodies->clear();
  MutexLock lock(&mutex_);
  if (!database_.is_open() || repair_ == Repair::kSetAside) return false;
  for (const uint64_t id : ids) {
    std::optional<std::string>& body = bodies->emplace_back();
    SqliteStatement& read = statements_.read_body;
    const int code = read.Bind(0, static_cast<int64_t>(id)).Step();
    if (code == SQLITE_ROW) {
      const std::string_view text = read.Text(1);
      if (static_cast<uint64_t>(read.Int(0)) == Checksum(id, text)) body.emplace(text);
    }
    read.Reset();
    if (code != SQLITE_ROW && code != SQLITE_DONE) {
      // Whether the file can be written is for Write() to find out, unless all is lost.
      if (IsDamage(code)) FailWith(code, database_);
      return false;
    }
  }
  return true;
}

BlockStore::Repair BlockStore::repair() const {
  MutexLock lock(&mutex_);
  return repair_;
}

std::string BlockStore::error() const {
  MutexLock lock(&mutex_);
  return error_;
}

uint64_t BlockStore::files_set_aside() const {
  MutexLock lock(&mutex_);
  return files_set_aside_;
}

uint64_t BlockStore::file_bytes() const {
  uint64_t bytes = 0;
  for (const char* suffix : {"", "-wal"}) {
    struct stat status = {};
    if (stat((path_ + suffix).c_str(), &status) == 0)
      bytes += static_cast<uint64_t>(status.st_size);
  }
  return bytes;
}

}  // namespace spanmeter
