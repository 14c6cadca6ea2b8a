// What a tenant's generator says about itself on /metrics/self and in the log.

#ifndef SPANMETER_GENERATOR_GENERATOR_METRICS_H_
#define SPANMETER_GENERATOR_GENERATOR_METRICS_H_

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/counter.h>

#include "spanmeter/generator.h"

namespace spanmeter {

// Thread-safe.
struct Generator::Metrics {
  // Registers the tenant's children and a collector for its registry, which must outlive `self`'s
  // last collection, like `clock` and `logger`.
  Metrics(const std::string& tenant, const std::vector<std::unique_ptr<Processor>>& processors,
          const GeneratorOptions& options, const Registry* registry, const Clock* clock,
          const Logger* logger, SelfMetrics* self);

  // Counts one request's spans, `outside` of them outside of the time range.
  void CountReceived(const GeneratorSession::Received& received, uint64_t outside);
  // Counts what the processor with this position made of a request, or of a part of one.
  void CountProcessed(size_t processor, const ProcessorCounts& counts);

  prometheus::Counter* spans_skipped;

 private:
  struct ForProcessor {
    std::string name;
    std::array<prometheus::Counter*, kDiscardReasons> discarded;
    prometheus::Counter* multipliers_rejected;
  };

  void WarnWhenManyAreOutside();

  const std::string tenant_;
  const double max_span_multiplier_;
  const Logger* const logger_;
  prometheus::Counter* spans_received_;
  prometheus::Counter* bytes_received_;
  prometheus::Counter* outside_time_range_;
  prometheus::Counter* invalid_id_;
  std::vector<ForProcessor> processors_;

  // Since the last look at their ratio.
  std::atomic<uint64_t> recent_spans_{0};
  std::atomic<uint64_t> recent_outside_{0};
  LogThrottle outside_throttle_;
  LogThrottle multiplier_throttle_;
};

}  // namespace spanmeter

#endif  // SPANMETER_GENERATOR_GENERATOR_METRICS_H_
