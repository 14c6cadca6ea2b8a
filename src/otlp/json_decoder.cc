#include "otlp/json_decoder.h"

// Texts are most of a request: with it, RapidJSON looks at 16 characters at a time.
#ifdef __SSE2__
#define RAPIDJSON_SSE2
#endif

#include <cstring>

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>

#include "otlp/json_builder.h"

namespace spanmeter {

namespace {

// Iterative, so that nesting takes no stack. Numbers come as they are written: the field decides
// what they are. In a copy that may be written to, texts stay where they are: finding their end in
// the document itself and putting each aside takes twice as long.
constexpr unsigned kFlags = rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag |
                            rapidjson::kParseInsituFlag;

// RapidJSON takes a null character for the end, and may look at what shares 16 bytes with it.
constexpr size_t kPadding = 16;

}  // namespace

class JsonDecoder::Parser {
 public:
  bool Parse(std::string_view json, std::string* error) {
    builder_.Start(json.size());
    if (capacity_ < json.size() + kPadding) {
      copy_.reset();
      copy_.reset(new char[json.size() + kPadding]);
      capacity_ = json.size() + kPadding;
    }
    json.copy(copy_.get(), json.size());
    std::memset(copy_.get() + json.size(), 0, kPadding);
    rapidjson::Reader reader;
    rapidjson::InsituStringStream stream(copy_.get());
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

  void Trim(size_t max_bytes) {
    builder_.Trim(max_bytes);
    if (capacity_ <= max_bytes) return;
    copy_.reset();
    capacity_ = 0;
  }

  JsonBuilder* builder() { return &builder_; }

 private:
  std::unique_ptr<char[]> copy_;
  size_t capacity_ = 0;
  JsonBuilder builder_;
};

JsonDecoder::JsonDecoder() : parser_(std::make_unique<Parser>()) {}

JsonDecoder::~JsonDecoder() = default;

uint64_t JsonDecoder::Room(uint64_t size) { return size + kPadding + JsonBuilder::Room(size); }

bool JsonDecoder::Decode(std::string_view json, std::string* error) {
  return parser_->Parse(json, error);
}

std::string_view JsonDecoder::message() const { return parser_->builder()->message(); }

void JsonDecoder::Trim(size_t max_bytes) { parser_->Trim(max_bytes); }

}  // namespace spanmeter
