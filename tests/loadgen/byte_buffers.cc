#include "loadgen/byte_buffers.h"

#include <cstdlib>
#include <libdeflate.h>
#include <vector>

#include <grpc/byte_buffer.h>
#include <grpc/compression.h>
#include <grpcpp/support/slice.h>

namespace grpc::internal {

// The C++ interface cannot say that a message is compressed already, and would compress it again
// for every call. ByteBuffer names this class as a friend and leaves it to be defined; gRPC's C
// interface, which it reaches, is public.
class GrpcByteBufferPeer {
 public:
  static void Set(ByteBuffer* buffer, grpc_byte_buffer* c_buffer) {
    buffer->Clear();
    buffer->buffer_ = c_buffer;
  }
};

}  // namespace grpc::internal

namespace spanmeter::loadgen {
namespace {

// What most exporters use.
constexpr int kGzipLevel = 6;

void Release(void* user_data) {
  delete static_cast<std::shared_ptr<const std::string>*>(user_data);
}

}  // namespace

grpc::ByteBuffer PlainBuffer(std::shared_ptr<const std::string> bytes) {
  auto owner = std::make_unique<std::shared_ptr<const std::string>>(std::move(bytes));
  const std::string& text = **owner;
  // gRPC does not write to a slice; its interface takes a mutable pointer for other uses.
  const grpc::Slice slice(const_cast<char*>(text.data()), text.size(), &Release, owner.release());
  return grpc::ByteBuffer(&slice, 1);
}

grpc::ByteBuffer GzipBuffer(std::string_view bytes) {
  libdeflate_compressor* const compressor = libdeflate_alloc_compressor(kGzipLevel);
  std::string compressed(libdeflate_gzip_compress_bound(compressor, bytes.size()), '\0');
  const size_t size = libdeflate_gzip_compress(compressor, bytes.data(), bytes.size(),
                                               compressed.data(), compressed.size());
  libdeflate_free_compressor(compressor);
  // The bound makes failure impossible; a truncated request would be a wrong measurement.
  if (size == 0) std::abort();
  grpc_slice slice = grpc_slice_from_copied_buffer(compressed.data(), size);
  grpc::ByteBuffer buffer;
  grpc::internal::GrpcByteBufferPeer::Set(
      &buffer, grpc_raw_compressed_byte_buffer_create(&slice, 1, GRPC_COMPRESS_GZIP));
  grpc_slice_unref(slice);
  return buffer;
}

std::string BytesOf(const grpc::ByteBuffer& buffer) {
  std::string bytes;
  std::vector<grpc::Slice> slices;
  if (buffer.Length() == 0 || !buffer.Dump(&slices).ok()) return bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

}  // namespace spanmeter::loadgen
