// What is sent when, and what its answer means: the decisions of a sender, without its thread.

#ifndef SPANMETER_REMOTE_WRITE_SEND_LOOP_H_
#define SPANMETER_REMOTE_WRITE_SEND_LOOP_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "spanmeter/block_queue.h"
#include "spanmeter/clock.h"
#include "spanmeter/http_client.h"
#include "spanmeter/log.h"
#include "spanmeter/remote_write_options.h"
#include "spanmeter/sample_sink.h"
#include "spanmeter/send_thread.h"

#include "remote_write/endpoint_metrics.h"

namespace spanmeter {

// Used by one thread, but for protocol() and status().
//
// Failures that may pass (no answer, 5xx, 429) leave the receiver alone for a while, longer with
// each one in a row, and the block that met one longer still: others get their turn before it. What
// a receiver refuses otherwise is dropped.
class SendLoop {
 public:
  struct Parts {
    std::shared_ptr<BlockQueue> queue;
    std::unique_ptr<HttpClient> client;
    // The metrics that a tenant has, for the metadata of protocol 1.0; of no name: all there are.
    std::function<std::vector<MetricInfo>(const std::string& tenant)> metadata;
    bool by_tenant = false;  // whether requests name their tenant
    EndpointMetrics* metrics = nullptr;
    const Clock* clock = nullptr;
    const Logger* logger = nullptr;
  };
  // The pointers must outlive this.
  SendLoop(const RemoteWriteOptions& options, Parts parts);

  // Starts what may be started, waits for answers for at most a second, and acts on them.
  void Step();
  // From now on nothing waits for more to go with it, and no Step() lasts beyond `deadline_nanos`
  // (monotonic clock).
  void Hurry(int64_t deadline_nanos) {
    hurried_ = true;
    deadline_nanos_ = deadline_nanos;
  }
  // Whether it is time to end after Hurry(): nothing is left, or sending fails and what is left is
  // safe on disk, or nothing would be tried again before the deadline.
  bool Done() const;
  // Gives up what is under way: it goes back to the queue.
  void Cancel();

  HttpClient* client() { return parts_.client.get(); }
  Protocol protocol() const { return protocol_.load(std::memory_order_relaxed); }

  struct Status {
    Protocol protocol = Protocol::k2;
    uint64_t shards = 1;
    std::string last_error;  // empty = none yet
    int64_t last_error_ms = 0;
    int64_t last_success_ms = 0;
  };
  Status status() const;

 private:
  // A request under way.
  struct Flight {
    BlockQueue::Lease lease;  // empty: metadata
    uint64_t metadata = 0;    // how many metrics
    Protocol protocol = Protocol::k2;
    // Sent in version 1.0 only to see whether that is what the receiver understands.
    bool tries_1 = false;
    uint64_t body_bytes = 0;
    SampleCounts counts;
    int64_t newest_ms = 0;
  };
  struct MetadataRequest {
    std::string tenant;
    uint64_t metrics;
    std::string body;
  };

  void StartSamples(BlockQueue::Lease lease, Protocol protocol, bool tries_1);
  // Drops the blocks that are damaged, and takes them out of the lease.
  void DropDamaged(Protocol protocol, BlockQueue::Lease* lease);
  void StartMetadata();
  void MakeMetadata();
  void Handle(const HttpResponse& response);
  void HandleMetadata(const Flight& flight, const HttpResponse& response);
  void HandleSuccess(Flight flight, const HttpResponse& response);
  void HandleFailure(const Flight& flight, const HttpResponse& response);
  void HandleRefusal(const Flight& flight, const HttpResponse& response);
  // Those of them that may be under way at a time: all but metadata.
  size_t sample_flights() const { return flights_.size() - (metadata_under_way_ ? 1 : 0); }
  bool CheckWritten(const Flight& flight, const HttpResponse& response);
  SampleCounts CountWritten(const Flight& flight, const HttpResponse& response);
  void FallBack(const HttpResponse& response);
  bool IsRetryable(int status) const;
  // Leaves the receiver alone for a while.
  void Pause(const HttpResponse& response);
  // How long the receiver wants to be left alone; 0 when it does not say.
  int64_t WantedPauseNanos(const HttpResponse& response) const;

  const RemoteWriteOptions options_;
  Parts parts_;
  const bool is_auto_;
  std::atomic<Protocol> protocol_;
  // Whether the receiver has ever taken protocol 2.0.
  bool knows_2_ = false;
  bool hurried_ = false;
  int64_t deadline_nanos_ = kNeverNanos;
  // Whether the last answer since Hurry() was a failure.
  bool failing_at_end_ = false;

  std::map<uint64_t, Flight> flights_;  // by the request's id
  uint64_t next_id_ = 1;
  std::atomic<uint64_t> shards_{1};
  uint32_t failures_in_row_ = 0;
  int64_t pause_until_nanos_ = 0;
  // The first request that was started after the last failure in the row. What fails of those
  // before it is the same failure again.
  uint64_t first_id_after_failure_ = 0;
  // Of leases, by their first block.
  std::map<uint64_t, uint32_t> failures_;
  std::deque<MetadataRequest> metadata_;
  // Whose metadata go after that. One without a name stands for all when requests name nobody.
  std::set<std::string> metadata_tenants_;
  // Who had samples sent since the last interval began.
  std::set<std::string> tenants_seen_;
  bool metadata_under_way_ = false;
  uint32_t metadata_failures_ = 0;
  int64_t metadata_not_before_nanos_ = 0;
  int64_t next_metadata_nanos_ = 0;
  Backoff backoff_;

  LogThrottle error_throttle_;
  LogThrottle refusal_throttle_;
  LogThrottle written_throttle_;

  SendOutcome outcome_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_SEND_LOOP_H_
