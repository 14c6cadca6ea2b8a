// Label sets as the text exposition format writes them between the braces, and the way there from a
// series' key (https://prometheus.io/docs/instrumenting/exposition_formats/).

#ifndef SPANMETER_REGISTRY_LABEL_TEXT_H_
#define SPANMETER_REGISTRY_LABEL_TEXT_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/registry.h"

namespace spanmeter {

// Appends `name="value"` to `text`, after a comma unless `text` is empty. Escapes backslash, quote
// and newline in the value.
void AppendLabel(std::string_view name, std::string_view value, std::string* text);

// Renders the label sets of one family. Immutable, thread-safe.
class LabelRenderer {
 public:
  // External labels with an empty value are no labels.
  LabelRenderer(std::vector<FamilyLabel> labels, bool own_labels,
                const std::map<std::string, std::string>& external_labels);

  // The labels of the series with `key`, sorted by name, external ones included.
  // REQUIRES: `key` was encoded for this family.
  std::string Render(std::string_view key) const;

  // The labels of the family's overflow series.
  std::string RenderOverflow() const;

 private:
  // Where a label's value comes from.
  struct Source {
    std::string name;
    int key_position = -1;       // into labels_, or -1 for an external label
    std::string external_value;  // when external
  };

  std::string RenderOwnLabels(std::string_view key) const;

  const std::vector<FamilyLabel> labels_;
  const bool own_labels_;
  std::vector<Source> sorted_;                                        // every label, by name
  std::vector<std::pair<std::string, std::string>> external_labels_;  // by name
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_LABEL_TEXT_H_
