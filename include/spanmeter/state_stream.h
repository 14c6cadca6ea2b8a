// The state of a process as a stream of records: what a clean stop leaves behind for the next
// start.
//
// A header (a mark, the version of the format, the time) is followed by records, each a kind, a
// length and that many bytes, the last one of kind kEnd, and by a checksum over everything before.
// So whoever has read to the end knows that nothing is missing, damaged or too much. Inside of a
// record values stand one after the other in the encodings of the protobuf wire format, without
// tags: writer and reader belong to one version.

#ifndef SPANMETER_STATE_STREAM_H_
#define SPANMETER_STATE_STREAM_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "spanmeter/clock.h"
#include "spanmeter/wire_reader.h"

namespace spanmeter {

// To be raised with every change of what a record holds, or of what its content means to the code
// that reads it: another version is not read at all.
inline constexpr uint32_t kStateVersion = 1;

// A record that is longer cannot be written and is refused by the reader.
inline constexpr size_t kMaxStateRecordBytes = size_t{16} << 20;

// The kinds of records, in the order in which those of a tenant come. Never used for something
// else.
enum class StateRecord : uint8_t {
  kEnd = 0,
  kProcess = 1,     // what the tenants have in common
  kTenant = 2,      // what follows belongs to this tenant
  kRegistry = 3,    // what a registry has counted
  kLabel = 4,       // a label of which the limiter knows values
  kLabelValue = 5,  // one of its values
  kFamily = 6,      // what follows belongs to this family
  kLabelSet = 7,
  kOverflow = 8,    // the family's overflow series
  kDemand = 9,      // its sketch
  kSpanNames = 10,  // what follows was learnt about span names
  kSpanNamePattern = 11,
  kEdges = 12,  // what follows waits for its other side
  kHalfEdge = 13,
  kEdgeMark = 14,
};

class StateChecksum;

// Not thread-safe.
class StateWriter {
 public:
  // Takes the next bytes; false: they could not be written.
  using Sink = std::function<bool(std::string_view)>;

  // `clock` must outlive the writer and gives the time of the state, which is now.
  StateWriter(const Clock* clock, Sink sink);
  ~StateWriter();
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;

  // A record is written value by value between Begin() and End().
  void Begin(StateRecord kind);
  void Number(uint64_t value);
  void Signed(int64_t value);
  void Double(double value);  // bit by bit
  void Bytes(std::string_view bytes);
  // A time of the monotonic clock; one that is yet to come becomes now.
  void Time(int64_t nanos);
  void End();

  // Hands records to the sink when there are enough of them. End() does not, so that a lock may be
  // held while records are written: the disk is waited for here and in Finish() only.
  void FlushIfLarge();
  // Ends the stream; false when any of it could not be written.
  bool Finish();

  bool ok() const { return ok_; }
  uint64_t bytes() const { return bytes_; }

 private:
  void Flush();

  const Sink sink_;
  const int64_t now_nanos_;
  const std::unique_ptr<StateChecksum> checksum_;
  StateRecord kind_ = StateRecord::kEnd;
  std::string record_;
  std::string buffer_;
  uint64_t bytes_ = 0;
  bool ok_ = true;
};

// Reads what StateWriter wrote, from the first record on. Whatever the bytes are, nothing but an
// error comes of it, and no more memory is taken than one record has bytes. Not thread-safe.
class StateReader {
 public:
  // Fills the buffer as far as there are bytes; returns how many, 0 at the end.
  using Source = std::function<size_t(char* buffer, size_t size)>;

  // Moves to the first record. `clock` must outlive the reader.
  StateReader(const Clock* clock, Source source);
  ~StateReader();
  StateReader(const StateReader&) = delete;
  StateReader& operator=(const StateReader&) = delete;

  // Moves to the next record. At the last one nothing changes.
  void Next();
  // kEnd at the end, and after an error.
  StateRecord kind() const { return kind_; }
  bool ok() const { return error_.empty(); }
  // Why there is no reading on.
  const std::string& error() const { return error_; }
  // Ends the reading; always false, to be returned.
  bool Fail(std::string error);

  // The values of the current record. Behind its end they are zero and empty.
  uint64_t Number() { return values_.ReadVarint(); }
  int64_t Signed();
  double Double();
  // Valid until Next().
  std::string_view Bytes() { return values_.ReadBytes(); }
  // The time as the monotonic clock of this process would have shown it: the time that has passed
  // between the two processes, by the wall clock, counts. (Where that was set back, none has.)
  int64_t Time() { return ToNow(Number(), downtime_nanos_); }
  // The same, but as if no time had passed.
  int64_t TimeWithoutPause() { return ToNow(Number(), 0); }
  // A stamp of the wall clock in ms, which is refused unless it is one.
  int64_t Stamp();
  // Whether all values of the record were there, and no others. Fails otherwise.
  bool EndRecord();

  // When the state was written, in ms since the Unix epoch.
  int64_t saved_ms() const { return saved_wall_nanos_ / kNanosPerMilli; }
  int64_t downtime_nanos() const { return downtime_nanos_; }

 private:
  bool ReadHeader();
  void ReadRecord();
  void ReadEnd();
  // Makes at least `size` bytes available; false when there are fewer.
  bool Fill(size_t size);
  std::string_view unread() const { return {buffer_.data() + begin_, end_ - begin_}; }
  // Passes over so many available bytes.
  void Take(size_t size);
  int64_t ToNow(uint64_t age_nanos, int64_t downtime_nanos) const;

  const Clock* const clock_;
  const Source source_;
  const int64_t now_nanos_;
  const std::unique_ptr<StateChecksum> checksum_;
  std::string buffer_;
  // What of it was read from the source and not passed over yet.
  size_t begin_ = 0;
  size_t end_ = 0;
  int64_t saved_wall_nanos_ = 0;
  int64_t downtime_nanos_ = 0;
  StateRecord kind_ = StateRecord::kEnd;
  // Of the current record, with what stands before its values.
  size_t record_size_ = 0;
  WireReader values_{std::string_view()};
  const char* values_end_ = nullptr;
  std::string error_;
};

// Reads a whole stream without looking into its records. Returns what is wrong with it, or an empty
// text.
std::string CheckState(const Clock* clock, StateReader::Source source);

}  // namespace spanmeter

#endif  // SPANMETER_STATE_STREAM_H_
