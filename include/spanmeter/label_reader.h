// Reads label sets in the form that registries present them in.

#ifndef SPANMETER_LABEL_READER_H_
#define SPANMETER_LABEL_READER_H_

#include <cstring>
#include <string_view>

namespace spanmeter {

// Walks the labels of a text `name="value",...`, values escaped:
//
//   LabelReader reader(labels);
//   while (reader.Next()) Use(reader.name(), reader.escaped_value());
//
// The text must outlive the reader and the views.
class LabelReader {
 public:
  explicit LabelReader(std::string_view labels)
      : pos_(labels.data()), end_(labels.data() + labels.size()) {}

  // Moves on to the next label; false at the end.
  bool Next() {
    if (pos_ >= end_) return false;
    const char* const equals =
        static_cast<const char*>(std::memchr(pos_, '=', static_cast<size_t>(end_ - pos_)));
    if (equals == nullptr || equals + 1 >= end_) return false;
    name_ = {pos_, static_cast<size_t>(equals - pos_)};
    const char* const value = equals + 2;
    const char* quote = FindQuote(value);
    has_escapes_ = std::memchr(value, '\\', static_cast<size_t>(quote - value)) != nullptr;
    if (has_escapes_) quote = FindUnescapedQuote(value);
    value_ = {value, static_cast<size_t>(quote - value)};
    pos_ = quote + 2;  // the quote and the comma
    return true;
  }

  std::string_view name() const { return name_; }
  std::string_view escaped_value() const { return value_; }
  // Without escapes, the value is the escaped one.
  bool has_escapes() const { return has_escapes_; }
  // Writes the value and returns its end. REQUIRES: room for escaped_value().
  char* PutValue(char* out) const {
    for (const char* p = value_.data(); p < value_.data() + value_.size(); ++p) {
      if (*p == '\\') {
        ++p;
        *out++ = *p == 'n' ? '\n' : *p;
      } else {
        *out++ = *p;
      }
    }
    return out;
  }

 private:
  const char* FindQuote(const char* value) const {
    const void* const quote = std::memchr(value, '"', static_cast<size_t>(end_ - value));
    return quote == nullptr ? end_ : static_cast<const char*>(quote);
  }
  const char* FindUnescapedQuote(const char* value) const {
    while (value < end_ && *value != '"') value += *value == '\\' ? 2 : 1;
    return value < end_ ? value : end_;
  }

  const char* pos_;
  const char* const end_;
  std::string_view name_;
  std::string_view value_;
  bool has_escapes_ = false;
};

}  // namespace spanmeter

#endif  // SPANMETER_LABEL_READER_H_
