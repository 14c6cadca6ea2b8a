// What a tenant's generator says about itself on /metrics/self and in the log.

#ifndef SPANMETER_GENERATOR_GENERATOR_METRICS_H_
#define SPANMETER_GENERATOR_GENERATOR_METRICS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/metric_family.h>

#include "spanmeter/generator.h"

namespace spanmeter {

// What one processor did, whatever its options were meanwhile.
struct ProcessorMetrics {
  std::string name;
  std::array<std::atomic<uint64_t>, kDiscardReasons> discarded = {};
  std::atomic<uint64_t> multipliers_rejected{0};
};

// Thread-safe. Counts from the tenant's first request on, also across reloads; the numbers are
// here and not in prometheus-cpp's registry so that they go with the tenant.
class GeneratorMetrics {
 public:
  // `clock` and `logger` must outlive this.
  GeneratorMetrics(std::string tenant, const Clock* clock, const Logger* logger);

  // The processor with this name; there is one from the first call on.
  ProcessorMetrics* ForProcessor(std::string_view name);

  // Counts one request's spans, `outside` of them outside of the time range.
  void CountReceived(const GeneratorSession::Received& received, uint64_t outside);
  void CountSkipped(uint64_t spans) { skipped_.fetch_add(spans, std::memory_order_relaxed); }
  // Counts what a processor made of a request, or of a part of one.
  void CountProcessed(const ProcessorCounts& counts, double max_span_multiplier,
                      ProcessorMetrics* processor);

  GeneratorTotals Totals() const;
  // Appends everything, the state of `state` as well.
  void Append(const GeneratorState& state, std::vector<prometheus::MetricFamily>* families) const;

 private:
  void WarnWhenManyAreOutside();

  const std::string tenant_;
  const Logger* const logger_;
  std::atomic<uint64_t> spans_{0};
  std::atomic<uint64_t> bytes_{0};
  std::atomic<uint64_t> skipped_{0};
  std::atomic<uint64_t> outside_time_range_{0};
  std::atomic<uint64_t> invalid_ids_{0};

  mutable Mutex mutex_;
  std::vector<std::unique_ptr<ProcessorMetrics>> processors_ GUARDED_BY(mutex_);

  // Since the last look at their ratio.
  std::atomic<uint64_t> recent_spans_{0};
  std::atomic<uint64_t> recent_outside_{0};
  LogThrottle outside_throttle_;
  LogThrottle multiplier_throttle_;
};

}  // namespace spanmeter

#endif  // SPANMETER_GENERATOR_GENERATOR_METRICS_H_
