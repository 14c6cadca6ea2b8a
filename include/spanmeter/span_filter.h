// Cuts spans out of encoded requests.

#ifndef SPANMETER_SPAN_FILTER_H_
#define SPANMETER_SPAN_FILTER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/attribute_index.h"
#include "spanmeter/filter_options.h"
#include "spanmeter/filter_policy.h"

namespace spanmeter {

// Immutable and thread-safe.
class SpanFilter {
 public:
  // REQUIRES: FilterPolicies has no problem with `policies`.
  explicit SpanFilter(const std::vector<FilterPolicy>& policies);

  struct Result {
    // Spans that the policies let in.
    uint64_t kept = 0;
    // All others, with those that have invalid ids: these match nothing.
    uint64_t cut = 0;
  };

  // Decides about each span of an ExportTraceServiceRequest. With `out`, which may be null, *out
  // becomes the request without the spans that are cut, and without the resources and scopes that
  // lose all of theirs by it; everything else stays byte for byte, but for the lengths of what
  // lost something. Untouched when all are kept or none is. REQUIRES: the message is valid.
  Result Apply(std::string_view message, std::string* out) const;

 private:
  // In this order: the policies name their attributes.
  AttributeIndex index_;
  const FilterPolicies policies_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SPAN_FILTER_H_
