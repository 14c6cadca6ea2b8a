// Empties one receiver's queue over HTTP, in order per series, as fast as the receiver takes it.

#ifndef SPANMETER_REMOTE_WRITE_SENDER_H_
#define SPANMETER_REMOTE_WRITE_SENDER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/remote_write_options.h"
#include "spanmeter/sample_sink.h"

#include "remote_write/block_queue.h"
#include "remote_write/http_client.h"

namespace spanmeter {

// Thread-safe but for the constructor and the destructor.
class Sender {
 public:
  struct Parts {
    std::shared_ptr<BlockQueue> queue;
    std::unique_ptr<HttpClient> client;
    // The metrics that there are, for the metadata of protocol 1.0.
    std::function<std::vector<MetricInfo>()> metadata;
    bool by_tenant = false;  // whether requests name their tenant
    EndpointMetrics* metrics = nullptr;
    const Clock* clock = nullptr;
    const Logger* logger = nullptr;
  };
  // Begins to send. The pointers must outlive the sender.
  Sender(const RemoteWriteOptions& options, Parts parts);
  ~Sender();

  // There is something new in the queue.
  void Wake();
  // Sends what is in the queue, retries included, at most until `deadline_nanos` (monotonic clock),
  // and ends. What is left stays in the queue. Returns whether nothing is left.
  bool Stop(int64_t deadline_nanos);

  // What the receiver is believed to know; what is collected is best encoded so.
  Protocol protocol() const { return protocol_.load(std::memory_order_relaxed); }

  struct Status {
    Protocol protocol;
    uint64_t shards;
    std::string last_error;  // empty = none yet
    int64_t last_error_ms = 0;
    int64_t last_success_ms = 0;
  };
  Status status() const;

 private:
  std::atomic<Protocol> protocol_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_SENDER_H_
