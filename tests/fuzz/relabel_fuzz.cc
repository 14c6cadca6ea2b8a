// Fuzzes relabelling: random rules over random label sets, against a plain implementation.

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spanmeter/relabel.h"

#include "fuzz/fuzz_input.h"
#include "processors/utf8.h"
#include "registry/naive_relabel.h"

namespace spanmeter {
namespace {

using Action = RelabelRule::Action;
using testing::FuzzInput;

constexpr std::string_view kNames[] = {"a", "b", "ab", "a_b", "c", "le", "_1"};
constexpr std::string_view kValues[] = {"x", "X-y", "1", "a", "a=b", "\u00e9", "x;y", "a\nb"};
constexpr std::string_view kRegexes[] = {
    "(.*)", ".*", "a", "(a)(b)?", "([a-z])_?(.*)", "(?P<n>.)(.*)",
    "x|y",  "",   "(", "a)|(b",   "(?i)X.*",       "[^;]*;?(.*)"};
constexpr std::string_view kTemplates[] = {"$1",  "${1}_x", "$2", "c",    "$n",  "${n}b",  "",
                                           "$$1", "a$",     "$0", "x$01", "${1", "_$1_$2", "a b"};

std::string Choose(FuzzInput* input, std::span<const std::string_view> list) {
  const size_t choice = input->Choose(list.size() + 1);
  return std::string(choice < list.size() ? list[choice] : input->Text(10));
}

RelabelRule ChooseRule(FuzzInput* input) {
  RelabelRule rule;
  rule.action = static_cast<Action>(input->Choose(9));
  const bool is_bare = rule.action == Action::kLabelDrop || rule.action == Action::kLabelKeep;
  rule.regex = Choose(input, kRegexes);
  if (is_bare && input->Choose(8) != 0) return rule;
  for (size_t i = input->Choose(3); i > 0; --i) {
    rule.source_labels.emplace_back(input->Pick(kNames));
  }
  if (input->Choose(4) == 0) rule.separator = Choose(input, kValues);
  rule.target_label = input->Flip() ? Choose(input, kNames) : Choose(input, kTemplates);
  if (rule.action != Action::kLowercase && rule.action != Action::kUppercase) {
    rule.replacement = Choose(input, kTemplates);
  }
  if (rule.action == Action::kHashMod) rule.modulus = input->Choose(20);
  return rule;
}

LabelSet ChooseLabels(FuzzInput* input) {
  std::map<std::string, std::string> labels;
  for (size_t i = input->Choose(5); i > 0; --i) {
    const std::string name(input->Pick(kNames));
    const std::string value = Choose(input, kValues);
    if (!value.empty() && IsValidUtf8(value)) labels[name] = value;
  }
  LabelSet set;
  for (const auto& [name, value] : labels) set.push_back({name, value});
  return set;
}

// Whether the model knows what the rules do.
bool IsModelled(const std::vector<RelabelRule>& rules, const LabelSet& labels) {
  bool is_ascii = true;
  for (const Label& label : labels) is_ascii = is_ascii && IsAscii(label.value);
  for (const RelabelRule& rule : rules) {
    if (rule.action == Action::kHashMod) return false;
    // Names of groups may be of letters that it does not know.
    if (!IsAscii(rule.target_label) || !IsAscii(rule.replacement)) return false;
    const bool is_case = rule.action == Action::kLowercase || rule.action == Action::kUppercase;
    if (is_case && !(is_ascii && IsAscii(rule.separator))) return false;
  }
  return true;
}

void Run(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  std::vector<RelabelRule> rules;
  for (size_t i = input.Choose(4); i > 0; --i) rules.push_back(ChooseRule(&input));
  for (const RelabelRule& rule : rules) {
    // As every text of a configuration is.
    for (const std::string* text :
         {&rule.regex, &rule.separator, &rule.target_label, &rule.replacement}) {
      if (!IsValidUtf8(*text)) return;
    }
  }
  std::vector<OptionProblem> problems;
  const Relabeler relabeler(rules, "r", {}, &problems);
  for (const OptionProblem& problem : problems) {
    testing::Check(problem.path.starts_with("r[") && !problem.problem.empty(), "empty message");
  }
  if (!problems.empty()) return;
  for (int i = 0; i < 3; ++i) {
    const LabelSet before = ChooseLabels(&input);
    LabelSet after = before;
    const bool kept = relabeler.Apply(&after);
    if (kept) {
      for (size_t k = 0; k < after.size(); ++k) {
        testing::Check(IsLabelName(after[k].name) && !after[k].value.empty(), "no legal label");
        testing::Check(IsValidUtf8(after[k].value), "a character was taken apart");
        testing::Check(k == 0 || after[k - 1].name < after[k].name, "not sorted");
      }
    }
    if (!IsModelled(rules, before)) continue;
    const auto expected = testing::NaiveRelabel::Apply(rules, before);
    testing::Check(expected.has_value() == kept, "one keeps it, the other drops it");
    if (!kept) continue;
    std::map<std::string, std::string> actual;
    for (const Label& label : after) actual[label.name] = label.value;
    testing::Check(actual == *expected, "the label sets differ");
  }
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::Run(data, size);
  return 0;
}
