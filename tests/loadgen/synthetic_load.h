// Spans for measuring: as many label sets, attributes and bytes as asked for.

#ifndef SPANMETER_TESTS_LOADGEN_SYNTHETIC_LOAD_H_
#define SPANMETER_TESTS_LOADGEN_SYNTHETIC_LOAD_H_

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "spanmeter/mutex.h"

#include "loadgen/batch_source.h"
#include "loadgen/span_encoder.h"

namespace spanmeter::loadgen {

// Encodes a pool of requests once, in which every label set occurs, and hands them out in turn;
// only the times of their spans are renewed now and then. So a request costs the client next to
// nothing. The same options give the same spans on every run. Memory: about the size of all spans
// of the pool, which has at least one span per label set.
class SyntheticLoad final : public BatchSource {
 public:
  explicit SyntheticLoad(const LoadOptions& options);

  Batch Next() override;

 private:
  // A request of the pool.
  struct Template {
    std::shared_ptr<const std::string> bytes;
    std::vector<RequestEncoder::TimePosition> times;
    std::vector<uint64_t> durations_nanos;  // of the spans
    int64_t stamped_nanos = 0;              // the end of its spans, since the Unix epoch
    grpc::ByteBuffer message;
  };

  SpanFields MakeSpan(uint64_t label_set);
  std::string RandomId(size_t bytes);
  std::string RandomText();
  void Stamp(int64_t now_nanos, Template* t) const;

  const LoadOptions options_;
  // Used by the constructor only.
  std::mt19937_64 random_;
  std::vector<std::string> vocabulary_;
  Mutex mutex_;
  std::vector<Template> pool_ GUARDED_BY(mutex_);
  size_t next_ GUARDED_BY(mutex_) = 0;
};

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_SYNTHETIC_LOAD_H_
