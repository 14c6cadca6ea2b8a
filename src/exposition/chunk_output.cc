#include "exposition/chunk_output.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace spanmeter {

ChunkOutput::ChunkOutput(ByteSink sink, bool gzip)
    : sink_(std::move(sink)),
      gzip_(gzip ? std::make_unique<GzipStream>(sink_) : nullptr),
      buffer_(std::make_unique_for_overwrite<char[]>(kChunkBytes)),
      pos_(buffer_.get()),
      end_(buffer_.get() + kChunkBytes) {}

char* ChunkOutput::ReserveSlow(size_t size) {
  if (!Flush()) return nullptr;
  // Slow path: one line, or one histogram's lines, larger than a chunk. The size of label sets
  // bounds it.
  if (size > static_cast<size_t>(end_ - pos_)) {
    buffer_ = std::make_unique_for_overwrite<char[]>(size);
    pos_ = buffer_.get();
    end_ = pos_ + size;
  }
  return pos_;
}

bool ChunkOutput::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (pos_ == end_ && !Flush()) return false;
    const size_t size = std::min(bytes.size(), static_cast<size_t>(end_ - pos_));
    std::memcpy(pos_, bytes.data(), size);
    pos_ += size;
    bytes.remove_prefix(size);
  }
  return !failed_;
}

bool ChunkOutput::Flush() {
  if (failed_) return false;
  const std::string_view chunk(buffer_.get(), static_cast<size_t>(pos_ - buffer_.get()));
  pos_ = buffer_.get();
  if (chunk.empty()) return true;
  failed_ = gzip_ != nullptr ? !gzip_->Write(chunk) : !sink_(chunk);
  if (failed_) end_ = pos_;
  return !failed_;
}

bool ChunkOutput::Finish() {
  if (!Flush()) return false;
  if (gzip_ != nullptr && !gzip_->Finish()) failed_ = true;
  return !failed_;
}

}  // namespace spanmeter
