// Fuzzes the decoder of OTLP/JSON: where that format and protobuf's own mapping to JSON agree, it
// understands what libprotobuf's parser does.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <google/protobuf/stubs/strutil.h>
#include <google/protobuf/util/json_util.h>

#include "fuzz/fuzz_input.h"
#include "fuzz/plain_utf8.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "otlp/json_decoder.h"

namespace spanmeter::testing {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;

// libprotobuf's parser takes the hexadecimal digits of ids for base64, of which each four are three
// bytes. Encoded again they are what was written, and here become what was meant. False for ids
// that this does not work for.
bool FromHex(std::string* id) {
  std::string digits;
  google::protobuf::Base64Escape(*id, &digits);
  if (id->size() % 3 != 0) return false;
  id->clear();
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    const std::string two = digits.substr(i, 2);
    if (two.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos) return false;
    id->push_back(static_cast<char>(std::stoi(two, nullptr, 16)));
  }
  return true;
}

// Does it for all ids of a request.
bool FromHex(ExportTraceServiceRequest* request) {
  bool ok = true;
  for (auto& resource : *request->mutable_resource_spans()) {
    for (auto& scope : *resource.mutable_scope_spans()) {
      for (auto& span : *scope.mutable_spans()) {
        ok = FromHex(span.mutable_trace_id()) && FromHex(span.mutable_span_id()) &&
             FromHex(span.mutable_parent_span_id()) && ok;
        for (auto& link : *span.mutable_links()) {
          ok = FromHex(link.mutable_trace_id()) && FromHex(link.mutable_span_id()) && ok;
        }
      }
    }
  }
  return ok;
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// Whether an escape for the second half of a character came without the first.
bool HasHalfCharacter(std::string_view message) {
  for (size_t i = 0; i + 1 < message.size(); ++i) {
    if (message[i] == '\xed' && (message[i + 1] & 0xe0) == 0xa0) return true;
  }
  return false;
}

// Whether there is an object with a member of no name, which libprotobuf 3.21 takes for an element
// of the list around it.
bool HasEmptyName(std::string_view json) {
  for (size_t at = json.find("\"\""); at != std::string_view::npos;
       at = json.find("\"\"", at + 1)) {
    const size_t next = json.find_first_not_of(" \t\r\n", at + 2);
    if (next != std::string_view::npos && json[next] == ':') return true;
  }
  return false;
}

// What libprotobuf lets pass and we do not: it knows neither ids nor, within an object, what was
// there before; it takes more for JSON than JSON is, and more for numbers and truth.
bool IsOursToRefuse(std::string_view error) {
  for (const std::string_view reason :
       {"malformed JSON", "hexadecimal", "only once", "beside another value", "too many empty",
        "nests deeper", "must be base64", "must be no boolean", "must be a string",
        "must be a number", "must be an integer", "must be true or false", "must hold objects"}) {
    if (Contains(error, reason)) return true;
  }
  return false;
}

void CheckJson(std::string_view json) {
  JsonDecoder decoder;
  std::string error;
  const bool accepted = decoder.Decode(json, &error);
  ExportTraceServiceRequest found;
  if (accepted) {
    Check(decoder.message().size() <= JsonDecoder::Room(json.size()), "memory is bounded");
    // Texts may be any bytes, which libprotobuf does not take.
    if (!IsPlainUtf8(json) || HasHalfCharacter(decoder.message())) return;
    Check(found.ParseFromString(std::string(decoder.message())), "what is made can be parsed");
    Check(found.ByteSizeLong() == decoder.message().size(), "it is as short as can be");
  } else {
    Check(!error.empty(), "there is a reason");
  }

  if (HasEmptyName(json)) return;
  ExportTraceServiceRequest expected;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = true;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(json.data(), json.size()), &expected, options);
  if (accepted != status.ok()) {
    Check(accepted || IsOursToRefuse(error), "what is refused has a reason: " + error);
    return;
  }
  if (!accepted || !FromHex(&expected)) return;
  Check(expected.SerializeAsString() == found.SerializeAsString(), "both understand the same");
}

}  // namespace
}  // namespace spanmeter::testing

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::testing::CheckJson({reinterpret_cast<const char*>(data), size});
  return 0;
}
