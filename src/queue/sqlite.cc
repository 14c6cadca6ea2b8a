#include "queue/sqlite.h"

namespace spanmeter {

SqliteStatement& SqliteStatement::Bind(int parameter, int64_t value) {
  sqlite3_bind_int64(statement_.get(), parameter + 1, value);
  return *this;
}

SqliteStatement& SqliteStatement::BindText(int parameter, std::string_view value) {
  // A null pointer would be NULL and not an empty text.
  sqlite3_bind_text64(statement_.get(), parameter + 1, value.empty() ? "" : value.data(),
                      value.size(), SQLITE_STATIC, SQLITE_UTF8);
  return *this;
}

SqliteStatement& SqliteStatement::BindBlob(int parameter, std::string_view value) {
  sqlite3_bind_blob64(statement_.get(), parameter + 1, value.empty() ? "" : value.data(),
                      value.size(), SQLITE_STATIC);
  return *this;
}

int SqliteStatement::Step() {
  return statement_ == nullptr ? SQLITE_MISUSE : sqlite3_step(statement_.get());
}

void SqliteStatement::Reset() { sqlite3_reset(statement_.get()); }

int SqliteStatement::Run() {
  const int code = Step();
  Reset();
  return code == SQLITE_DONE || code == SQLITE_ROW ? SQLITE_OK : code;
}

int64_t SqliteStatement::Int(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

std::string_view SqliteStatement::Text(int column) const {
  const void* const data = sqlite3_column_blob(statement_.get(), column);
  const int size = sqlite3_column_bytes(statement_.get(), column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

int SqliteDatabase::Open(const std::string& path) {
  sqlite3* database = nullptr;
  const int code = sqlite3_open_v2(
      path.c_str(), &database,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  database_.reset(database);
  return code;
}

int SqliteDatabase::Execute(const char* sql) {
  return database_ == nullptr ? SQLITE_MISUSE
                              : sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr);
}

int SqliteDatabase::Prepare(const char* sql, SqliteStatement* statement) {
  sqlite3_stmt* prepared = nullptr;
  const int code =
      sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &prepared, nullptr);
  statement->statement_.reset(prepared);
  return code;
}

int SqliteDatabase::QueryInt(const char* sql, int64_t* value) {
  *value = 0;
  SqliteStatement statement;
  int code = Prepare(sql, &statement);
  if (code != SQLITE_OK) return code;
  code = statement.Step();
  if (code == SQLITE_ROW) *value = statement.Int(0);
  return code == SQLITE_ROW || code == SQLITE_DONE ? SQLITE_OK : code;
}

void SqliteDatabase::RollBack() {
  if (database_ != nullptr && sqlite3_get_autocommit(database_.get()) == 0) Execute("ROLLBACK");
}

void SqliteDatabase::Checkpoint() {
  sqlite3_wal_checkpoint_v2(database_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

void SqliteDatabase::Abandon() {
  if (database_ != nullptr) {
    sqlite3_db_config(database_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
}

bool SqliteDatabase::read_only() const { return sqlite3_db_readonly(database_.get(), "main") != 0; }

std::string SqliteDatabase::error() const {
  return database_ == nullptr ? "out of memory" : sqlite3_errmsg(database_.get());
}

}  // namespace spanmeter
