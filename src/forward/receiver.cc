#include "forward/receiver.h"

#include <utility>

namespace spanmeter {

namespace {

std::optional<SpanFilter> MakeFilter(const ForwardOptions& options) {
  if (options.filter_policies.empty()) return std::nullopt;
  return std::optional<SpanFilter>(std::in_place, options.filter_policies);
}

QueueLimits LimitsOf(const ForwardQueueOptions& queue) {
  return {queue.spill ? queue.max_size : queue.max_memory, queue.max_memory, queue.max_age};
}

ForwardLoop::Parts LoopParts(std::shared_ptr<BlockQueue> queue, Receiver::Parts parts) {
  return {std::move(queue), std::move(parts.client), parts.metrics, parts.clock, parts.logger};
}

uint64_t ReceivedBytes(const TeeRequest& request) {
  uint64_t bytes = 0;
  for (const std::string_view part : request.received) bytes += part.size();
  return bytes;
}

}  // namespace

const RequestBodies::Body& RequestBodies::AsReceived() {
  if (as_received_ == nullptr) {
    std::string bytes;
    bytes.reserve(ReceivedBytes(request_));
    for (const std::string_view part : request_.received) bytes.append(part);
    as_received_ = std::make_shared<const std::string>(std::move(bytes));
  }
  return as_received_;
}

const RequestBodies::Body& RequestBodies::Plain() {
  if (!request_.gzip) return AsReceived();
  if (plain_ == nullptr) plain_ = std::make_shared<const std::string>(request_.message);
  return plain_;
}

Receiver::Receiver(const ForwardOptions& options, Parts parts)
    : options_(options),
      metrics_(parts.metrics),
      clock_(parts.clock),
      filter_(MakeFilter(options)),
      queue_(parts.storage->Open(
          options.name, LimitsOf(options.queue_config),
          [metrics = parts.metrics](DropReason reason, const DroppedBlocks& dropped) {
            metrics->CountDropped(reason, dropped);
          })),
      loop_(options, LoopParts(queue_, std::move(parts))),
      thread_(&loop_, clock_) {}

uint64_t Receiver::max_queue_bytes() const { return LimitsOf(options_.queue_config).max_size; }

bool Receiver::Reserve(const TeeRequest& request, uint64_t* bytes) {
  *bytes = 0;
  if (!options_.required) return true;
  // What a filter leaves is smaller, unless it takes a request apart that came compressed.
  const bool plain = options_.compression == ForwardCompression::kNone;
  const uint64_t received = ReceivedBytes(request);
  const uint64_t most =
      plain || filter_ ? std::max<uint64_t>(received, request.message.size()) : received;
  if (!queue_->Reserve(most)) {
    metrics_->CountRefused();
    return false;
  }
  *bytes = most;
  return true;
}

void Receiver::Unreserve(uint64_t bytes) {
  if (bytes > 0) queue_->Unreserve(bytes);
}

const RequestBodies::Body& Receiver::Whole(RequestBodies* bodies) const {
  return options_.compression == ForwardCompression::kNone ? bodies->Plain() : bodies->AsReceived();
}

RequestBodies::Body Receiver::Choose(RequestBodies* bodies, uint64_t* spans) const {
  const TeeRequest& request = bodies->request();
  *spans = request.spans;
  if (!filter_) return Whole(bodies);
  const bool by_request = options_.filter_effect == ForwardFilterEffect::kRequests;
  std::string rest;
  const SpanFilter::Result result = filter_->Apply(request.message, by_request ? nullptr : &rest);
  if (by_request && result.kept > 0) return Whole(bodies);
  *spans = result.kept;
  if (result.kept == 0) return nullptr;
  if (result.cut == 0) return Whole(bodies);
  // Of what came compressed the rest is compressed again.
  const bool compress = request.gzip && options_.compression == ForwardCompression::kAsReceived;
  return std::make_shared<const std::string>(compress ? GzipCompressor().Compress(rest)
                                                      : std::move(rest));
}

void Receiver::Queue(RequestBodies* bodies, uint64_t reserved) {
  uint64_t spans = 0;
  RequestBodies::Body body = Choose(bodies, &spans);
  metrics_->CountFiltered(bodies->request().spans - spans);
  // Of a request without spans nothing is to be seen anywhere.
  if (body == nullptr || spans == 0) return Unreserve(reserved);
  metrics_->CountIn(spans);
  Block block;
  block.protocol = Protocol::kOtlp;
  block.tenant = bodies->request().tenant;
  block.first_hash = block.last_hash = next_hash_.fetch_add(1, std::memory_order_relaxed);
  block.counts.samples = spans;
  block.oldest_ms = block.newest_ms = clock_->WallNanos() / kNanosPerMilli;
  queue_->Append(block, std::move(body), reserved);
  thread_.Wake();
}

}  // namespace spanmeter
