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

// Stands for all values of a label that max_cardinality_per_label had no place for.
inline constexpr std::string_view kCardinalityOverflow = "__cardinality_overflow__";

// One label of a label set. A view.
struct LabelValue {
  std::string_view name;
  std::string_view value;
};

// A key taken apart; reusable. The views are valid as long as the key, the renderer and this are,
// and until it is used for another key.
struct DecodedKey {
  std::vector<LabelValue> labels;  // in the order of the key; values may be empty
  std::vector<char> decimals;      // the text of numbers without a name
};

// Renders the label sets of one family. Immutable, thread-safe.
class LabelRenderer {
 public:
  // External labels with an empty value are no labels.
  LabelRenderer(std::vector<FamilyLabel> labels, bool own_labels,
                const std::map<std::string, std::string>& external_labels);

  // The labels of the series with `key`, sorted by name, external ones included.
  // REQUIRES: `key` was encoded for this family.
  std::string Render(std::string_view key) const;

  // Whether `key` could have been encoded for this family: whether the other methods can read it.
  bool IsKey(std::string_view key) const;

  // Takes `key` apart. External labels are not among the result.
  void Decode(std::string_view key, DecodedKey* decoded) const;

  // The key with the values of those labels replaced by kCardinalityOverflow for which `folded`, by
  // their place in `decoded`, is true.
  std::string Fold(const DecodedKey& decoded, std::string_view key,
                   const std::vector<bool>& folded) const;

  // The labels of the family's overflow series.
  std::string RenderOverflow() const;

 private:
  // Where a label's value comes from.
  struct Source {
    std::string name;
    int key_position = -1;       // into labels_, or -1 for an external label
    std::string external_value;  // when external
  };

  std::string RenderOwnLabels(const DecodedKey& decoded) const;

  const std::vector<FamilyLabel> labels_;
  const bool own_labels_;
  std::vector<Source> sorted_;                                        // every label, by name
  std::vector<std::pair<std::string, std::string>> external_labels_;  // by name
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_LABEL_TEXT_H_
