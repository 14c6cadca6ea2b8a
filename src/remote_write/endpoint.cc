#include "remote_write/endpoint.h"

#include <algorithm>
#include <utility>

#include "spanmeter/curl_client.h"

namespace spanmeter {

namespace {

std::unique_ptr<const Relabeler> MakeRelabeler(const std::vector<RelabelRule>& rules) {
  if (rules.empty()) return nullptr;
  std::vector<OptionProblem> problems;  // the configuration was found to have none
  return std::make_unique<const Relabeler>(rules, "", std::span<const std::string_view>(),
                                           &problems);
}

}  // namespace

Endpoint::Endpoint(const RemoteWriteOptions& options, Parts parts)
    : options_(options),
      metrics_(parts.metrics),
      relabeler_(MakeRelabeler(options.write_relabel_configs)),
      queue_(parts.storage->Open(
          options.name, QueueLimits{0, 0, options.queue_config.sample_age_limit},
          [metrics = parts.metrics](DropReason reason, const DroppedBlocks& dropped) {
            metrics->CountDropped(reason, dropped.counts);
          })) {
  SendLoop::Parts sender;
  sender.queue = queue_;
  sender.client = NewCurlClient(options, parts.user_agent, parts.clock, parts.logger);
  sender.metadata = std::move(parts.metadata);
  sender.by_tenant = parts.by_tenant;
  sender.metrics = parts.metrics;
  sender.clock = parts.clock;
  sender.logger = parts.logger;
  sender_ = std::make_unique<Sender>(options_, std::move(sender));
}

Endpoint::~Endpoint() = default;

TenantCollector::Target Endpoint::target() const {
  return {&options_, relabeler_.get(), sender_->protocol()};
}

void Endpoint::CountIn(std::span<const Block> blocks) {
  SampleCounts counts;
  int64_t newest_ms = 0;
  for (const Block& block : blocks) {
    counts += block.counts;
    newest_ms = std::max(newest_ms, block.newest_ms);
  }
  metrics_->CountIn(counts, newest_ms);
}

}  // namespace spanmeter
