// Filter policies: which spans a processor looks at.

#ifndef SPANMETER_FILTER_POLICY_H_
#define SPANMETER_FILTER_POLICY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <re2/re2.h>

#include "spanmeter/attribute_index.h"
#include "spanmeter/options.h"
#include "spanmeter/span_metrics.h"
#include "spanmeter/span_view.h"

namespace spanmeter {

// What a condition looks at.
enum class FilterSubject : uint8_t { kName, kKind, kStatus, kSpanAttribute, kResourceAttribute };

// A condition's key, taken apart: `name`, `kind`, `status`, these after `span:`, or an attribute
// after `span.` or `resource.`, quoted in part or whole where the configuration likes to:
// `span."http.method"`.
struct FilterKey {
  FilterSubject subject = FilterSubject::kName;
  std::string attribute;
};

// Returns what is wrong with `text` and what would be right; empty when nothing is.
std::string ParseFilterKey(std::string_view text, FilterKey* key);

// A list of policies, compiled. Immutable and thread-safe.
class FilterPolicies {
 public:
  // Verdicts about a resource that were found already, by resource condition. Belongs to one
  // session.
  class ResourceVerdicts {
   public:
    void StartResource(const FilterPolicies& policies, const AttributeValues* resource) {
      resource_ = resource;
      verdicts_.assign(policies.resource_conditions_, kUnknown);
    }

   private:
    friend class FilterPolicies;
    enum Verdict : uint8_t { kUnknown, kNo, kYes };

    const AttributeValues* resource_ = nullptr;
    std::vector<uint8_t> verdicts_;
  };

  // Compiles `policies`; the attributes that they look at are added to `index`. What is wrong is
  // appended to `problems`, with paths that begin with `path`; the result then filters nothing in
  // any useful way.
  FilterPolicies(const std::vector<FilterPolicy>& policies, const std::string& path,
                 AttributeIndex* index, std::vector<OptionProblem>* problems);

  bool empty() const { return exclude_.empty() && include_any_.empty() && include_.empty(); }

  // Whether the policies let `span` in. `resource` must be at the span's resource.
  bool Accepts(const SpanView& span, ResourceVerdicts* resource) const;

 private:
  struct Condition {
    FilterSubject subject = FilterSubject::kName;
    AttributeId attribute = 0;
    // Resource attributes: where the verdict is kept.
    size_t verdict = 0;
    // Set: regular expression. Otherwise `value` must be equal, type included.
    std::unique_ptr<RE2> regex;
    std::variant<std::string, int64_t, double, bool> value;
    // Kind and status: bit i tells whether the enum's number i matches.
    uint32_t matching_numbers = 0;

    bool MatchesText(std::string_view text) const;
    bool MatchesNumber(int32_t number, size_t known_numbers) const;
    bool MatchesAttribute(const AttributeValues& values) const;
  };
  using Match = std::vector<Condition>;

  class Compiler;

  bool Matches(const Match& match, const SpanView& span, ResourceVerdicts* resource) const;
  bool Matches(const Condition& condition, const SpanView& span, ResourceVerdicts* resource) const;

  std::vector<Match> exclude_;
  std::vector<Match> include_any_;
  std::vector<Match> include_;
  size_t resource_conditions_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_FILTER_POLICY_H_
