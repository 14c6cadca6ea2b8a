// Builds a protobuf message out of what a JSON parser finds.

#ifndef SPANMETER_SRC_OTLP_JSON_BUILDER_H_
#define SPANMETER_SRC_OTLP_JSON_BUILDER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "otlp/json_schema.h"

namespace spanmeter {

// A handler for RapidJSON's Reader, whose names it has to use. Each of them returns false when the
// document cannot be a request, error() saying why.
//
// A nested message stands behind its length, which is known only when the message ends. So
// everything else is written first, the lengths are noted, and Finish() puts both together: all of
// it takes time in proportion to the document, whatever the nesting. Not thread-safe.
class JsonBuilder {
 public:
  // An upper bound of the memory that is needed for a document of `size` bytes.
  static uint64_t Room(uint64_t size);

  void Start(size_t document_size);
  // To be called behind the document's end.
  bool Finish();
  // Valid after Finish() until Start().
  std::string_view message() const { return {message_.get(), message_size_}; }
  const std::string& error() const { return error_; }
  // Gives back memory beyond that many bytes.
  void Trim(size_t max_bytes);

  bool Null();
  bool Bool(bool value);
  bool RawNumber(const char* text, uint32_t size, bool copy);
  bool String(const char* text, uint32_t size, bool copy);
  bool StartObject();
  bool Key(const char* text, uint32_t size, bool copy);
  bool EndObject(uint32_t members);
  bool StartArray();
  bool EndArray(uint32_t elements);

  // Never called: numbers come as text.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  // Where a length belongs.
  struct Length {
    uint32_t position;  // in what is written without lengths
    uint32_t value;
  };
  // An object that is a message, or a list of messages.
  struct Frame {
    const JsonMessage* message;  // null: a list
    const JsonField* field;      // which it is; null for the request
    uint32_t fields_seen;        // by index
    uint32_t elements;           // of a list, begun so far
    size_t length;               // its place in lengths_
    size_t begin;                // what is written begins there
    size_t inner_lengths;        // bytes of the lengths in it
  };

  // What a value is for: nullptr, with *ignored, when nobody wants it.
  const JsonField* FieldOfValue(bool* ignored);
  bool Open(const JsonField* field);
  void Close();
  bool IsTooDeep();

  bool PutText(const JsonField& field, std::string_view text);
  bool PutNumber(const JsonField& field, std::string_view text, bool quoted);
  bool PutInteger(const JsonField& field, uint64_t value);
  bool PutHex(const JsonField& field, std::string_view text);
  bool PutBase64(const JsonField& field, std::string_view text);
  bool PutEnum(const JsonField& field, std::string_view text);
  void PutTag(uint8_t number, uint8_t wire_type);
  // Whether a value is to be written although it is the default.
  bool KeepsDefault() const { return frames_.back().message->is_oneof; }
  // Makes sure that so many bytes can be written.
  bool HasRoom(size_t bytes);
  bool Fail(std::string_view what);
  std::string Where() const;

  // What has been written, without lengths.
  std::unique_ptr<char[]> plain_;
  size_t plain_size_ = 0;
  size_t capacity_ = 0;  // of plain_
  size_t max_size_ = 0;  // of what is written
  std::vector<Length> lengths_;
  size_t max_lengths_ = 0;

  std::unique_ptr<char[]> message_;
  size_t message_size_ = 0;
  size_t message_capacity_ = 0;

  std::vector<Frame> frames_;
  // What the value that comes next is for; null: not known.
  const JsonField* pending_ = nullptr;
  // How deep we are in something that nobody knows.
  size_t ignored_depth_ = 0;
  std::string error_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SRC_OTLP_JSON_BUILDER_H_
