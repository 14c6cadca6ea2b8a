// Where the sender gets its requests from.

#ifndef SPANMETER_TESTS_LOADGEN_BATCH_SOURCE_H_
#define SPANMETER_TESTS_LOADGEN_BATCH_SOURCE_H_

#include <cstdint>
#include <memory>

#include <grpcpp/support/byte_buffer.h>

#include "loadgen/load_options.h"

namespace spanmeter::loadgen {

// One request, ready to be sent.
struct Batch {
  grpc::ByteBuffer message;
  uint64_t spans = 0;
};

// Thread-safe.
class BatchSource {
 public:
  virtual ~BatchSource() = default;

  // The next request. Its spans ended within the last 20 seconds or so.
  virtual Batch Next() = 0;
};

// The source of the scenario that `options` names.
std::unique_ptr<BatchSource> NewBatchSource(const LoadOptions& options);

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_BATCH_SOURCE_H_
