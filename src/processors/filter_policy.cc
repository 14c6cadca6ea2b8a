#include "spanmeter/filter_policy.h"

#include <algorithm>
#include <span>
#include <utility>

#include "spanmeter/quote.h"

#include "processors/enum_names.h"

namespace spanmeter {

namespace {

constexpr std::string_view kSpanScope = "span.";
constexpr std::string_view kResourceScope = "resource.";
constexpr std::string_view kIntrinsicScope = "span:";

constexpr std::string_view kKeyHint =
    "write span.ATTRIBUTE, resource.ATTRIBUTE, or one of name, kind, status";

// Takes the quotes out of an attribute's name; between them \" is a quote and \\ a backslash. False
// when a quote is not closed.
bool Unquote(std::string_view text, std::string* attribute) {
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      quoted = !quoted;
    } else if (quoted && text[i] == '\\' && i + 1 < text.size() &&
               (text[i + 1] == '"' || text[i + 1] == '\\')) {
      attribute->push_back(text[++i]);
    } else {
      attribute->push_back(text[i]);
    }
  }
  return !quoted;
}

bool ParseIntrinsic(std::string_view text, FilterSubject* subject) {
  if (text == "name") {
    *subject = FilterSubject::kName;
  } else if (text == "kind") {
    *subject = FilterSubject::kKind;
  } else if (text == "status") {
    *subject = FilterSubject::kStatus;
  } else {
    return false;
  }
  return true;
}

std::string List(std::span<const std::string_view> names) {
  std::string list;
  for (size_t i = 0; i < names.size(); ++i) {
    if (i != 0) list += i + 1 == names.size() ? " or " : ", ";
    list += names[i];
  }
  return list;
}

// The names of the enum that `subject` is; empty for what is no enum.
std::span<const std::string_view> EnumNames(FilterSubject subject) {
  if (subject == FilterSubject::kKind) return kSpanKindNames;
  if (subject == FilterSubject::kStatus) return kStatusCodeNames;
  return {};
}

}  // namespace

std::string ParseFilterKey(std::string_view text, FilterKey* key) {
  if (ParseIntrinsic(text, &key->subject)) return "";
  std::string_view attribute = text;
  if (attribute.starts_with(kIntrinsicScope)) {
    attribute.remove_prefix(kIntrinsicScope.size());
    if (ParseIntrinsic(attribute, &key->subject)) return "";
    return Quoted(text) + " is none of span:name, span:kind and span:status";
  }
  if (attribute.starts_with(kSpanScope)) {
    key->subject = FilterSubject::kSpanAttribute;
    attribute.remove_prefix(kSpanScope.size());
  } else if (attribute.starts_with(kResourceScope)) {
    key->subject = FilterSubject::kResourceAttribute;
    attribute.remove_prefix(kResourceScope.size());
  } else {
    return Quoted(text) + " does not say where to look; " + std::string(kKeyHint);
  }
  key->attribute.clear();
  if (!Unquote(attribute, &key->attribute)) {
    return Quoted(text) + " has a quote that is not closed";
  }
  if (key->attribute.empty()) {
    return Quoted(text) + " names no attribute; " + std::string(kKeyHint);
  }
  return "";
}

class FilterPolicies::Compiler {
 public:
  Compiler(FilterPolicies* result, AttributeIndex* index, std::vector<OptionProblem>* problems)
      : result_(result), index_(index), problems_(problems) {}

  void CompileMatch(const FilterMatch& match, const std::string& path, std::vector<Match>* list) {
    Match compiled;
    for (size_t i = 0; i < match.attributes.size(); ++i) {
      compiled.push_back(CompileCondition(match.match_type, match.attributes[i],
                                          path + ".attributes[" + std::to_string(i) + "]"));
    }
    list->push_back(std::move(compiled));
  }

 private:
  Condition CompileCondition(FilterMatch::Type type, const FilterAttribute& attribute,
                             const std::string& path) {
    Condition condition;
    FilterKey key;
    const std::string problem = ParseFilterKey(attribute.key, &key);
    if (!problem.empty()) Report(path + ".key", problem);
    condition.subject = key.subject;
    if (!key.attribute.empty()) condition.attribute = index_->Add(key.attribute);
    if (key.subject == FilterSubject::kResourceAttribute) {
      condition.verdict = result_->resource_conditions_++;
    }
    condition.value = attribute.value;
    const bool key_is_known = problem.empty();
    if (type == FilterMatch::Type::kRegex) {
      CompileRegex(attribute, path, &condition);
    } else if (key_is_known && key.attribute.empty()) {
      CheckIntrinsicValue(attribute, path, condition.subject);
    }
    const auto names = EnumNames(condition.subject);
    for (size_t i = 0; i < names.size(); ++i) {
      if (condition.MatchesText(names[i])) condition.matching_numbers |= uint32_t{1} << i;
    }
    return condition;
  }

  void CompileRegex(const FilterAttribute& attribute, const std::string& path,
                    Condition* condition) {
    const auto* pattern = std::get_if<std::string>(&attribute.value);
    if (pattern == nullptr) {
      return Report(path + ".value",
                    "a regular expression must be a string; quote it, or use match_type = "
                    "\"strict\" to compare numbers and booleans");
    }
    auto regex = std::make_unique<RE2>(*pattern, RE2::Quiet);
    if (!regex->ok()) {
      return Report(path + ".value", "cannot compile the regular expression " + Quoted(*pattern) +
                                         ": " + regex->error() + "; the syntax is that of RE2");
    }
    condition->regex = std::move(regex);
  }

  // Values of intrinsics that no span can have.
  void CheckIntrinsicValue(const FilterAttribute& attribute, const std::string& path,
                           FilterSubject subject) {
    const auto* text = std::get_if<std::string>(&attribute.value);
    const auto names = EnumNames(subject);
    if (text == nullptr) {
      Report(path + ".value",
             Quoted(attribute.key) + " is compared with a string" +
                 (names.empty() ? "; quote the value" : ": one of " + List(names)));
    } else if (!names.empty() && std::find(names.begin(), names.end(), *text) == names.end()) {
      Report(path + ".value",
             Quoted(*text) + " is no " + attribute.key + "; it must be one of " + List(names));
    }
  }

  void Report(std::string path, std::string problem) {
    problems_->push_back({std::move(path), std::move(problem)});
  }

  FilterPolicies* const result_;
  AttributeIndex* const index_;
  std::vector<OptionProblem>* const problems_;
};

FilterPolicies::FilterPolicies(const std::vector<FilterPolicy>& policies, const std::string& path,
                               AttributeIndex* index, std::vector<OptionProblem>* problems) {
  Compiler compiler(this, index, problems);
  for (size_t i = 0; i < policies.size(); ++i) {
    const FilterPolicy& policy = policies[i];
    const std::string policy_path = path + "[" + std::to_string(i) + "]";
    if (policy.exclude) compiler.CompileMatch(*policy.exclude, policy_path + ".exclude", &exclude_);
    if (policy.include_any) {
      compiler.CompileMatch(*policy.include_any, policy_path + ".include_any", &include_any_);
    }
    if (policy.include) compiler.CompileMatch(*policy.include, policy_path + ".include", &include_);
    if (!policy.exclude && !policy.include_any && !policy.include) {
      problems->push_back(
          {policy_path, "a filter policy must have at least one of include, include_any, exclude"});
    }
  }
}

bool FilterPolicies::Accepts(const SpanView& span, ResourceVerdicts* resource) const {
  const auto matches = [&](const Match& match) { return Matches(match, span, resource); };
  if (std::any_of(exclude_.begin(), exclude_.end(), matches)) return false;
  if (std::any_of(include_any_.begin(), include_any_.end(), matches)) return true;
  if (include_.empty()) return include_any_.empty();
  return std::all_of(include_.begin(), include_.end(), matches);
}

bool FilterPolicies::Matches(const Match& match, const SpanView& span,
                             ResourceVerdicts* resource) const {
  for (const Condition& condition : match) {
    if (!Matches(condition, span, resource)) return false;
  }
  return true;
}

bool FilterPolicies::Matches(const Condition& condition, const SpanView& span,
                             ResourceVerdicts* resource) const {
  switch (condition.subject) {
    case FilterSubject::kName:
      return condition.MatchesText(span.name);
    case FilterSubject::kKind:
      return condition.MatchesNumber(span.kind, kSpanKindNames.size());
    case FilterSubject::kStatus:
      return condition.MatchesNumber(span.status_code, kStatusCodeNames.size());
    case FilterSubject::kSpanAttribute:
      return condition.MatchesAttribute(*span.wanted);
    case FilterSubject::kResourceAttribute: {
      uint8_t& verdict = resource->verdicts_[condition.verdict];
      if (verdict == ResourceVerdicts::kUnknown) {
        verdict = condition.MatchesAttribute(*resource->resource_) ? ResourceVerdicts::kYes
                                                                   : ResourceVerdicts::kNo;
      }
      return verdict == ResourceVerdicts::kYes;
    }
  }
  return false;
}

bool FilterPolicies::Condition::MatchesText(std::string_view text) const {
  if (regex != nullptr) {
    return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *regex);
  }
  const auto* expected = std::get_if<std::string>(&value);
  return expected != nullptr && text == *expected;
}

bool FilterPolicies::Condition::MatchesNumber(int32_t number, size_t known_numbers) const {
  if (number >= 0 && static_cast<size_t>(number) < known_numbers) {
    return (matching_numbers >> number & 1) != 0;
  }
  return MatchesText(std::to_string(number));
}

bool FilterPolicies::Condition::MatchesAttribute(const AttributeValues& values) const {
  const AnyValue* found = values.First(attribute);
  if (found == nullptr) return false;
  switch (found->type()) {
    case AnyValue::Type::kString:
      return MatchesText(found->bytes());
    case AnyValue::Type::kInt: {
      const auto* expected = std::get_if<int64_t>(&value);
      return expected != nullptr && found->int_value() == *expected;
    }
    case AnyValue::Type::kDouble: {
      const auto* expected = std::get_if<double>(&value);
      return expected != nullptr && found->double_value() == *expected;
    }
    case AnyValue::Type::kBool: {
      const auto* expected = std::get_if<bool>(&value);
      return expected != nullptr && found->bool_value() == *expected;
    }
    default:
      return false;
  }
}

}  // namespace spanmeter
