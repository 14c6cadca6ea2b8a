// Attribute values as the text of a label.
//
// Strings stand as they are, booleans as true or false, integers in decimal, doubles as the
// shortest decimal that reads back as the same double, never with an exponent; an array is its
// elements between brackets, a key-value list its key:value pairs between braces, neither with
// separators. Bytes and absent values have no text.

#ifndef SPANMETER_PROCESSORS_ATTRIBUTE_TEXT_H_
#define SPANMETER_PROCESSORS_ATTRIBUTE_TEXT_H_

#include <string>
#include <string_view>

#include "spanmeter/any_value.h"
#include "spanmeter/attribute_index.h"

namespace spanmeter {

// Arrays and key-value lists within that many others have no text.
inline constexpr int kMaxNestedText = 32;

// Whether the text of `value` is not empty.
inline bool HasText(const AnyValue& value) {
  switch (value.type()) {
    case AnyValue::Type::kString:
      return !value.bytes().empty();
    case AnyValue::Type::kUnset:
    case AnyValue::Type::kBytes:
      return false;
    default:
      return true;
  }
}

// Appends the text of `value` to `out`, or only its beginning where that is enough to cut the text
// to `limit` bytes afterwards (CutToBytes()); 0 = all of it. So the work does not depend on how
// large a value somebody sent.
void AppendAttributeText(const AnyValue& value, size_t limit, std::string* out);

// Returns the text of `value`: a string where it is, anything else as AppendAttributeText() puts it
// into `scratch`, whose former content is lost.
inline std::string_view AttributeText(const AnyValue& value, size_t limit, std::string* scratch) {
  if (value.type() == AnyValue::Type::kString) return value.bytes();
  scratch->clear();
  AppendAttributeText(value, limit, scratch);
  return *scratch;
}

// Returns the text of the first value under `id` that has one, or an empty text.
inline std::string_view FirstText(const AttributeValues& values, AttributeId id, size_t limit,
                                  std::string* scratch) {
  const AnyValue* value = values.FirstThat(id, HasText);
  return value == nullptr ? std::string_view() : AttributeText(*value, limit, scratch);
}

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_ATTRIBUTE_TEXT_H_
