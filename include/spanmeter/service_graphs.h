// The service-graphs processor: requests between two services, each made of a client's and a
// server's span; their numbers, failures and durations.

#ifndef SPANMETER_SERVICE_GRAPHS_H_
#define SPANMETER_SERVICE_GRAPHS_H_

#include <memory>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/clock.h"
#include "spanmeter/options.h"
#include "spanmeter/processor.h"
#include "spanmeter/registry.h"

namespace spanmeter {

// Builds the processor from `options` (service_graphs, processors, the label lengths, the
// multiplier's bound, native histograms and the names of external_labels count; external_labels
// must hold everything that applies). Adds its family to `registry` and the keys that it looks at
// to `index`; both and `clock` must outlive it. REQUIRES: ValidateServiceGraphs() found nothing
// wrong with `options`.
//
// `previous` is null, or what this function returned for the same tenant when it had other options:
// then all counters are taken over, and the spans that wait too, unless the attributes that become
// labels have changed. Requests that are still on their way through `previous` go on, and meet what
// waits here; its Maintain() must not be called any more. It may be destroyed at any time.
//
// Maintain() is what lets spans go that have waited for too long, and counts those that name their
// counterpart as requests to it.
std::unique_ptr<Processor> NewServiceGraphs(const GeneratorOptions& options, AttributeIndex* index,
                                            Registry* registry, const Clock* clock,
                                            Processor* previous);

// Finds everything in `options.service_graphs` that contradicts itself: labels that are reserved,
// attributes without a name, invalid filter policies, bucket lists. Empty when all is well.
std::vector<OptionProblem> ValidateServiceGraphs(const GeneratorOptions& options);

}  // namespace spanmeter

#endif  // SPANMETER_SERVICE_GRAPHS_H_
