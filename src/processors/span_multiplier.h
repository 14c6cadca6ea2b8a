// How many spans a sampled span stands for.

#ifndef SPANMETER_PROCESSORS_SPAN_MULTIPLIER_H_
#define SPANMETER_PROCESSORS_SPAN_MULTIPLIER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "spanmeter/attribute_index.h"
#include "spanmeter/span_view.h"

namespace spanmeter {

// Returns the multiplier that the `ot` entry of a W3C trace state tells: 2^56 / (2^56 - T) for the
// rejection threshold T of its `th` field, rounded at random as its `rv` field says, if there is
// one. Nothing when there is no entry, no threshold, or an error anywhere in the entry. Formats:
// https://www.w3.org/TR/trace-context/#tracestate-header and
// https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
std::optional<double> TraceStateMultiplier(std::string_view trace_state);

// Finds the multipliers of a processor's spans: the trace state first, when `use_trace_state`, then
// the attribute `key`, of the span and then of the resource, whose value v > 0 means 1/v. Immutable
// and thread-safe.
class SpanMultiplier {
 public:
  // An empty `key` names no attribute. Multipliers over `max` are not believed.
  SpanMultiplier(const std::string& key, bool use_trace_state, double max, AttributeIndex* index);

  // Whether there is anything to find.
  bool enabled() const { return use_trace_state_ || attribute_.has_value(); }

  // What was found: nothing usable, or the multiplier; and how many were passed over because they
  // were too large.
  struct Found {
    std::optional<double> multiplier;
    uint64_t rejected = 0;
  };

  // The attribute among `values`, which are a resource's or a span's.
  Found FromAttribute(const AttributeValues& values) const;

  // The multiplier of `span`, or nothing if there is none. `resource` is FromAttribute() of its
  // resource. What was too large is added to `rejected`.
  std::optional<double> Find(const SpanView& span, const Found& resource, uint64_t* rejected) const;

  // The same, 1 if there is none.
  double Get(const SpanView& span, const Found& resource, uint64_t* rejected) const {
    return Find(span, resource, rejected).value_or(1);
  }

 private:
  const bool use_trace_state_;
  const double max_;
  std::optional<AttributeId> attribute_;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_SPAN_MULTIPLIER_H_
