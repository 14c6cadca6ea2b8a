// A thin layer over SQLite's C interface that closes what it opens.

#ifndef SPANMETER_QUEUE_SQLITE_H_
#define SPANMETER_QUEUE_SQLITE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <sqlite3.h>

namespace spanmeter {

// Result codes are SQLite's extended ones.
inline bool IsDamage(int code) {
  const int primary = code & 0xFF;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_FORMAT;
}

// Not thread-safe. An empty one runs into SQLITE_MISUSE.
class SqliteStatement {
 public:
  // Parameters and columns count from 0. Texts must live until Step().
  SqliteStatement& Bind(int parameter, int64_t value);
  SqliteStatement& BindText(int parameter, std::string_view value);
  SqliteStatement& BindBlob(int parameter, std::string_view value);

  // SQLITE_ROW, SQLITE_DONE or an error.
  int Step();
  // To be run again. The views of Text() end.
  void Reset();
  // Step() and Reset() of a statement without rows: SQLITE_OK or an error.
  int Run();

  int64_t Int(int column) const;
  // Of a text or a blob.
  std::string_view Text(int column) const;

 private:
  friend class SqliteDatabase;
  struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  std::unique_ptr<sqlite3_stmt, Finalizer> statement_;
};

// A connection. Not thread-safe; outlives its statements.
class SqliteDatabase {
 public:
  // SQLITE_OK or an error.
  int Open(const std::string& path);
  int Execute(const char* sql);
  int Prepare(const char* sql, SqliteStatement* statement);
  // The first column of the first row; 0 if there is none.
  int QueryInt(const char* sql, int64_t* value);
  // Ends a transaction that failed, if it has not ended already.
  void RollBack();
  // Moves what is in the write-ahead log to the file, and empties the log.
  void Checkpoint();

  // The files stay as they are when it is closed.
  void Abandon();

  bool is_open() const { return database_ != nullptr; }
  bool read_only() const;
  // What the last error was.
  std::string error() const;

 private:
  struct Closer {
    void operator()(sqlite3* database) const { sqlite3_close(database); }
  };
  std::unique_ptr<sqlite3, Closer> database_;
};

}  // namespace spanmeter

#endif  // SPANMETER_QUEUE_SQLITE_H_
