#include "spanmeter/generator.h"

#include <algorithm>
#include <utility>

#include "spanmeter/state_stream.h"

#include "generator/generator_metrics.h"
#include "generator/generator_state.h"

namespace spanmeter {

namespace {

// More sessions than requests run at the same time are never idle; a burst's are let go.
constexpr size_t kMaxIdleSessions = 64;

// Stale series are out of sight at once; how soon their memory is free again follows their
// lifetime.
constexpr int64_t kMaxExpiryIntervalNanos = 5 * kNanosPerSecond;
constexpr int64_t kExpiriesPerStaleDuration = 20;

// So much later than service_graphs.wait, half edges have become what they can become.
constexpr int64_t kMaxEdgeDelayNanos = 2 * kNanosPerSecond;

// The tenant's own label is one of the external labels, and wins over a configured one.
GeneratorOptions WithTenantLabel(GeneratorOptions options, const std::string& tenant) {
  if (!options.inject_tenant_id_as.empty()) {
    options.external_labels[options.inject_tenant_id_as] = tenant;
  }
  return options;
}

}  // namespace

Generator::Generator(std::string tenant, const GeneratorOptions& options, const Clock* clock,
                     const Logger* logger)
    : tenant_(std::move(tenant)),
      clock_(clock),
      metrics_(std::make_unique<GeneratorMetrics>(tenant_, clock, logger)),
      last_request_nanos_(clock->MonotonicNanos()),
      state_(std::make_shared<GeneratorState>(WithTenantLabel(options, tenant_), clock, nullptr,
                                              metrics_.get())) {}

Generator::~Generator() = default;

std::shared_ptr<GeneratorState> Generator::state() const {
  const MutexLock lock(&mutex_);
  return state_;
}

GeneratorOptions Generator::options() const { return state()->options; }

CollectionOptions Generator::collection_options() const {
  const std::shared_ptr<GeneratorState> current = state();
  return {current->options.collection_interval, current->options.disable_collection};
}

std::shared_ptr<Registry> Generator::registry() const {
  const std::shared_ptr<GeneratorState> current = state();
  return {current, &current->registry};
}

std::unique_ptr<GeneratorSession> Generator::BorrowSession() {
  last_request_nanos_.store(clock_->MonotonicNanos(), std::memory_order_relaxed);
  std::shared_ptr<GeneratorState> current;
  {
    const MutexLock lock(&mutex_);
    if (!idle_sessions_.empty()) {
      std::unique_ptr<GeneratorSession> session = std::move(idle_sessions_.back());
      idle_sessions_.pop_back();
      return session;
    }
    current = state_;
  }
  return std::unique_ptr<GeneratorSession>(new GeneratorSession(this, std::move(current)));
}

void Generator::ReturnSession(std::unique_ptr<GeneratorSession> session) {
  last_request_nanos_.store(clock_->MonotonicNanos(), std::memory_order_relaxed);
  const MutexLock lock(&mutex_);
  // A session of a former state would bring it back into use. It is freed outside of the lock.
  if (session->state_ == state_ && idle_sessions_.size() < kMaxIdleSessions) {
    idle_sessions_.push_back(std::move(session));
  }
}

void Generator::CountSkipped(const GeneratorSession::Received& received) {
  metrics_->CountReceived(received, 0);
  metrics_->CountSkipped(received.spans);
}

std::vector<std::string> Generator::Reload(const GeneratorOptions& options) {
  const MutexLock maintenance_lock(&maintenance_mutex_);
  const std::shared_ptr<GeneratorState> previous = state();
  GeneratorOptions complete = WithTenantLabel(options, tenant_);
  if (complete == previous->options) return {};
  auto next =
      std::make_shared<GeneratorState>(std::move(complete), clock_, previous.get(), metrics_.get());
  // Before there are new series: the places of those that end must be free.
  std::vector<std::string> ended = next->registry.EndOtherFamilies();
  next_expiry_nanos_ = 0;
  std::vector<std::unique_ptr<GeneratorSession>> sessions;
  const MutexLock lock(&mutex_);
  state_ = std::move(next);
  sessions.swap(idle_sessions_);
  return ended;
}

void Generator::Maintain() {
  const MutexLock lock(&maintenance_mutex_);
  const std::shared_ptr<GeneratorState> current = state();
  for (const auto& processor : current->processors) processor->Maintain();
  const int64_t now = clock_->MonotonicNanos();
  if (now < next_expiry_nanos_) return;
  next_expiry_nanos_ = now + std::min(kMaxExpiryIntervalNanos,
                                      current->options.stale_duration / kExpiriesPerStaleDuration);
  current->registry.Expire();
}

bool Generator::IsIdle() const {
  const std::shared_ptr<GeneratorState> current = state();
  const int64_t idle_nanos =
      clock_->MonotonicNanos() - last_request_nanos_.load(std::memory_order_relaxed);
  return idle_nanos >= current->options.stale_duration &&
         idle_nanos >= current->options.service_graphs.wait + kMaxEdgeDelayNanos &&
         current->registry.GetStats().active_series == 0 && !current->registry.HasEnded();
}

void Generator::Save(StateWriter* writer) const {
  writer->Begin(StateRecord::kTenant);
  writer->Bytes(tenant_);
  writer->Time(last_request_nanos_.load(std::memory_order_relaxed));
  writer->End();
  const std::shared_ptr<GeneratorState> current = state();
  current->registry.Save(writer);
  for (const auto& processor : current->processors) processor->Save(writer);
}

bool Generator::Restore(StateReader* reader, RestoredState* restored) {
  const std::shared_ptr<GeneratorState> current = state();
  last_request_nanos_.store(reader->Time(), std::memory_order_relaxed);
  if (!reader->EndRecord()) return false;
  reader->Next();
  const size_t left_out = restored->left_out.size();
  while (reader->kind() != StateRecord::kEnd && reader->kind() != StateRecord::kTenant) {
    if (reader->kind() == StateRecord::kRegistry) {
      if (!current->registry.Restore(reader, restored)) return false;
      continue;
    }
    const bool taken =
        std::any_of(current->processors.begin(), current->processors.end(),
                    [&](const auto& processor) { return processor->Restore(reader, restored); });
    // Of a processor that is off now, or cannot use it.
    if (!taken) reader->Next();
  }
  for (size_t i = left_out; i < restored->left_out.size(); ++i) {
    restored->left_out[i].insert(0, tenant_ + "/");
  }
  restored_until_ms_.store(reader->saved_ms() + 1, std::memory_order_relaxed);
  return reader->ok();
}

GeneratorTotals Generator::totals() const { return metrics_->Totals(); }

std::vector<SpanNameTemplate> Generator::SpanNames(size_t limit) const {
  const std::shared_ptr<GeneratorState> current = state();
  if (!current->options.processors.span_metrics()) return {};
  // The first processor, if there is one of its kind.
  return SpanNameTemplates(*current->processors.front(), limit);
}

void Generator::AppendMetrics(std::vector<prometheus::MetricFamily>* families) const {
  metrics_->Append(*state(), families);
}

}  // namespace spanmeter
