#include "exposition/gzip_stream.h"

#include <isa-l/igzip_lib.h>

namespace spanmeter {

GzipStream::GzipStream(const ByteSink& sink)
    : sink_(sink),
      stream_(std::make_unique<isal_zstream>()),
      level_buffer_(std::make_unique_for_overwrite<uint8_t[]>(ISAL_DEF_LVL1_DEFAULT)),
      output_(std::make_unique_for_overwrite<uint8_t[]>(kOutputBytes)) {
  isal_deflate_init(stream_.get());
  stream_->level = 1;
  stream_->level_buf = level_buffer_.get();
  stream_->level_buf_size = ISAL_DEF_LVL1_DEFAULT;
  stream_->gzip_flag = IGZIP_GZIP;
  stream_->next_out = output_.get();
  stream_->avail_out = kOutputBytes;
}

GzipStream::~GzipStream() = default;

bool GzipStream::Write(std::string_view bytes) {
  // ISA-L only reads through this pointer.
  stream_->next_in = reinterpret_cast<uint8_t*>(const_cast<char*>(bytes.data()));
  stream_->avail_in = static_cast<uint32_t>(bytes.size());
  while (stream_->avail_in > 0) {
    if (!Deflate()) return false;
  }
  return true;
}

bool GzipStream::Finish() {
  stream_->end_of_stream = 1;
  while (stream_->internal_state.state != ZSTATE_END) {
    if (!Deflate()) return false;
  }
  return HandOver();
}

// Compresses until the input is used up or the output buffer is full; a full one is handed over.
bool GzipStream::Deflate() {
  if (isal_deflate(stream_.get()) != COMP_OK) return false;
  return stream_->avail_out > 0 || HandOver();
}

bool GzipStream::HandOver() {
  const size_t size = kOutputBytes - stream_->avail_out;
  stream_->next_out = output_.get();
  stream_->avail_out = kOutputBytes;
  return size == 0 || sink_({reinterpret_cast<const char*>(output_.get()), size});
}

}  // namespace spanmeter
