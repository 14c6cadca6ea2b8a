// The seam between the decisions about what is passed on and the network.

#ifndef SPANMETER_FORWARD_EXPORT_CLIENT_H_
#define SPANMETER_FORWARD_EXPORT_CLIENT_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace spanmeter {

struct ExportRequest {
  uint64_t id = 0;     // chosen by the caller, distinct among those under way
  std::string tenant;  // for X-Scope-OrgID; empty: no such header
  // An ExportTraceServiceRequest, plain or as a gzip stream.
  std::shared_ptr<const std::string> body;
};

struct ExportAnswer {
  enum class Outcome : uint8_t {
    kTaken,    // possibly without some spans
    kRetry,    // to be sent again
    kRefused,  // will never be taken
  };

  uint64_t id = 0;
  Outcome outcome = Outcome::kRetry;
  // What was wrong; of kTaken, with the spans that were not.
  std::string error;
  // How long the receiver wants to be left alone, in nanoseconds; 0: it does not say.
  int64_t wait_nanos = 0;
  uint64_t rejected_spans = 0;
};

// Sends to one receiver, several requests at a time. All methods but Wake() belong to one thread.
class ExportClient {
 public:
  virtual ~ExportClient() = default;

  virtual void Start(ExportRequest request) = 0;
  // Waits for answers, at most until `timeout_nanos` have passed or Wake() was called. Every
  // started request is answered once.
  virtual std::vector<ExportAnswer> Wait(int64_t timeout_nanos) = 0;
  // Gives up all requests; they are not answered any more.
  virtual void CancelAll() = 0;
  // From any thread: ends a Wait(), or the next one.
  virtual void Wake() = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_EXPORT_CLIENT_H_
