#include "spanmeter/state_stream.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "spanmeter/wire_writer.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace spanmeter {

namespace {

constexpr std::string_view kMagic = "SPMSTATE";
// The mark, the version as 32 bits and the wall clock as 64.
constexpr size_t kHeaderBytes = kMagic.size() + sizeof(uint32_t) + sizeof(int64_t);
constexpr size_t kChecksumBytes = 2 * sizeof(uint64_t);

// So much is handed to the sink, and asked of the source, at a time.
constexpr size_t kChunkBytes = size_t{1} << 20;

// Far beyond any age that matters, and far from what overflows.
constexpr uint64_t kMaxAgeNanos = uint64_t{1} << 60;

// The year 142,000.
constexpr int64_t kMaxStampMs = int64_t{1} << 52;

template <typename T>
void AppendFixed(T value, std::string* out) {
  out->append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

class StateChecksum {
 public:
  StateChecksum() : state_(XXH3_createState()) { XXH3_128bits_reset(state_); }
  ~StateChecksum() { XXH3_freeState(state_); }
  StateChecksum(const StateChecksum&) = delete;
  StateChecksum& operator=(const StateChecksum&) = delete;

  void Add(std::string_view bytes) { XXH3_128bits_update(state_, bytes.data(), bytes.size()); }
  // kChecksumBytes.
  std::string Get() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_);
    std::string bytes;
    AppendFixed<uint64_t>(hash.low64, &bytes);
    AppendFixed<uint64_t>(hash.high64, &bytes);
    return bytes;
  }

 private:
  XXH3_state_t* const state_;
};

StateWriter::StateWriter(const Clock* clock, Sink sink)
    : sink_(std::move(sink)),
      now_nanos_(clock->MonotonicNanos()),
      checksum_(std::make_unique<StateChecksum>()) {
  buffer_.reserve(kChunkBytes + kChunkBytes / 4);
  buffer_ += kMagic;
  AppendFixed<uint32_t>(kStateVersion, &buffer_);
  AppendFixed<int64_t>(clock->WallNanos(), &buffer_);
}

StateWriter::~StateWriter() = default;

void StateWriter::Begin(StateRecord kind) {
  kind_ = kind;
  record_.clear();
}

void StateWriter::Number(uint64_t value) {
  char bytes[kMaxVarint];
  record_.append(bytes, static_cast<size_t>(PutVarint(value, bytes) - bytes));
}

void StateWriter::Signed(int64_t value) {
  char bytes[kMaxVarint];
  record_.append(bytes, static_cast<size_t>(PutSigned(value, bytes) - bytes));
}

void StateWriter::Double(double value) { AppendFixed(value, &record_); }

void StateWriter::Bytes(std::string_view bytes) {
  Number(bytes.size());
  record_ += bytes;
}

void StateWriter::Time(int64_t nanos) {
  Number(static_cast<uint64_t>(std::max<int64_t>(now_nanos_ - nanos, 0)));
}

void StateWriter::End() {
  // The rest is of no use without it, and a reader must be able to bound what it takes.
  if (record_.size() > kMaxStateRecordBytes) ok_ = false;
  if (!ok_) return;
  char size[kMaxVarint];
  buffer_.push_back(static_cast<char>(kind_));
  buffer_.append(size, static_cast<size_t>(PutVarint(record_.size(), size) - size));
  buffer_ += record_;
}

void StateWriter::FlushIfLarge() {
  if (buffer_.size() >= kChunkBytes) Flush();
}

void StateWriter::Flush() {
  checksum_->Add(buffer_);
  bytes_ += buffer_.size();
  ok_ = ok_ && sink_(buffer_);
  buffer_.clear();
}

bool StateWriter::Finish() {
  Begin(StateRecord::kEnd);
  End();
  Flush();
  const std::string checksum = checksum_->Get();
  bytes_ += checksum.size();
  ok_ = ok_ && sink_(checksum);
  return ok_;
}

StateReader::StateReader(const Clock* clock, Source source)
    : clock_(clock),
      source_(std::move(source)),
      now_nanos_(clock->MonotonicNanos()),
      checksum_(std::make_unique<StateChecksum>()) {
  if (ReadHeader()) ReadRecord();
}

StateReader::~StateReader() = default;

bool StateReader::Fill(size_t size) {
  if (end_ - begin_ >= size) return true;
  std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  while (end_ < size) {
    // Grows with what there is, so that a length that is a lie costs no memory.
    if (end_ == buffer_.size()) buffer_.resize(end_ + kChunkBytes);
    const size_t read = source_(buffer_.data() + end_, buffer_.size() - end_);
    if (read == 0) return false;
    end_ += read;
  }
  return true;
}

void StateReader::Take(size_t size) {
  checksum_->Add(unread().substr(0, size));
  begin_ += size;
}

bool StateReader::ReadHeader() {
  if (!Fill(kHeaderBytes) || !unread().starts_with(kMagic)) return Fail("it is no state file");
  uint32_t version;
  std::memcpy(&version, unread().data() + kMagic.size(), sizeof version);
  if (version != kStateVersion) {
    return Fail("its format has version " + std::to_string(version) + ", this program reads " +
                std::to_string(kStateVersion));
  }
  std::memcpy(&saved_wall_nanos_, unread().data() + kMagic.size() + sizeof version,
              sizeof saved_wall_nanos_);
  if (saved_wall_nanos_ < 0) return Fail("it is damaged: it has no time");
  downtime_nanos_ = std::max<int64_t>(clock_->WallNanos() - saved_wall_nanos_, 0);
  Take(kHeaderBytes);
  return true;
}

void StateReader::Next() {
  if (kind_ == StateRecord::kEnd) return;
  Take(record_size_);
  ReadRecord();
}

void StateReader::ReadRecord() {
  kind_ = StateRecord::kEnd;
  values_ = WireReader(std::string_view());
  // A record may be the last one and shorter than that.
  Fill(1 + kMaxVarint);
  WireReader frame(unread().substr(std::min<size_t>(unread().size(), 1)));
  const uint64_t size = frame.ReadVarint();
  if (unread().empty() || !frame.ok()) {
    Fail("it is incomplete");
    return;
  }
  const auto head = static_cast<size_t>(frame.position() - unread().data());
  if (size > kMaxStateRecordBytes) {
    Fail("it is damaged: a record of " + std::to_string(size) + " bytes");
    return;
  }
  record_size_ = head + size;
  if (!Fill(record_size_)) {
    Fail("it is incomplete");
    return;
  }
  kind_ = static_cast<StateRecord>(unread().front());
  const std::string_view values = unread().substr(head, size);
  values_ = WireReader(values);
  values_end_ = values.data() + values.size();
  if (kind_ == StateRecord::kEnd) ReadEnd();
}

void StateReader::ReadEnd() {
  Take(record_size_);
  const std::string expected = checksum_->Get();
  if (!Fill(kChecksumBytes)) {
    Fail("it is incomplete");
  } else if (unread().substr(0, kChecksumBytes) != expected) {
    Fail("it is damaged: its checksum is another one");
  } else if (Fill(kChecksumBytes + 1)) {
    Fail("it is damaged: it goes on behind its end");
  }
}

bool StateReader::Fail(std::string error) {
  if (error_.empty()) error_ = std::move(error);
  kind_ = StateRecord::kEnd;
  values_ = WireReader(std::string_view());
  return false;
}

int64_t StateReader::Signed() {
  const uint64_t value = Number();
  return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
}

double StateReader::Double() { return std::bit_cast<double>(values_.ReadFixed64()); }

int64_t StateReader::Stamp() {
  const int64_t stamp = Signed();
  if (stamp >= 0 && stamp <= kMaxStampMs) return stamp;
  Fail("it is damaged: a time that is none");
  return 0;
}

bool StateReader::EndRecord() {
  if (!ok()) return false;
  if (values_.ok() && values_.position() == values_end_) return true;
  return Fail("it is damaged: a record of kind " + std::to_string(static_cast<int>(kind_)) +
              " is none");
}

int64_t StateReader::ToNow(uint64_t age_nanos, int64_t downtime_nanos) const {
  const auto age = static_cast<int64_t>(std::min(age_nanos, kMaxAgeNanos));
  return now_nanos_ - age - std::min<int64_t>(downtime_nanos, kMaxAgeNanos);
}

std::string CheckState(const Clock* clock, StateReader::Source source) {
  StateReader reader(clock, std::move(source));
  while (reader.kind() != StateRecord::kEnd) reader.Next();
  return reader.error();
}

}  // namespace spanmeter
