// From attribute keys to label names.

#ifndef SPANMETER_PROCESSORS_LABEL_NAME_H_
#define SPANMETER_PROCESSORS_LABEL_NAME_H_

#include <string>
#include <string_view>

#include "spanmeter/naming.h"

namespace spanmeter {

// Names of the labels that tie series to their target_info.
inline constexpr std::string_view kJobLabel = "job";
inline constexpr std::string_view kInstanceLabel = "instance";

// Stands in front of names that would collide with a label of ours.
inline constexpr std::string_view kCollisionPrefix = "__";

// Whether `name` is that of a label made of a span's own properties, in use or not.
bool IsIntrinsicLabel(std::string_view name, const MetricNames& names);

// Whether `name` means something to Prometheus or to the registry that no attribute may change.
bool IsReservedLabel(std::string_view name);

// Appends `key` with each character outside of [a-zA-Z0-9_] replaced by one underscore, as is each
// byte that is not UTF-8. The result may begin with a digit.
void AppendSanitized(std::string_view key, std::string* out);

// Puts in front of the name that `text` holds from `begin` on, and which is not empty, what the
// naming wants there.
void AddNamePrefix(const MetricNames& names, size_t begin, std::string* text);

// The label name of a dimension or mapping: `key` sanitized, with the collision prefix when it
// equals an intrinsic label, with the naming's prefix. Not cut to length. REQUIRES: `key` is not
// empty.
std::string DimensionLabelName(std::string_view key, const MetricNames& names);

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_LABEL_NAME_H_
