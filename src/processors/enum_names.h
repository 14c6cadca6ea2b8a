// The names of span kinds and status codes in labels and filter policies.

#ifndef SPANMETER_PROCESSORS_ENUM_NAMES_H_
#define SPANMETER_PROCESSORS_ENUM_NAMES_H_

#include <array>
#include <string_view>

namespace spanmeter {

// By SpanKind.
inline constexpr std::array<std::string_view, 6> kSpanKindNames = {
    "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
    "SPAN_KIND_CLIENT",      "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"};
// By StatusCode.
inline constexpr std::array<std::string_view, 3> kStatusCodeNames = {
    "STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR"};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_ENUM_NAMES_H_
