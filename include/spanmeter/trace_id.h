// Sizes of the identifiers of traces and spans, in bytes
// (https://www.w3.org/TR/trace-context/#traceparent-header-field-values).

#ifndef SPANMETER_TRACE_ID_H_
#define SPANMETER_TRACE_ID_H_

#include <cstddef>

namespace spanmeter {

inline constexpr std::size_t kTraceIdSize = 16;
inline constexpr std::size_t kSpanIdSize = 8;

}  // namespace spanmeter

#endif  // SPANMETER_TRACE_ID_H_
