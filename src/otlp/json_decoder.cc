#include "otlp/json_decoder.h"

#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include "otlp/json_builder.h"

namespace spanmeter {

namespace {

// Iterative, so that nesting takes no stack. Numbers come as they are written: the field decides
// what they are.
constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;

}  // namespace

class JsonDecoder::Parser {
 public:
  bool Parse(std::string_view json, std::string* error) {
    builder_.Start(json.size());
    // A new one each time, because it keeps what its largest string took.
    rapidjson::Reader reader;
    rapidjson::MemoryStream stream(json.data(), json.size());
    reader.Parse<kFlags>(stream, builder_);
    if (!reader.HasParseError() && stream.Tell() == json.size()) {
      if (builder_.Finish()) return true;
      *error = builder_.error();
      return false;
    }
    const bool is_json = reader.GetParseErrorCode() == rapidjson::kParseErrorTermination;
    *error = is_json
                 ? builder_.error()
                 : std::string("malformed JSON: ") +
                       rapidjson::GetParseError_En(
                           reader.HasParseError() ? reader.GetParseErrorCode()
                                                  : rapidjson::kParseErrorDocumentRootNotSingular);
    // A null character ends the document for RapidJSON.
    const size_t offset = reader.HasParseError() ? reader.GetErrorOffset() : stream.Tell();
    error->append(" at byte ").append(std::to_string(offset));
    return false;
  }

  JsonBuilder* builder() { return &builder_; }

 private:
  JsonBuilder builder_;
};

JsonDecoder::JsonDecoder() : parser_(std::make_unique<Parser>()) {}

JsonDecoder::~JsonDecoder() = default;

uint64_t JsonDecoder::Room(uint64_t size) {
  // The parser keeps a string while it is read.
  return size + JsonBuilder::Room(size);
}

bool JsonDecoder::Decode(std::string_view json, std::string* error) {
  return parser_->Parse(json, error);
}

std::string_view JsonDecoder::message() const { return parser_->builder()->message(); }

void JsonDecoder::Trim(size_t max_bytes) { parser_->builder()->Trim(max_bytes); }

}  // namespace spanmeter
