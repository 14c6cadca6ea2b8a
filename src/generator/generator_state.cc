#include "generator/generator_state.h"

#include <string_view>
#include <utility>

#include "spanmeter/host_info.h"
#include "spanmeter/service_graphs.h"
#include "spanmeter/span_metrics.h"

namespace spanmeter {

namespace {

constexpr std::string_view kSpanMetrics = "span-metrics";
constexpr std::string_view kServiceGraphs = "service-graphs";

Registry MakeRegistry(const GeneratorOptions& options, const Clock* clock,
                      GeneratorState* previous) {
  return previous == nullptr ? Registry(options, clock) : Registry(options, &previous->registry);
}

// The processor with this name, or null when there is none.
Processor* FindProcessor(GeneratorState* state, std::string_view name) {
  if (state == nullptr) return nullptr;
  for (const auto& processor : state->processors) {
    if (processor->name() == name) return processor.get();
  }
  return nullptr;
}

}  // namespace

GeneratorState::GeneratorState(const GeneratorOptions& o, const Clock* clock,
                               GeneratorState* previous, GeneratorMetrics* metrics)
    : options(o), registry(MakeRegistry(o, clock, previous)) {
  const auto add = [&](std::unique_ptr<Processor> processor) {
    processor_metrics.push_back(metrics->ForProcessor(processor->name()));
    processors.push_back(std::move(processor));
  };
  const ProcessorSelection& selected = options.processors;
  if (selected.span_metrics()) {
    add(NewSpanMetrics(options, &attributes, &registry, clock,
                       FindProcessor(previous, kSpanMetrics)));
  }
  if (selected.service_graphs()) {
    add(NewServiceGraphs(options, &attributes, &registry, clock,
                         FindProcessor(previous, kServiceGraphs)));
  }
  if (selected.host_info) add(NewHostInfo(options, &attributes, &registry));
}

}  // namespace spanmeter
