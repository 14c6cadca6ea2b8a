// Fuzzes filter policies: random policies over random spans, against an evaluation by the letter of
// the documentation.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <re2/re2.h>

#include "spanmeter/filter_policy.h"

#include "fuzz/fuzz_input.h"
#include "processors/enum_names.h"

namespace spanmeter {
namespace {

using testing::FuzzInput;
using Value = std::variant<std::string, int64_t, double, bool>;
using Attributes = std::vector<std::pair<std::string, std::optional<Value>>>;

struct TestSpan {
  std::string name;
  int32_t kind = 0;
  int32_t status = 0;
  Attributes attributes;
};

constexpr std::string_view kKeys[] = {"name",         "kind",        "status",         "span:name",
                                      "span:kind",    "span:status", "span.a",         "resource.a",
                                      "span.\"a.b\"", "resource.b",  "span.\"q\\\"\"", "a",
                                      "span.",        "span:other",  "resource.\"a"};
constexpr std::string_view kAttributes[] = {"a", "b", "a.b", "q\""};
constexpr int32_t kNumbers[] = {0, 1, 2, 3, 5, 6, 99, -1};

Value ChooseValue(FuzzInput* input) {
  constexpr std::string_view kTexts[] = {"",
                                         "a",
                                         "ab",
                                         "1",
                                         "0",
                                         "-1",
                                         "SPAN_KIND_SERVER",
                                         "^a",
                                         "a$",
                                         "a|b",
                                         "(",
                                         ".*",
                                         "STATUS_CODE_ERROR",
                                         "99"};
  switch (input->Choose(6)) {
    case 0:
      return static_cast<int64_t>(input->Choose(3));
    case 1:
      return static_cast<double>(input->Choose(3));
    case 2:
      return input->Flip();
    case 3:
      return std::string(input->Text(6));
    default:
      return std::string(input->Pick(kTexts));
  }
}

std::optional<FilterMatch> ChooseMatch(FuzzInput* input) {
  if (input->Flip()) return std::nullopt;
  FilterMatch match;
  match.match_type = input->Flip() ? FilterMatch::Type::kRegex : FilterMatch::Type::kStrict;
  const size_t count = input->Choose(3);
  for (size_t i = 0; i < count; ++i) {
    std::string key(input->Pick(kKeys));
    match.attributes.push_back({std::move(key), ChooseValue(input)});
  }
  return match;
}

Attributes ChooseAttributes(FuzzInput* input) {
  Attributes attributes;
  const size_t count = input->Choose(4);
  for (size_t i = 0; i < count; ++i) {
    std::string key(input->Pick(kAttributes));
    std::optional<Value> value;
    if (input->Choose(8) != 0) value = ChooseValue(input);
    attributes.emplace_back(std::move(key), std::move(value));
  }
  return attributes;
}

// What a condition compares with; nothing: a value of a kind that never matches, or none.
std::optional<Value> Subject(const std::string& key, const TestSpan& span,
                             const Attributes& resource) {
  const auto enum_text = [](int32_t number, auto names) -> Value {
    const bool known = number >= 0 && static_cast<size_t>(number) < names.size();
    return known ? std::string(names[static_cast<size_t>(number)]) : std::to_string(number);
  };
  if (key == "name" || key == "span:name") return span.name;
  if (key == "kind" || key == "span:kind") return enum_text(span.kind, kSpanKindNames);
  if (key == "status" || key == "span:status") return enum_text(span.status, kStatusCodeNames);
  const bool of_resource = key.starts_with("resource.");
  std::string attribute = key.substr(key.find('.') + 1);
  if (attribute == "\"a.b\"") attribute = "a.b";
  if (attribute == "\"q\\\"\"") attribute = "q\"";
  for (const auto& [name, value] : of_resource ? resource : span.attributes) {
    if (name == attribute) return value;  // the first one counts
  }
  return std::nullopt;
}

bool NaiveMatches(const FilterMatch& match, const TestSpan& span, const Attributes& resource) {
  for (const FilterAttribute& condition : match.attributes) {
    const std::optional<Value> subject = Subject(condition.key, span, resource);
    if (!subject) return false;
    if (match.match_type == FilterMatch::Type::kStrict) {
      if (*subject != condition.value) return false;
      continue;
    }
    const auto* text = std::get_if<std::string>(&*subject);
    const RE2 regex(std::get<std::string>(condition.value), RE2::Quiet);
    if (text == nullptr || !RE2::PartialMatch(*text, regex)) return false;
  }
  return true;
}

bool NaiveAccepts(const std::vector<FilterPolicy>& policies, const TestSpan& span,
                  const Attributes& resource) {
  bool has_include_any = false;
  bool has_include = false;
  bool any = false;
  bool all = true;
  for (const FilterPolicy& policy : policies) {
    if (policy.exclude && NaiveMatches(*policy.exclude, span, resource)) return false;
    if (policy.include_any) {
      has_include_any = true;
      any = any || NaiveMatches(*policy.include_any, span, resource);
    }
    if (policy.include) {
      has_include = true;
      all = all && NaiveMatches(*policy.include, span, resource);
    }
  }
  if (any) return true;
  return has_include ? all : !has_include_any;
}

AttributeValues Wanted(const AttributeIndex& index, const Attributes& attributes) {
  AttributeValues values;
  values.Reset(index);
  for (const auto& [key, value] : attributes) {
    const int id = index.Find(key);
    if (id == AttributeIndex::kNotWanted) continue;
    AnyValue any;
    if (value) {
      if (const auto* text = std::get_if<std::string>(&*value)) any = AnyValue::String(*text);
      if (const auto* number = std::get_if<int64_t>(&*value)) any = AnyValue::Int(*number);
      if (const auto* number = std::get_if<double>(&*value)) any = AnyValue::Double(*number);
      if (const auto* truth = std::get_if<bool>(&*value)) any = AnyValue::Bool(*truth);
    }
    values.Add(static_cast<AttributeId>(id), any);
  }
  return values;
}

void Run(const uint8_t* data, size_t size) {
  FuzzInput input(data, size);
  std::vector<FilterPolicy> policies(1 + input.Choose(3));
  for (FilterPolicy& policy : policies) {
    policy.include = ChooseMatch(&input);
    policy.include_any = ChooseMatch(&input);
    policy.exclude = ChooseMatch(&input);
  }
  AttributeIndex index;
  std::vector<OptionProblem> problems;
  const FilterPolicies filters(policies, "p", &index, &problems);
  for (const OptionProblem& problem : problems) {
    testing::Check(problem.path.starts_with("p[") && !problem.problem.empty(), "empty message");
  }
  if (!problems.empty()) return;
  FilterPolicies::ResourceVerdicts verdicts;
  for (int r = 0; r < 3 && !input.done(); ++r) {
    const Attributes resource = ChooseAttributes(&input);
    const AttributeValues resource_values = Wanted(index, resource);
    verdicts.StartResource(filters, &resource_values);
    for (int s = 0; s < 3; ++s) {
      TestSpan span;
      const Value name = ChooseValue(&input);
      if (const auto* text = std::get_if<std::string>(&name)) span.name = *text;
      span.kind = input.Pick(kNumbers);
      span.status = input.Pick(kNumbers);
      span.attributes = ChooseAttributes(&input);
      const AttributeValues span_values = Wanted(index, span.attributes);
      SpanView view;
      view.name = span.name;
      view.kind = span.kind;
      view.status_code = span.status;
      view.wanted = &span_values;
      const bool expected = NaiveAccepts(policies, span, resource);
      testing::Check(filters.Accepts(view, &verdicts) == expected,
                     expected ? "a span was kept out" : "a span was let in");
    }
  }
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::Run(data, size);
  return 0;
}
