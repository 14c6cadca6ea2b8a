#include "spanmeter/relabel.h"

#include <algorithm>

#include "registry/relabel_rule.h"

namespace spanmeter {

bool IsLabelName(std::string_view name) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_legal = [is_digit](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_';
  };
  return !name.empty() && !is_digit(name[0]) && std::all_of(name.begin(), name.end(), is_legal);
}

Relabeler::Relabeler(const std::vector<RelabelRule>& rules, const std::string& path,
                     std::span<const std::string_view> reserved,
                     std::vector<OptionProblem>* problems)
    : reserved_(reserved.begin(), reserved.end()) {
  for (size_t i = 0; i < rules.size(); ++i) {
    rules_.push_back(std::make_unique<const Rule>(rules[i], path + "[" + std::to_string(i) + "]",
                                                  &reserved_, problems));
  }
}

Relabeler::~Relabeler() = default;

bool Relabeler::Apply(LabelSet* labels) const {
  RelabelBuilder builder(labels);
  for (const auto& rule : rules_) {
    if (!rule->Apply(&builder)) return false;
  }
  builder.Finish();
  return true;
}

}  // namespace spanmeter
