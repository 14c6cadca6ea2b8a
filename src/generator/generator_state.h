// What follows from one version of a tenant's options.

#ifndef SPANMETER_GENERATOR_GENERATOR_STATE_H_
#define SPANMETER_GENERATOR_GENERATOR_STATE_H_

#include <memory>
#include <string>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/clock.h"
#include "spanmeter/options.h"
#include "spanmeter/processor.h"
#include "spanmeter/registry.h"

#include "generator/generator_metrics.h"

namespace spanmeter {

// Immutable but for what is thread-safe itself. A reload makes a new one; sessions of requests that
// began before keep the old one alive until they end.
struct GeneratorState {
  // `previous` is the state to continue, or null; `clock` and `metrics` must outlive the state.
  GeneratorState(const GeneratorOptions& options, const Clock* clock, GeneratorState* previous,
                 GeneratorMetrics* metrics);

  const GeneratorOptions options;
  Registry registry;
  AttributeIndex attributes;
  std::vector<std::unique_ptr<Processor>> processors;
  std::vector<ProcessorMetrics*> processor_metrics;  // of each processor
};

}  // namespace spanmeter

#endif  // SPANMETER_GENERATOR_GENERATOR_STATE_H_
