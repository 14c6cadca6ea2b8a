// Fuzzes the texts of attribute values against a plain recursion over what libprotobuf reads.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "bytes_variant/opentelemetry/proto/common/v1/common.pb.h"
#include "fuzz/fuzz_input.h"
#include "processors/attribute_text.h"
#include "processors/utf8.h"

namespace spanmeter {
namespace {

namespace pb = bytes_variant::opentelemetry::proto::common::v1;

// The fewest digits that read back as the same number, written out.
std::string NaiveDouble(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == 0) return std::signbit(value) ? "-0" : "0";
  std::string digits;
  int exponent = 0;
  for (int more = 0; more <= 16 && digits.empty(); ++more) {
    char text[40];
    std::snprintf(text, sizeof(text), "%.*e", more, std::abs(value));
    const int last_exponent = std::atoi(std::strchr(text, 'e') + 1) - more;
    std::string all = text;
    std::erase(all, '.');
    const uint64_t rounded = std::stoull(all);
    // Next to a power of two the fewest digits may be those beside the rounded ones.
    for (const uint64_t near : {rounded, rounded - 1, rounded + 1}) {
      const std::string candidate = std::to_string(near);
      const std::string whole = candidate + "e" + std::to_string(last_exponent);
      if (std::strtod(whole.c_str(), nullptr) != std::abs(value)) continue;
      digits = candidate;
      exponent = last_exponent + static_cast<int>(candidate.size()) - 1;
      break;
    }
  }
  std::string result = std::signbit(value) ? "-" : "";
  for (int i = 0; i > exponent; --i) digits.insert(0, "0");
  const size_t whole = exponent < 0 ? 1 : static_cast<size_t>(exponent) + 1;
  while (digits.size() < whole) digits += '0';
  result += digits.substr(0, whole);
  if (digits.size() > whole) result += "." + digits.substr(whole);
  return result;
}

std::string NaiveText(const pb::AnyValue& value, int nesting) {
  switch (value.value_case()) {
    case pb::AnyValue::kStringValue:
      return value.string_value();
    case pb::AnyValue::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case pb::AnyValue::kIntValue:
      return std::to_string(value.int_value());
    case pb::AnyValue::kDoubleValue:
      return NaiveDouble(value.double_value());
    case pb::AnyValue::kArrayValue: {
      if (nesting == kMaxNestedText) return "";
      std::string text = "[";
      for (const pb::AnyValue& element : value.array_value().values()) {
        text += NaiveText(element, nesting + 1);
      }
      return text + "]";
    }
    case pb::AnyValue::kKvlistValue: {
      if (nesting == kMaxNestedText) return "";
      std::string text = "{";
      for (const pb::KeyValue& pair : value.kvlist_value().values()) {
        text += pair.key() + ":" + NaiveText(pair.value(), nesting + 1);
      }
      return text + "}";
    }
    case pb::AnyValue::kBytesValue:
    case pb::AnyValue::VALUE_NOT_SET:
      return "";
  }
  return "";
}

// The first byte is the limit, the rest an encoded list of values.
void Run(const uint8_t* data, size_t size) {
  testing::FuzzInput input(data, size);
  const size_t limit = input.Choose(64);
  pb::AnyValue message;
  // Only what the decoder has accepted comes here.
  if (!message.mutable_array_value()->ParseFromArray(input.rest().data(),
                                                     static_cast<int>(input.rest().size()))) {
    return;
  }
  const std::string expected = NaiveText(message, 0);
  const AnyValue value = AnyValue::Array(input.rest());
  std::string whole;
  AppendAttributeText(value, 0, &whole);
  testing::CheckEqual(expected, whole, "text");

  std::string beginning = "before";
  AppendAttributeText(value, limit, &beginning);
  testing::Check(beginning.starts_with("before"), "what was there before is lost");
  const std::string_view added = std::string_view(beginning).substr(6);
  testing::CheckEqual(CutToBytes(expected, limit), CutToBytes(added, limit), "cut text");
  testing::Check(limit == 0 || added.size() <= limit + 4, "more work than necessary");
  testing::Check(HasText(value), "a list has a text");
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::Run(data, size);
  return 0;
}
