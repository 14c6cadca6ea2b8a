#include <utility>

#include "spanmeter/generator.h"

#include "generator/generator_metrics.h"
#include "generator/generator_state.h"

namespace spanmeter {

GeneratorSession::GeneratorSession(Generator* generator, std::shared_ptr<GeneratorState> state)
    : generator_(generator), state_(std::move(state)) {
  for (const auto& processor : state_->processors) {
    processors_.push_back(processor->NewSession());
  }
}

GeneratorSession::~GeneratorSession() = default;

const AttributeIndex& GeneratorSession::attributes() const { return state_->attributes; }

void GeneratorSession::StartRequest() {
  wall_nanos_ = generator_->clock_->WallNanos();
  outside_time_range_ = 0;
  known_valid_ = false;
  too_large_ = false;
  for (const auto& processor : processors_) processor->StartRequest();
}

void GeneratorSession::StartValidRequest() {
  StartRequest();
  known_valid_ = true;
}

void GeneratorSession::StartResource(const ResourceView& resource) {
  if (too_large_) return;
  for (const auto& processor : processors_) processor->StartResource(resource);
}

void GeneratorSession::Span(const SpanView& span) {
  if (too_large_) return;
  if (OutsideTimeRange(span.end_time_unix_nano)) {
    ++outside_time_range_;
    for (const auto& processor : processors_) processor->SpanOutsideTimeRange();
    return;
  }
  size_t pending = 0;
  for (const auto& processor : processors_) {
    processor->Span(span);
    pending += processor->PendingBytes();
  }
  if (pending <= kMaxPendingBytes) [[likely]]
    return;
  if (known_valid_) {
    CommitProcessors();
  } else {
    too_large_ = true;
  }
}

bool GeneratorSession::OutsideTimeRange(uint64_t end_time_unix_nano) const {
  const auto slack = static_cast<uint64_t>(state_->options.ingestion_time_range_slack);
  if (slack == 0) return false;
  const auto now = static_cast<uint64_t>(wall_nanos_);
  const uint64_t distance =
      end_time_unix_nano > now ? end_time_unix_nano - now : now - end_time_unix_nano;
  return distance > slack;
}

void GeneratorSession::Commit(const Received& received) {
  CommitProcessors();
  generator_->metrics_->CountReceived(received, outside_time_range_);
}

void GeneratorSession::CommitProcessors() {
  for (size_t i = 0; i < processors_.size(); ++i) {
    generator_->metrics_->CountProcessed(processors_[i]->Commit(),
                                         state_->options.max_span_multiplier,
                                         state_->processor_metrics[i]);
  }
}

}  // namespace spanmeter
