// Borrowed views over OTLP attribute values.

#ifndef SPANMETER_ANY_VALUE_H_
#define SPANMETER_ANY_VALUE_H_

#include <cstdint>
#include <string_view>

namespace spanmeter {

// An opentelemetry.proto.common.v1.AnyValue. Arrays and key-value lists stay encoded: `bytes()` is
// the validated protobuf encoding of the ArrayValue or KeyValueList message.
// A view: valid as long as the request's bytes are. Trivially copyable.
class AnyValue {
 public:
  enum class Type : uint8_t {
    kUnset,
    kString,
    kBool,
    kInt,
    kDouble,
    kArray,
    kKeyValueList,
    kBytes
  };

  AnyValue() = default;
  static AnyValue String(std::string_view v) { return AnyValue(Type::kString, v); }
  static AnyValue Bytes(std::string_view v) { return AnyValue(Type::kBytes, v); }
  static AnyValue Array(std::string_view encoded) { return AnyValue(Type::kArray, encoded); }
  static AnyValue KeyValueList(std::string_view encoded) {
    return AnyValue(Type::kKeyValueList, encoded);
  }
  static AnyValue Bool(bool v) {
    AnyValue value;
    value.type_ = Type::kBool;
    value.int_ = v ? 1 : 0;
    return value;
  }
  static AnyValue Int(int64_t v) {
    AnyValue value;
    value.type_ = Type::kInt;
    value.int_ = v;
    return value;
  }
  static AnyValue Double(double v) {
    AnyValue value;
    value.type_ = Type::kDouble;
    value.double_ = v;
    return value;
  }

  Type type() const { return type_; }

  // REQUIRES: type() is kString, kBytes, kArray or kKeyValueList.
  std::string_view bytes() const { return {data_, size_}; }
  // REQUIRES: type() is kBool.
  bool bool_value() const { return int_ != 0; }
  // REQUIRES: type() is kInt.
  int64_t int_value() const { return int_; }
  // REQUIRES: type() is kDouble.
  double double_value() const { return double_; }

 private:
  AnyValue(Type type, std::string_view v) : type_(type), size_(v.size()), data_(v.data()) {}

  Type type_ = Type::kUnset;
  uint64_t size_ = 0;
  union {
    const char* data_ = nullptr;
    int64_t int_;
    double double_;
  };
};

// A key with its value, both borrowed.
struct Attribute {
  std::string_view key;
  AnyValue value;
};

}  // namespace spanmeter

#endif  // SPANMETER_ANY_VALUE_H_
