#include "otlp/random_request.h"

#include <span>
#include <string_view>
#include <vector>

#include "support/otlp_builder.h"

namespace spanmeter::testing {

enum class RandomRequests::Kind : uint8_t {
  kRequest,
  kResourceSpans,
  kScopeSpans,
  kResource,
  kScope,
  kSpan,
  kEvent,
  kLink,
  kStatus,
  kKeyValue,
  kAnyValue,
  kArray,
  kKeyValueList,
};

struct RandomRequests::Field {
  enum class Type : uint8_t { kVarint, kFixed64, kFixed32, kText, kMessage, kTraceId, kSpanId };
  uint32_t number;
  Type type;
  Kind kind = Kind::kRequest;  // of a kMessage
};

std::string RandomRequests::Text() {
  // Keys and values alike: few, so that keys repeat, among them those that the tests want.
  constexpr std::string_view kTexts[] = {"",  "k0",           "k1",          "k2", "service.name",
                                         "x", "\xff\xfe bad", "longer text", "é"};
  if (Below(40) == 0) return std::string(Below(400), 'y');
  return std::string(kTexts[Below(std::size(kTexts))]);
}

std::string RandomRequests::Id(size_t size) {
  if (Below(30) == 0) return std::string(Below(20), 'i');
  std::string id(size, '\0');
  if (Below(30) == 0) return id;
  id[Below(size)] = static_cast<char>(1 + Below(255));
  return id;
}

std::string RandomRequests::Message(Kind kind, int depth) {
  using Type = Field::Type;
  static const std::vector<Field> kSchema[] = {
      /* kRequest */ {{1, Type::kMessage, Kind::kResourceSpans}},
      /* kResourceSpans */
      {{1, Type::kMessage, Kind::kResource},
       {2, Type::kMessage, Kind::kScopeSpans},
       {2, Type::kMessage, Kind::kScopeSpans},
       {3, Type::kText}},
      /* kScopeSpans */
      {{1, Type::kMessage, Kind::kScope},
       {2, Type::kMessage, Kind::kSpan},
       {2, Type::kMessage, Kind::kSpan},
       {2, Type::kMessage, Kind::kSpan},
       {3, Type::kText}},
      /* kResource */
      {{1, Type::kMessage, Kind::kKeyValue},
       {1, Type::kMessage, Kind::kKeyValue},
       {2, Type::kVarint}},
      /* kScope */
      {{1, Type::kText},
       {2, Type::kText},
       {3, Type::kMessage, Kind::kKeyValue},
       {4, Type::kVarint}},
      /* kSpan */
      {{1, Type::kTraceId},
       {2, Type::kSpanId},
       {3, Type::kText},
       {4, Type::kSpanId},
       {5, Type::kText},
       {6, Type::kVarint},
       {7, Type::kFixed64},
       {8, Type::kFixed64},
       {9, Type::kMessage, Kind::kKeyValue},
       {9, Type::kMessage, Kind::kKeyValue},
       {9, Type::kMessage, Kind::kKeyValue},
       {9, Type::kMessage, Kind::kKeyValue},
       {10, Type::kVarint},
       {11, Type::kMessage, Kind::kEvent},
       {12, Type::kVarint},
       {13, Type::kMessage, Kind::kLink},
       {14, Type::kVarint},
       {15, Type::kMessage, Kind::kStatus},
       {16, Type::kFixed32}},
      /* kEvent */
      {{1, Type::kFixed64},
       {2, Type::kText},
       {3, Type::kMessage, Kind::kKeyValue},
       {4, Type::kVarint}},
      /* kLink */
      {{1, Type::kTraceId},
       {2, Type::kSpanId},
       {3, Type::kText},
       {4, Type::kMessage, Kind::kKeyValue},
       {5, Type::kVarint},
       {6, Type::kFixed32}},
      /* kStatus */ {{2, Type::kText}, {3, Type::kVarint}},
      /* kKeyValue */ {{1, Type::kText}, {2, Type::kMessage, Kind::kAnyValue}},
      /* kAnyValue */
      {{1, Type::kText},
       {2, Type::kVarint},
       {3, Type::kVarint},
       {4, Type::kFixed64},
       {5, Type::kMessage, Kind::kArray},
       {6, Type::kMessage, Kind::kKeyValueList},
       {7, Type::kText}},
      /* kArray */ {{1, Type::kMessage, Kind::kAnyValue}},
      /* kKeyValueList */ {{1, Type::kMessage, Kind::kKeyValue}},
  };
  const std::vector<Field>& schema = kSchema[static_cast<size_t>(kind)];

  WireWriter out;
  const auto write = [&](const Field& field) {
    switch (field.type) {
      case Type::kVarint:
        out.Varint(field.number, Below(2) == 0 ? Below(4) : random_() >> Below(64));
        break;
      case Type::kFixed64:
        out.Fixed64(field.number, random_());
        break;
      case Type::kFixed32:
        out.Fixed32(field.number, static_cast<uint32_t>(random_()));
        break;
      case Type::kText:
        out.Bytes(field.number, Text());
        break;
      case Type::kTraceId:
        out.Bytes(field.number, Id(16));
        break;
      case Type::kSpanId:
        out.Bytes(field.number, Id(8));
        break;
      case Type::kMessage:
        out.Bytes(field.number, Message(field.kind, depth + 1));
        break;
    }
  };

  // Most spans are to have their ids, and most pairs their two halves, or little would be visited.
  if (kind == Kind::kSpan && Below(10) != 0) {
    write(schema[0]);
    write(schema[1]);
  }
  if (kind == Kind::kKeyValue && Below(10) != 0) {
    write(schema[0]);
    write(schema[1]);
  }
  uint64_t fields = depth > 12 ? 0 : Below(kind == Kind::kSpan ? 14 : 4);
  if (depth < 3) fields += 2;  // of the levels down to the spans
  if (kind == Kind::kKeyValue && Below(4) != 0) fields = 0;
  if (kind == Kind::kAnyValue && fields > 1 && Below(3) != 0) fields = 1;
  for (; fields > 0; --fields) {
    Field field = schema[Below(schema.size())];
    switch (Below(40)) {
      case 0:  // an unknown field
        field = {static_cast<uint32_t>(17 + Below(3000)), static_cast<Type>(Below(4))};
        break;
      case 1:  // an unexpected wire type; text in place of a message would be malformed
        field.type = static_cast<Type>(Below(field.type == Type::kMessage ? 3 : 4));
        break;
      case 2: {  // a group
        const uint32_t number = static_cast<uint32_t>(1 + Below(20));
        out.Tag(number, 3);
        write(field);
        out.Tag(number, 4);
        break;
      }
      default:
        break;
    }
    write(field);
  }
  return out.Take();
}

std::string RandomRequests::WellFormed() { return Message(Kind::kRequest, 0); }

void RandomRequests::Damage(std::string* bytes) {
  for (uint64_t changes = 1 + Below(3); changes > 0 && !bytes->empty(); --changes) {
    const size_t at = Below(bytes->size());
    const size_t length = 1 + Below(bytes->size() - at);
    switch (Below(7)) {
      case 0:
      case 1:
      case 2:
        (*bytes)[at] = static_cast<char>((*bytes)[at] ^ (1 << Below(8)));
        break;
      case 3:
        bytes->resize(at);
        break;
      case 4:
        bytes->erase(at, length);
        break;
      case 5:
        bytes->insert(Below(bytes->size()), bytes->substr(at, length));
        break;
      default:
        bytes->insert(at, 1 + Below(12), static_cast<char>(random_()));
    }
  }
}

}  // namespace spanmeter::testing
