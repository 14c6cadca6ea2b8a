// What receivers of OTLP say in their answers: the OpenTelemetry protocol specification,
// https://opentelemetry.io/docs/specs/otlp/.

#ifndef SPANMETER_FORWARD_OTLP_ANSWER_H_
#define SPANMETER_FORWARD_OTLP_ANSWER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace spanmeter {

// The partial_success of an ExportTraceServiceResponse.
struct PartialSuccess {
  uint64_t rejected_spans = 0;
  std::string message;
};
// Nothing rejected when there is none, or `response` is no such message.
PartialSuccess ReadPartialSuccess(std::string_view response);

// The retry_delay of the google.rpc.RetryInfo among the details of a google.rpc.Status, in
// nanoseconds, at most ten minutes; nothing when there is none.
std::optional<int64_t> ReadRetryDelay(std::string_view status);

// The message of a google.rpc.Status; empty when there is none.
std::string ReadStatusMessage(std::string_view status);

}  // namespace spanmeter

#endif  // SPANMETER_FORWARD_OTLP_ANSWER_H_
