// Collects a body in one reused buffer and hands it on in large chunks, compressed if asked for.

#ifndef SPANMETER_SRC_EXPOSITION_CHUNK_OUTPUT_H_
#define SPANMETER_SRC_EXPOSITION_CHUNK_OUTPUT_H_

#include <cstddef>
#include <memory>
#include <string_view>

#include "spanmeter/exposition.h"

#include "exposition/gzip_stream.h"

namespace spanmeter {

// Not thread-safe. Once the sink has refused a chunk, every method reports failure and the sink is
// not called again.
class ChunkOutput {
 public:
  // Smaller chunks cost a system call too often; larger ones leave the processor's cache.
  static constexpr size_t kChunkBytes = 256 * 1024;

  ChunkOutput(ByteSink sink, bool gzip);

  // Makes room for `size` bytes and returns where to write them, or null when the sink has gone
  // away. What was written counts with Commit().
  char* Reserve(size_t size) {
    // Fast path: there is room.
    if (size <= static_cast<size_t>(end_ - pos_)) return pos_;
    return ReserveSlow(size);
  }

  // Ends a write at `end`, which lies within the room given by the last Reserve().
  void Commit(char* end) { pos_ = end; }

  bool Append(std::string_view bytes);

  // Hands over what is left and ends the compressed stream.
  bool Finish();

 private:
  char* ReserveSlow(size_t size);
  bool Flush();

  const ByteSink sink_;
  const std::unique_ptr<GzipStream> gzip_;  // null: not compressed
  std::unique_ptr<char[]> buffer_;
  char* pos_;  // end of what was written
  char* end_;  // of the buffer; equals pos_ after a failure
  bool failed_ = false;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_EXPOSITION_CHUNK_OUTPUT_H_
