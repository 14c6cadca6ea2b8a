// From options to a histogram of a family: the same for every processor.

#ifndef SPANMETER_SRC_PROCESSORS_HISTOGRAM_METRIC_H_
#define SPANMETER_SRC_PROCESSORS_HISTOGRAM_METRIC_H_

#include <string>
#include <vector>

#include "spanmeter/options.h"
#include "spanmeter/registry.h"

namespace spanmeter {

// Configured bounds as a family takes them: ascending, without +Inf, which is implied.
std::vector<double> HistogramBounds(const std::vector<double>& configured);

// A histogram that is classic, native or both, as `options` say. `bounds` are configured ones; a
// native histogram has no use for them.
FamilyMetric MakeHistogram(std::string name, std::string help, const std::vector<double>& bounds,
                           const GeneratorOptions& options);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_PROCESSORS_HISTOGRAM_METRIC_H_
