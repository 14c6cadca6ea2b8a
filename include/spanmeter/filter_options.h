// Filter policies as they are configured: which spans somebody looks at.

#ifndef SPANMETER_FILTER_OPTIONS_H_
#define SPANMETER_FILTER_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace spanmeter {

// One condition of a filter policy. `key` names an intrinsic or a scoped attribute, as configured.
struct FilterAttribute {
  std::string key;
  std::variant<std::string, int64_t, double, bool> value;

  bool operator==(const FilterAttribute&) const = default;
};

struct FilterMatch {
  enum class Type : uint8_t { kStrict, kRegex };
  Type match_type = Type::kStrict;
  std::vector<FilterAttribute> attributes;

  bool operator==(const FilterMatch&) const = default;
};

struct FilterPolicy {
  std::optional<FilterMatch> include;
  std::optional<FilterMatch> include_any;
  std::optional<FilterMatch> exclude;

  bool operator==(const FilterPolicy&) const = default;
};

}  // namespace spanmeter

#endif  // SPANMETER_FILTER_OPTIONS_H_
