// Relabelling written down as plainly as possible, as a model for the product's engine.

#ifndef SPANMETER_TESTS_REGISTRY_NAIVE_RELABEL_H_
#define SPANMETER_TESTS_REGISTRY_NAIVE_RELABEL_H_

#include <algorithm>
#include <cctype>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <re2/re2.h>

#include "spanmeter/relabel.h"

namespace spanmeter::testing {

// ASCII in lower and upper case, no hashmod. `rules` must have been found valid.
class NaiveRelabel {
 public:
  explicit NaiveRelabel(const LabelSet& labels) {
    for (const Label& label : labels) untouched_[label.name] = label.value;
  }

  // Nothing when the label set is dropped.
  static std::optional<std::map<std::string, std::string>> Apply(
      const std::vector<RelabelRule>& rules, const LabelSet& labels) {
    NaiveRelabel relabel(labels);
    for (const RelabelRule& rule : rules) {
      if (!relabel.ApplyOne(rule)) return std::nullopt;
    }
    std::map<std::string, std::string> result = relabel.untouched_;
    for (const auto& [name, value] : relabel.set_) result[name] = value;
    return result;
  }

 private:
  using Action = RelabelRule::Action;
  // The groups of a match by number and by name.
  struct Groups {
    std::vector<std::string> by_number;
    std::map<std::string, std::string> by_name;
  };

  static std::optional<Groups> Match(const std::string& regex, const std::string& subject) {
    const RE2 compiled("(?s:" + regex + ")", RE2::Quiet);
    const int count = compiled.NumberOfCapturingGroups() + 1;
    std::vector<re2::StringPiece> found(static_cast<size_t>(count));
    if (!compiled.Match(subject, 0, subject.size(), RE2::ANCHOR_BOTH, found.data(), count)) {
      return std::nullopt;
    }
    Groups groups;
    for (const re2::StringPiece& group : found) groups.by_number.push_back(group.as_string());
    for (const auto& [name, number] : compiled.NamedCapturingGroups()) {
      groups.by_name[name] = groups.by_number[static_cast<size_t>(number)];
    }
    return groups;
  }

  // ASCII names only.
  static std::string Expand(const std::string& text, const Groups& groups) {
    std::string result;
    for (size_t i = 0; i < text.size(); ++i) {
      if (text[i] != '$') {
        result += text[i];
        continue;
      }
      if (i + 1 < text.size() && text[i + 1] == '$') {
        result += '$';
        ++i;
        continue;
      }
      const bool braced = i + 1 < text.size() && text[i + 1] == '{';
      size_t end = i + (braced ? 2 : 1);
      std::string name;
      while (end < text.size() && (std::isalnum(text[end]) != 0 || text[end] == '_')) {
        name += text[end++];
      }
      if (name.empty() || (braced && (end == text.size() || text[end] != '}'))) {
        result += '$';
        continue;
      }
      result += Group(name, groups);
      i = braced ? end : end - 1;
    }
    return result;
  }

  static std::string Group(const std::string& name, const Groups& groups) {
    const bool is_number =
        std::all_of(name.begin(), name.end(), [](char c) { return std::isdigit(c) != 0; }) &&
        (name.size() == 1 || name[0] != '0');
    if (is_number) {
      const size_t number = name.size() > 8 ? 1'000'000'000 : std::stoul(name);
      return number < groups.by_number.size() ? groups.by_number[number] : "";
    }
    const auto found = groups.by_name.find(name);
    return found == groups.by_name.end() ? "" : found->second;
  }

  // Labels as they came, by name, then those that were set, in that order.
  std::vector<std::pair<std::string, std::string>> All() const {
    std::vector<std::pair<std::string, std::string>> all(untouched_.begin(), untouched_.end());
    all.insert(all.end(), set_.begin(), set_.end());
    return all;
  }

  std::string Get(const std::string& name) const {
    for (const auto& [each, value] : All()) {
      if (each == name) return value;
    }
    return "";
  }

  void Remove(const std::string& name) {
    untouched_.erase(name);
    std::erase_if(set_, [&](const auto& label) { return label.first == name; });
  }

  void Set(const std::string& name, const std::string& value) {
    if (value.empty()) return Remove(name);
    untouched_.erase(name);
    for (auto& [each, old] : set_) {
      if (each == name) {
        old = value;
        return;
      }
    }
    set_.emplace_back(name, value);
  }

  bool ApplyOne(const RelabelRule& rule) {
    std::string subject;
    for (size_t i = 0; i < rule.source_labels.size(); ++i) {
      subject += (i == 0 ? "" : rule.separator) + Get(rule.source_labels[i]);
    }
    const std::optional<Groups> match = Match(rule.regex, subject);
    const auto all = All();
    switch (rule.action) {
      case Action::kKeep:
        return match.has_value();
      case Action::kDrop:
        return !match.has_value();
      case Action::kReplace: {
        if (!match) return true;
        const std::string target = Expand(rule.target_label, *match);
        if (RE2::FullMatch(target, "[a-zA-Z_][a-zA-Z0-9_]*")) {
          Set(target, Expand(rule.replacement, *match));
        }
        return true;
      }
      case Action::kLowercase:
      case Action::kUppercase:
        for (char& c : subject) {
          if (rule.action == Action::kLowercase && c >= 'A' && c <= 'Z') c += 'a' - 'A';
          if (rule.action == Action::kUppercase && c >= 'a' && c <= 'z') c -= 'a' - 'A';
        }
        Set(rule.target_label, subject);
        return true;
      case Action::kLabelMap:
        for (const auto& [name, value] : all) {
          const std::optional<Groups> groups = Match(rule.regex, name);
          if (!groups) continue;
          const std::string mapped = Expand(rule.replacement, *groups);
          if (RE2::FullMatch(mapped, "[a-zA-Z_][a-zA-Z0-9_]*")) Set(mapped, value);
        }
        return true;
      case Action::kLabelDrop:
      case Action::kLabelKeep:
        for (const auto& [name, value] : all) {
          const bool matches = Match(rule.regex, name).has_value();
          if (matches == (rule.action == Action::kLabelDrop)) Remove(name);
        }
        return true;
      case Action::kHashMod:
        break;
    }
    return true;
  }

  std::map<std::string, std::string> untouched_;
  std::vector<std::pair<std::string, std::string>> set_;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_REGISTRY_NAIVE_RELABEL_H_
