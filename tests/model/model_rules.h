// Lists of relabelling rules, each with what it does written out by hand for the few labels that
// the model tests use, so that the rules' own implementation is not asked what is right.

#ifndef SPANMETER_TESTS_MODEL_MODEL_RULES_H_
#define SPANMETER_TESTS_MODEL_MODEL_RULES_H_

#include <cctype>
#include <map>
#include <string>
#include <vector>

#include "spanmeter/options.h"

namespace spanmeter {

// By name; no value is empty.
using ModelLabels = std::map<std::string, std::string>;

struct ModelRules {
  std::vector<RelabelRule> rules;
  // Does to the labels what the rules do; false when they drop them. Knows ASCII only.
  bool (*apply)(ModelLabels* labels);
};

inline std::string ValueOf(const ModelLabels& labels, const std::string& name) {
  const auto found = labels.find(name);
  return found == labels.end() ? "" : found->second;
}

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// The first list is empty.
inline std::vector<ModelRules> MakeModelRules() {
  using Action = RelabelRule::Action;
  std::vector<ModelRules> all;
  const auto add = [&all](std::vector<RelabelRule> rules, bool (*apply)(ModelLabels*)) {
    all.push_back({std::move(rules), apply});
  };
  const auto rule = [](Action action, std::vector<std::string> source, const std::string& regex,
                       const std::string& target = "", const std::string& replacement = "$1") {
    RelabelRule made;
    made.action = action;
    made.source_labels = std::move(source);
    made.regex = regex;
    made.target_label = target;
    made.replacement = replacement;
    return made;
  };

  add({}, [](ModelLabels*) { return true; });

  // Label sets become equal because labels are gone.
  add({rule(Action::kLabelDrop, {}, "b|kind")}, [](ModelLabels* labels) {
    labels->erase("b");
    labels->erase("kind");
    return true;
  });

  // Label sets become equal because values do.
  add({rule(Action::kReplace, {"a"}, "v([0-9]).*", "a", "g$1")}, [](ModelLabels* labels) {
    const std::string a = ValueOf(*labels, "a");
    if (a.size() >= 2 && a[0] == 'v' && IsDigit(a[1])) (*labels)["a"] = std::string("g") + a[1];
    return true;
  });

  add({rule(Action::kDrop, {"a"}, "v[0-9]*[05]")}, [](ModelLabels* labels) {
    const std::string a = ValueOf(*labels, "a");
    return a.empty() || a[0] != 'v' || (a.back() != '0' && a.back() != '5');
  });

  // One label of two.
  RelabelRule join = rule(Action::kReplace, {"a", "kind"}, "(.*)", "both");
  join.separator = "-";
  add({join, rule(Action::kLabelDrop, {}, "a|kind")}, [](ModelLabels* labels) {
    (*labels)["both"] = ValueOf(*labels, "a") + "-" + ValueOf(*labels, "kind");
    labels->erase("a");
    labels->erase("kind");
    return true;
  });

  // Other names, and then only those.
  add({rule(Action::kLabelMap, {}, "(a|c)", "", "m_$1"), rule(Action::kLabelKeep, {}, "m_.*|kind")},
      [](ModelLabels* labels) {
        ModelLabels kept;
        for (const char* name : {"a", "c"}) {
          const std::string value = ValueOf(*labels, name);
          if (!value.empty()) kept[std::string("m_") + name] = value;
        }
        const std::string kind = ValueOf(*labels, "kind");
        if (!kind.empty()) kept["kind"] = kind;
        *labels = kept;
        return true;
      });

  // Other letters; and a value that becomes none.
  add({rule(Action::kUppercase, {"a"}, "(.*)", "a"), rule(Action::kReplace, {"b"}, "b", "b", "")},
      [](ModelLabels* labels) {
        if (labels->contains("a")) {
          for (char& c : (*labels)["a"]) c = static_cast<char>(std::toupper(c));
        }
        if (ValueOf(*labels, "b") == "b") labels->erase("b");
        return true;
      });

  // Sets a label that may be an external one, which wins.
  add({rule(Action::kKeep, {"kind"}, "ONE|7|"),
       rule(Action::kReplace, {}, "(.*)", "cluster", "own")},
      [](ModelLabels* labels) {
        const std::string kind = ValueOf(*labels, "kind");
        (*labels)["cluster"] = "own";
        return kind.empty() || kind == "ONE" || kind == "7";
      });
  return all;
}

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_MODEL_MODEL_RULES_H_
