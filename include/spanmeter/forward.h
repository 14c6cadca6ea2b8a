// Passes the received requests on to trace backends.

#ifndef SPANMETER_FORWARD_H_
#define SPANMETER_FORWARD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/request_tee.h"
#include "spanmeter/self_metrics.h"

namespace spanmeter {

// How the passing on goes, for people to look at.
struct ForwardStatus {
  struct Dropped {
    std::string_view reason;
    uint64_t spans = 0;
  };
  struct Receiver {
    std::string name;
    std::string endpoint;  // without what may be secret
    ForwardProtocol protocol = ForwardProtocol::kGrpc;
    bool required = false;
    // Whether the last request was taken, or there was none yet.
    bool up = true;
    uint64_t queue_requests = 0;
    uint64_t queue_bytes = 0;
    uint64_t queue_memory_bytes = 0;
    uint64_t queue_max_bytes = 0;
    double queue_age_seconds = 0;
    uint64_t spans_in = 0;
    uint64_t spans_sent = 0;
    uint64_t spans_rejected = 0;
    uint64_t spans_pending = 0;
    std::vector<Dropped> dropped;  // by every reason that there can be
    std::string last_error;        // empty: none yet
    // Since the Unix epoch; 0: never.
    int64_t last_error_ms = 0;
    int64_t last_success_ms = 0;
  };
  std::vector<Receiver> receivers;
};

// Thread-safe, but for Start(), BeginStop() and Stop().
//
// A thread per receiver sends what is queued for it, and one moves to the disk what does not go on
// soon. Nobody who hands a request over waits for any of them.
class Forward final : public RequestTee {
 public:
  // Of `options` the receivers and storage.path count; they must be valid. `version` is
  // spanmeter's own. The pointers must outlive this, and this the last collection of `metrics`.
  Forward(const Options& options, const std::string& version, const Clock* clock,
          const Logger* logger, SelfMetrics* metrics);
  ~Forward() override;
  Forward(const Forward&) = delete;
  Forward& operator=(const Forward&) = delete;

  void Start();

  // Other receivers from now on. What waits for one whose name stays goes to its new address. What
  // waits in memory for one that is gone is dropped; what is on disk stays there until it is too
  // old, or somebody has the name again.
  void Reload(const Options& options);

  std::unique_ptr<Passage> Enter(const TeeRequest& request) override;

  // Never waits for the disk or a receiver.
  ForwardStatus status() const;

  // Begins to end: sends what there is, at most until `deadline_nanos` (monotonic clock). REQUIRES:
  // nothing is handed over any more.
  void BeginStop(int64_t deadline_nanos);
  // Waits for that. What is left stays on disk or, where it may not spill, is dropped and said to
  // be.
  void Stop();

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_H_
