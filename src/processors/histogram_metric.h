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

// Appends what is wrong with the `configured` bounds, which stand under the key `path`.
void ValidateBuckets(const std::vector<double>& configured, const std::string& path,
                     std::vector<OptionProblem>* problems);

// A histogram that is classic, native or both, as `options` say. `bounds` are configured ones; a
// native histogram has no use for them.
FamilyMetric MakeHistogram(std::string name, std::string help, const std::vector<double>& bounds,
                           const GeneratorOptions& options);

}  // namespace spanmeter

#endif  // SPANMETER_SRC_PROCESSORS_HISTOGRAM_METRIC_H_
