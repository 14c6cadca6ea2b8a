// Answers of the OTLP/HTTP port.

#ifndef SPANMETER_SRC_OTLP_HTTP_REPLY_H_
#define SPANMETER_SRC_OTLP_HTTP_REPLY_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace spanmeter {

enum class OtlpEncoding : uint8_t { kProtobuf, kJson };

// The value of Content-Type.
std::string_view MediaType(OtlpEncoding encoding);

struct HttpReply {
  int status = 200;
  // Header fields besides those that every answer has, each with its end of line.
  std::string fields;
  OtlpEncoding encoding = OtlpEncoding::kJson;
  std::string body;
};

// An ExportTraceServiceResponse. `message` says what was wrong with the rejected spans.
HttpReply SuccessReply(OtlpEncoding encoding, uint64_t rejected_spans, const std::string& message);

// A google.rpc.Status for an error's status, which is one of kHttpErrors.
HttpReply ErrorReply(int status, OtlpEncoding encoding, const std::string& message);

// What goes over the wire. `with_body` is false for the answer to HEAD.
std::string Serialize(const HttpReply& reply, int64_t wall_nanos, bool keep_alive, bool with_body);

// The error codes that the port answers with.
inline constexpr int kHttpErrors[] = {400, 401, 404, 405, 413, 415, 417, 429, 431, 501, 503};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_HTTP_REPLY_H_
