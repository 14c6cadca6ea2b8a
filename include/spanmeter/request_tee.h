// Where requests with spans go besides being counted.

#ifndef SPANMETER_REQUEST_TEE_H_
#define SPANMETER_REQUEST_TEE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace spanmeter {

// A request that was found valid. Everything is borrowed until its handler returns.
struct TeeRequest {
  // What the request says about its tenant; empty when it says nothing, or what can be none.
  std::string_view tenant;
  // Its bytes as they were received, in order: the message, or with `gzip` a gzip stream of it.
  std::span<const std::string_view> received;
  bool gzip = false;
  // An opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest.
  std::string_view message;
  uint64_t spans = 0;
};

// Thread-safe.
class RequestTee {
 public:
  // A request on its way. One that is not sent leaves nothing behind.
  class Passage {
   public:
    virtual ~Passage() = default;
    // Hands the request over, which cannot fail any more. To be called once, when the spans have
    // been counted.
    virtual void Send() = 0;
  };

  virtual ~RequestTee() = default;

  // Keeps room for the request where it must go on. Null when there is none: the request is then to
  // be refused before anything of it is counted, for the client to send it again. `request` must
  // outlive the passage.
  virtual std::unique_ptr<Passage> Enter(const TeeRequest& request) = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_REQUEST_TEE_H_
