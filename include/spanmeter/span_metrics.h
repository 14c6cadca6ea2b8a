// The span-metrics processor: calls, latency and size per service and operation, and target_info.

#ifndef SPANMETER_SPAN_METRICS_H_
#define SPANMETER_SPAN_METRICS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/clock.h"
#include "spanmeter/options.h"
#include "spanmeter/processor.h"
#include "spanmeter/registry.h"

namespace spanmeter {

// What span name sanitization has found to be one operation.
struct SpanNameTemplate {
  std::string text;                   // with `<_>` for what varies
  uint64_t spans = 0;                 // since the template was found
  int64_t idle_nanos = 0;             // since the last of them
  std::vector<std::string> examples;  // at most 3 names that it stands for, cut to 64 bytes
};

// Builds the processor from `options` (span_metrics, processors, the label lengths, the
// multiplier's bound, span_name_sanitization and the names of external_labels count;
// external_labels must hold everything that applies). Adds its families to `registry` and the keys
// that it looks at to `index`; they and `clock` must outlive it. `previous` is null, or the
// tenant's former processor of this kind: what it has learnt about span names is taken over, unless
// sanitization is off in one of the two. REQUIRES: ValidateSpanMetrics() found nothing wrong with
// `options`.
std::unique_ptr<Processor> NewSpanMetrics(const GeneratorOptions& options, AttributeIndex* index,
                                          Registry* registry, const Clock* clock,
                                          const Processor* previous);

// The templates of span names with the most spans, most first; at most `limit`. None when
// sanitization is off. REQUIRES: `processor` comes from NewSpanMetrics().
std::vector<SpanNameTemplate> SpanNameTemplates(const Processor& processor, size_t limit);

// Finds everything in `options.span_metrics` that contradicts itself: labels that collide or are
// reserved, invalid filter policies, bucket lists. Empty when all is well.
std::vector<OptionProblem> ValidateSpanMetrics(const GeneratorOptions& options);

}  // namespace spanmeter

#endif  // SPANMETER_SPAN_METRICS_H_
