// One receiver with all that belongs to it.

#ifndef SPANMETER_REMOTE_WRITE_ENDPOINT_H_
#define SPANMETER_REMOTE_WRITE_ENDPOINT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "spanmeter/block_queue.h"
#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/queue_storage.h"
#include "spanmeter/relabel.h"
#include "spanmeter/remote_write_options.h"
#include "spanmeter/sample_sink.h"

#include "remote_write/endpoint_metrics.h"
#include "remote_write/sender.h"
#include "remote_write/tenant_collector.h"

namespace spanmeter {

// Thread-safe but for the constructor and the destructor, which leaves what waits in the queue.
class Endpoint {
 public:
  struct Parts {
    std::string user_agent;
    bool by_tenant = false;  // whether requests name their tenant
    std::function<std::vector<MetricInfo>(const std::string& tenant)> metadata;  // see SendLoop
    QueueStorage* storage = nullptr;
    EndpointMetrics* metrics = nullptr;
    const Clock* clock = nullptr;
    const Logger* logger = nullptr;
  };
  // Begins to send what waits in the queue. The pointers must outlive the endpoint.
  Endpoint(const RemoteWriteOptions& options, Parts parts);
  ~Endpoint();

  const RemoteWriteOptions& options() const { return options_; }
  const std::shared_ptr<BlockQueue>& queue() const { return queue_; }
  EndpointMetrics* metrics() const { return metrics_; }

  SendLoop::Status sender_status() const { return sender_->status(); }

  // How to encode what is collected now.
  TenantCollector::Target target() const;
  // Notes what goes into the queue.
  void CountIn(std::span<const Block> blocks);
  // There is something new in the queue.
  void Wake() { sender_->Wake(); }

  // See Sender.
  void BeginStop(int64_t deadline_nanos) { sender_->BeginStop(deadline_nanos); }
  void Stop() { sender_->Stop(); }

 private:
  const RemoteWriteOptions options_;
  EndpointMetrics* const metrics_;
  std::unique_ptr<const Relabeler> relabeler_;  // null without rules
  std::shared_ptr<BlockQueue> queue_;
  std::unique_ptr<Sender> sender_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_ENDPOINT_H_
