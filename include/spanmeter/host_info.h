// The host-info processor: which hosts spans come from.

#ifndef SPANMETER_HOST_INFO_H_
#define SPANMETER_HOST_INFO_H_

#include <memory>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/options.h"
#include "spanmeter/processor.h"
#include "spanmeter/registry.h"

namespace spanmeter {

// Builds the processor from `options` (host_info, the longest label value and the names of
// external_labels count; external_labels must hold everything that applies). Adds its family to
// `registry` and the keys that it looks at to `index`; both must outlive it.
// REQUIRES: ValidateHostInfo() found nothing wrong with `options`.
std::unique_ptr<Processor> NewHostInfo(const GeneratorOptions& options, AttributeIndex* index,
                                       Registry* registry);

// Finds everything in `options.host_info` that cannot work: attributes without a name, a metric
// name that is not legal or that belongs to another metric. Empty when all is well.
std::vector<OptionProblem> ValidateHostInfo(const GeneratorOptions& options);

}  // namespace spanmeter

#endif  // SPANMETER_HOST_INFO_H_
