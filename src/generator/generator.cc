#include "spanmeter/generator.h"

#include <utility>

#include "spanmeter/span_metrics.h"

#include "generator/generator_metrics.h"

namespace spanmeter {

namespace {

// More sessions than requests run at the same time are never idle; a burst's are let go.
constexpr size_t kMaxIdleSessions = 64;

// The tenant's own label is one of the external labels, and wins over a configured one.
GeneratorOptions WithTenantLabel(GeneratorOptions options, const std::string& tenant) {
  if (!options.inject_tenant_id_as.empty()) {
    options.external_labels[options.inject_tenant_id_as] = tenant;
  }
  return options;
}

}  // namespace

Generator::Generator(std::string tenant, const GeneratorOptions& options, const Clock* clock,
                     const Logger* logger, SelfMetrics* metrics)
    : tenant_(std::move(tenant)),
      options_(WithTenantLabel(options, tenant_)),
      clock_(clock),
      registry_(options_, clock) {
  if (options_.processors.span_metrics()) {
    processors_.push_back(NewSpanMetrics(options_, &attributes_, &registry_, clock, nullptr));
  }
  metrics_ =
      std::make_unique<Metrics>(tenant_, processors_, options_, &registry_, clock, logger, metrics);
}

Generator::~Generator() = default;

std::unique_ptr<GeneratorSession> Generator::BorrowSession() {
  {
    const MutexLock lock(&mutex_);
    if (!idle_sessions_.empty()) {
      std::unique_ptr<GeneratorSession> session = std::move(idle_sessions_.back());
      idle_sessions_.pop_back();
      return session;
    }
  }
  return std::unique_ptr<GeneratorSession>(new GeneratorSession(this));
}

void Generator::ReturnSession(std::unique_ptr<GeneratorSession> session) {
  const MutexLock lock(&mutex_);
  if (idle_sessions_.size() < kMaxIdleSessions) idle_sessions_.push_back(std::move(session));
}

void Generator::CountSkipped(const GeneratorSession::Received& received) {
  metrics_->CountReceived(received, 0);
  metrics_->spans_skipped->Increment(static_cast<double>(received.spans));
}

}  // namespace spanmeter
