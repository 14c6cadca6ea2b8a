// Request bodies as gRPC takes them.

#ifndef SPANMETER_TESTS_LOADGEN_BYTE_BUFFERS_H_
#define SPANMETER_TESTS_LOADGEN_BYTE_BUFFERS_H_

#include <memory>
#include <string>
#include <string_view>

#include <grpcpp/support/byte_buffer.h>

namespace spanmeter::loadgen {

// A message that shares `bytes` instead of copying them.
grpc::ByteBuffer PlainBuffer(std::shared_ptr<const std::string> bytes);

// A message that holds `bytes` compressed already. The call that sends it must have gzip as its
// compression algorithm, so that the peer is told.
grpc::ByteBuffer GzipBuffer(std::string_view bytes);

// What a message holds, as it is, compressed or not.
std::string BytesOf(const grpc::ByteBuffer& buffer);

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_BYTE_BUFFERS_H_
