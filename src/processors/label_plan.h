// Which labels the span metrics of a configuration have, and where their values come from. Names
// are settled here, once; what is left for each span is the first value that is not empty.

#ifndef SPANMETER_PROCESSORS_LABEL_PLAN_H_
#define SPANMETER_PROCESSORS_LABEL_PLAN_H_

#include <cstdint>
#include <string>
#include <vector>

#include "spanmeter/options.h"
#include "spanmeter/span_metrics.h"

namespace spanmeter {

// Where the value of a label comes from.
enum class LabelSource : uint8_t {
  kService,
  kJob,
  kInstance,
  kSpanName,
  kSpanKind,
  kStatusCode,
  kStatusMessage,
  kDimension,
  kMapping,
  // What a dimension has instead of a value. Comes last.
  kDefault,
};

struct LabelCandidate {
  LabelSource source = LabelSource::kService;
  // Dimensions, their defaults and mappings: which one of the configured list.
  size_t position = 0;
};

struct PlannedLabel {
  std::string name;
  // The first one with a value gives it. Not empty.
  std::vector<LabelCandidate> candidates;
};

// The labels in the order of a family's key: those that a resource's spans share first.
// External labels, and what they replace, are not among them.
using LabelPlan = std::vector<PlannedLabel>;

// Resolves the names of all labels: sanitized, cut, told apart. Of labels that end up with one name
// the last configured one with a value counts; intrinsic labels, job and instance beat them all.
// Where none has a value, the last configured default counts.
// Appends what is wrong with the configuration to `problems`; the plan is then unusable.
LabelPlan MakeLabelPlan(const GeneratorOptions& options, std::vector<OptionProblem>* problems);

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_LABEL_PLAN_H_
