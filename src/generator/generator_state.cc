#include "generator/generator_state.h"

#include "spanmeter/span_metrics.h"

namespace spanmeter {

namespace {

Registry MakeRegistry(const GeneratorOptions& options, const Clock* clock,
                      GeneratorState* previous) {
  return previous == nullptr ? Registry(options, clock) : Registry(options, &previous->registry);
}

}  // namespace

GeneratorState::GeneratorState(const GeneratorOptions& o, const Clock* clock,
                               GeneratorState* previous, GeneratorMetrics* metrics)
    : options(o), registry(MakeRegistry(o, clock, previous)) {
  const auto add = [&](std::unique_ptr<Processor> processor) {
    processor_metrics.push_back(metrics->ForProcessor(processor->name()));
    processors.push_back(std::move(processor));
  };
  if (options.processors.span_metrics()) add(NewSpanMetrics(options, &attributes, &registry));
}

}  // namespace spanmeter
