// The settings of relabelling.

#ifndef SPANMETER_RELABEL_OPTIONS_H_
#define SPANMETER_RELABEL_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace spanmeter {

// One step of relabelling, with the fields and defaults of Prometheus
// (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config).
struct RelabelRule {
  enum class Action : uint8_t {
    kReplace,
    kKeep,
    kDrop,
    kLabelMap,
    kLabelDrop,
    kLabelKeep,
    kLowercase,
    kUppercase,
    kHashMod,
  };

  std::vector<std::string> source_labels;
  std::string separator = ";";
  // RE2 syntax; must match all of its subject.
  std::string regex = "(.*)";
  uint64_t modulus = 0;
  std::string target_label;
  std::string replacement = "$1";
  Action action = Action::kReplace;

  bool operator==(const RelabelRule&) const = default;
};

}  // namespace spanmeter

#endif  // SPANMETER_RELABEL_OPTIONS_H_
