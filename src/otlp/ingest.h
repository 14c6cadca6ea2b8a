// What an OTLP receiver does with a request, whatever transport brought it: admission by bytes in
// flight, decompression, decoding, counting, and the answer.

#ifndef SPANMETER_OTLP_INGEST_H_
#define SPANMETER_OTLP_INGEST_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/generator.h"
#include "spanmeter/mutex.h"
#include "spanmeter/request_tee.h"
#include "spanmeter/tenants.h"

#include "otlp/decoder.h"

namespace prometheus {
class Gauge;
}

namespace spanmeter {

enum class IngestCode : uint8_t {
  kOk,         // counted; possibly without the spans with invalid ids
  kMalformed,  // never acceptable: no protobuf or JSON, corrupt gzip
  kTooLarge,   // never acceptable: over max_message_size
  // Over max_in_flight, or no room where it must be passed on: to be sent again later.
  kOverloaded,
  kCancelled,  // the client had given up before it was counted
  // The request names no tenant, or what it names cannot be one, or it brings no token that is good
  // for it.
  kUnauthenticated,
  // Never acceptable as long as there are so many others: no place for the tenant.
  kTooManyTenants,
};

struct IngestReply {
  IngestCode code = IngestCode::kOk;
  // What is wrong; with kOk, what was wrong with the rejected spans.
  std::string message;
  // Spans that can never be accepted. Only with kOk.
  uint64_t rejected_spans = 0;
};

struct IngestRequest {
  enum class Compression : uint8_t {
    kByContent,  // gzip if it begins so
    kNone,
    kGzip,
  };
  enum class Encoding : uint8_t { kProtobuf, kJson };

  // The message, as received: its parts in order.
  std::span<const std::string_view> parts;
  Compression compression = Compression::kByContent;
  // Of the message, when it is decompressed.
  Encoding encoding = Encoding::kProtobuf;
  // What the request says about its tenant, under each header field for it.
  std::vector<std::string_view> tenants;
  // False: the client asked that the spans be taken but not turned into metrics.
  bool generate_metrics = true;
  // Says whether the client has given up. Asked once, before anything is counted.
  std::function<bool()> given_up = [] { return false; };
};

struct IngestLimits {
  // Of a message, as received and again decompressed.
  uint64_t max_message_size = 0;
  // Of all requests that are being worked on, as received plus decompressed, plus what JSON is
  // turned into. One request alone is always let in, so that a large one does not starve.
  uint64_t max_in_flight = 0;
};

// Thread-safe.
class Ingest {
 public:
  // The pointers must outlive this; `in_flight_bytes` follows the bytes in flight. `tee`, which may
  // be null, gets what was counted, or would have been but for the client's wish.
  Ingest(const IngestLimits& limits, Tenants* tenants, prometheus::Gauge* in_flight_bytes,
         RequestTee* tee = nullptr);
  ~Ingest();
  Ingest(const Ingest&) = delete;
  Ingest& operator=(const Ingest&) = delete;

  // Works on the request in the calling thread. All of it is validated before any of it is counted;
  // only with kOk it was.
  IngestReply Handle(const IngestRequest& request);

 private:
  struct Scratch;
  class Admission;
  class ScratchLease;
  class SessionLease;

  // Decodes and counts the message, which came as gzip or as it is.
  IngestReply HandleMessage(std::string_view message, bool gzip, const IngestRequest& request,
                            Generator* generator, DecodeScratch* scratch);
  IngestReply Malformed(std::string message) const;
  IngestReply TooLarge(std::string_view what) const;

  const IngestLimits limits_;
  Tenants* const tenants_;
  RequestTee* const tee_;
  prometheus::Gauge* const in_flight_gauge_;
  std::atomic<uint64_t> in_flight_{0};

  Mutex mutex_;
  std::vector<std::unique_ptr<Scratch>> idle_scratch_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_OTLP_INGEST_H_
