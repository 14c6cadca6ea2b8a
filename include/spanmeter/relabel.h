// Relabelling: rules that change, keep or drop label sets, with the meaning that Prometheus gives
// them (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#relabel_config).

#ifndef SPANMETER_RELABEL_H_
#define SPANMETER_RELABEL_H_

#include <array>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/options.h"

namespace spanmeter {

struct Label {
  std::string name;
  std::string value;

  bool operator==(const Label&) const = default;
};

// Sorted by name; names are distinct, values not empty.
using LabelSet = std::vector<Label>;

// Labels that a registry gives its series by itself.
inline constexpr std::array<std::string_view, 3> kLabelsOfTheRegistry = {"__name__", "le",
                                                                         "metric_overflow"};

// Whether `name` is a label name: [a-zA-Z_][a-zA-Z0-9_]*.
bool IsLabelName(std::string_view name);

// Applies a list of rules. What Prometheus defines, it does; where Prometheus leaves open what is a
// label name, it is IsLabelName() that decides. Immutable and thread-safe.
class Relabeler {
 public:
  // Compiles `rules`. What is wrong with them is appended to `problems`, each with its place below
  // `path` (as in `relabel[2].regex`); the object is of no use then. No rule may set a label of
  // `reserved`; where only a label set shows that one would, it does not.
  Relabeler(const std::vector<RelabelRule>& rules, const std::string& path,
            std::span<const std::string_view> reserved, std::vector<OptionProblem>* problems);
  ~Relabeler();
  Relabeler(const Relabeler&) = delete;
  Relabeler& operator=(const Relabeler&) = delete;

  // Whether there are no rules.
  bool empty() const { return rules_.empty(); }

  // Applies the rules in their order. Returns false when one of them drops the label set, which is
  // then in between. REQUIRES: values are valid UTF-8; they are afterwards, too.
  bool Apply(LabelSet* labels) const;

 private:
  class Rule;

  std::vector<std::string> reserved_;
  std::vector<std::unique_ptr<const Rule>> rules_;
};

}  // namespace spanmeter

#endif  // SPANMETER_RELABEL_H_
