#include "otlp/http_reply.h"

#include <array>
#include <ctime>

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "spanmeter/clock.h"

#include "google/rpc/status.pb.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace spanmeter {

namespace {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

void PutString(const std::string& text, JsonWriter* writer) {
  writer->String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

// RFC 9110, and the code of gRPC that stands for the same (google.rpc.Code).
struct StatusText {
  int status;
  const char* reason;
  int grpc_code;
};
constexpr std::array<StatusText, 12> kStatusTexts = {{
    {200, "OK", 0},
    {400, "Bad Request", 3},
    {401, "Unauthorized", 16},
    {404, "Not Found", 12},
    {405, "Method Not Allowed", 12},
    {413, "Content Too Large", 8},
    {415, "Unsupported Media Type", 3},
    {417, "Expectation Failed", 3},
    {429, "Too Many Requests", 8},
    {431, "Request Header Fields Too Large", 3},
    {501, "Not Implemented", 12},
    {503, "Service Unavailable", 14},
}};

const StatusText& TextOf(int status) {
  for (const StatusText& text : kStatusTexts) {
    if (text.status == status) return text;
  }
  static constexpr StatusText kNoContent = {204, "No Content", 0};
  return kNoContent;
}

// As Date has it: "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale.
void AppendDate(int64_t wall_nanos, std::string* out) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto seconds = static_cast<time_t>(wall_nanos / kNanosPerSecond);
  tm time = {};
  gmtime_r(&seconds, &time);
  const auto two_digits = [out](int value) {
    out->push_back(static_cast<char>('0' + value / 10 % 10));
    out->push_back(static_cast<char>('0' + value % 10));
  };
  out->append(kDays[time.tm_wday]).append(", ");
  two_digits(time.tm_mday);
  out->append(" ").append(kMonths[time.tm_mon]).append(" ");
  out->append(std::to_string(time.tm_year + 1900)).append(" ");
  two_digits(time.tm_hour);
  out->append(":");
  two_digits(time.tm_min);
  out->append(":");
  two_digits(time.tm_sec);
  out->append(" GMT");
}

}  // namespace

std::string_view MediaType(OtlpEncoding encoding) {
  return encoding == OtlpEncoding::kJson ? "application/json" : "application/x-protobuf";
}

HttpReply SuccessReply(OtlpEncoding encoding, uint64_t rejected_spans, const std::string& message) {
  HttpReply reply;
  reply.encoding = encoding;
  if (encoding == OtlpEncoding::kProtobuf) {
    if (rejected_spans == 0) return reply;  // the empty message
    opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse response;
    response.mutable_partial_success()->set_rejected_spans(static_cast<int64_t>(rejected_spans));
    response.mutable_partial_success()->set_error_message(message);
    reply.body = response.SerializeAsString();
    return reply;
  }
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  if (rejected_spans != 0) {
    writer.Key("partialSuccess");
    writer.StartObject();
    writer.Key("rejectedSpans");
    PutString(std::to_string(rejected_spans), &writer);
    writer.Key("errorMessage");
    PutString(message, &writer);
    writer.EndObject();
  }
  writer.EndObject();
  reply.body.assign(buffer.GetString(), buffer.GetSize());
  return reply;
}

HttpReply ErrorReply(int status, OtlpEncoding encoding, const std::string& message) {
  HttpReply reply;
  reply.status = status;
  reply.encoding = encoding;
  const int code = TextOf(status).grpc_code;
  if (encoding == OtlpEncoding::kProtobuf) {
    google::rpc::Status text;
    text.set_code(code);
    text.set_message(message);
    reply.body = text.SerializeAsString();
    return reply;
  }
  rapidjson::StringBuffer buffer;
  JsonWriter writer(buffer);
  writer.StartObject();
  writer.Key("code");
  writer.Int(code);
  writer.Key("message");
  PutString(message, &writer);
  writer.EndObject();
  reply.body.assign(buffer.GetString(), buffer.GetSize());
  return reply;
}

std::string Serialize(const HttpReply& reply, int64_t wall_nanos, bool keep_alive, bool with_body) {
  const StatusText& text = TextOf(reply.status);
  std::string out;
  out.reserve(256 + reply.fields.size() + reply.body.size());
  out.append("HTTP/1.1 ").append(std::to_string(text.status)).append(" ").append(text.reason);
  out.append("\r\nDate: ");
  AppendDate(wall_nanos, &out);
  out.append("\r\nConnection: ").append(keep_alive ? "keep-alive" : "close").append("\r\n");
  out.append(reply.fields);
  if (text.status != 204) {
    out.append("Content-Type: ").append(MediaType(reply.encoding));
    out.append("\r\nContent-Length: ").append(std::to_string(reply.body.size())).append("\r\n");
  }
  out.append("\r\n");
  if (with_body) out.append(reply.body);
  return out;
}

}  // namespace spanmeter
