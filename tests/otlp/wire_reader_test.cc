#include "spanmeter/wire_reader.h"

#include <cstdint>
#include <random>
#include <string>
#include <string_view>

#include <google/protobuf/empty.pb.h>
#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using google::protobuf::UnknownField;
using google::protobuf::UnknownFieldSet;
using testing::WireWriter;

// What libprotobuf reads from a message of which it knows no field.
std::string DumpWithLibprotobuf(std::string_view bytes) {
  google::protobuf::Empty message;
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return "refused";
  const UnknownFieldSet& fields = message.GetReflection()->GetUnknownFields(message);
  std::string dump;
  for (int i = 0; i < fields.field_count(); ++i) {
    const UnknownField& field = fields.field(i);
    dump += std::to_string(field.number());
    switch (field.type()) {
      case UnknownField::TYPE_VARINT:
        dump += " varint " + std::to_string(field.varint());
        break;
      case UnknownField::TYPE_FIXED32:
        dump += " fixed32 " + std::to_string(field.fixed32());
        break;
      case UnknownField::TYPE_FIXED64:
        dump += " fixed64 " + std::to_string(field.fixed64());
        break;
      case UnknownField::TYPE_LENGTH_DELIMITED:
        dump += " bytes " + field.length_delimited();
        break;
      case UnknownField::TYPE_GROUP:
        dump += " group";
        break;
    }
    dump += '\n';
  }
  return dump;
}

std::string DumpWithReader(std::string_view bytes, bool read_values) {
  std::string dump;
  WireReader reader(bytes);
  while (reader.NextField()) {
    dump += std::to_string(reader.field());
    switch (reader.field() == 0 || !read_values ? WireType::kStartGroup : reader.wire_type()) {
      case WireType::kVarint:
        dump += " varint " + std::to_string(reader.ReadVarint());
        break;
      case WireType::kFixed32:
        dump += " fixed32 " + std::to_string(reader.ReadFixed32());
        break;
      case WireType::kFixed64:
        dump += " fixed64 " + std::to_string(reader.ReadFixed64());
        break;
      case WireType::kLengthDelimited:
        dump += " bytes " + std::string(reader.ReadBytes());
        break;
      default:
        dump += " group";
        reader.Skip();
    }
    dump += '\n';
  }
  return reader.ok() ? dump : "refused";
}

// Whether reading and skipping accept, refuse and read as libprotobuf does.
::testing::AssertionResult SameAsLibprotobuf(std::string_view bytes) {
  const std::string expected = DumpWithLibprotobuf(bytes);
  // A buffer of exactly the size lets the address sanitizer see every byte read beyond it.
  const std::string exact(bytes);
  const std::string read = DumpWithReader(exact, true);
  const bool skipped = DumpWithReader(exact, false) != "refused";
  if (read == expected && skipped == (expected != "refused")) return ::testing::AssertionSuccess();
  std::string hex;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    hex += kDigits[static_cast<uint8_t>(c) >> 4];
    hex += kDigits[c & 15];
    hex += ' ';
  }
  return ::testing::AssertionFailure()
         << "bytes " << hex << "\nlibprotobuf: " << expected << "\nread: " << read
         << "\nskipping: " << (skipped ? "accepted" : "refused");
}

TEST(WireReaderTest, AgreesWithLibprotobufOnAllMessagesOfUpToTwoBytes) {
  ASSERT_TRUE(SameAsLibprotobuf(""));
  for (int first = 0; first < 256; ++first) {
    std::string bytes(1, static_cast<char>(first));
    ASSERT_TRUE(SameAsLibprotobuf(bytes));
    bytes.push_back(0);
    for (int second = 0; second < 256; ++second) {
      bytes[1] = static_cast<char>(second);
      ASSERT_TRUE(SameAsLibprotobuf(bytes));
    }
  }
}

TEST(WireReaderTest, AgreesWithLibprotobufOnRandomMessages) {
  std::mt19937_64 random(7);
  int accepted = 0;
  for (int i = 0; i < 60'000; ++i) {
    WireWriter writer;
    for (uint64_t fields = random() % 6; fields > 0; --fields) {
      const uint32_t number = random() % 4 == 0 ? static_cast<uint32_t>(random() >> 35)
                                                : static_cast<uint32_t>(random() % 20);
      switch (random() % 8) {
        case 0:
          writer.Varint(number, random() >> random() % 64);
          break;
        case 1:
          writer.Fixed64(number, random());
          break;
        case 2:
          writer.Fixed32(number, static_cast<uint32_t>(random()));
          break;
        case 3:
          writer.Bytes(number, std::string(random() % 140, 'x'));
          break;
        case 4:
        case 5:  // a group, mostly with its end
          writer.Tag(number, 3);
          writer.Varint(1, random() >> random() % 64);
          if (random() % 8 != 0) writer.Tag(number, 4);
          break;
        case 6:  // a continued varint: overlong tags, lengths and values
          for (uint64_t n = random() % 12; n > 0; --n) writer.Raw("\x80");
          writer.RawVarint(random() % 300);
          break;
        default:
          writer.RawVarint(random() >> random() % 64);
      }
    }
    std::string bytes = writer.Take();
    if (!bytes.empty() && random() % 3 == 0) bytes.resize(random() % bytes.size());
    if (!bytes.empty() && random() % 3 == 0) {
      bytes[random() % bytes.size()] = static_cast<char>(random());
    }
    ASSERT_TRUE(SameAsLibprotobuf(bytes));
    if (DumpWithLibprotobuf(bytes) != "refused") ++accepted;
  }
  EXPECT_GT(accepted, 5'000);
  EXPECT_LT(accepted, 55'000);
}

TEST(WireReaderTest, DropsTheBitsOfATagBeyondTheThirtySecond) {
  // Field 1, varint, in five bytes, with the highest three bits of the fifth set as well.
  const std::string bytes = "\x88\x80\x80\x80\x70\x05";
  ASSERT_TRUE(SameAsLibprotobuf(bytes));
  WireReader reader(bytes);
  ASSERT_TRUE(reader.NextField());
  EXPECT_TRUE(reader.Is(1, WireType::kVarint));
  EXPECT_EQ(5u, reader.ReadVarint());
}

TEST(WireReaderTest, RefusesLongerVarintsAndTags) {
  const std::string nine_more(9, '\xff');
  EXPECT_TRUE(SameAsLibprotobuf("\x08" + nine_more + "\x01"));
  EXPECT_TRUE(SameAsLibprotobuf("\x08" + nine_more + "\x7f"));
  EXPECT_NE("refused", DumpWithReader("\x08" + nine_more + "\x7f", true));
  EXPECT_TRUE(SameAsLibprotobuf("\x08" + nine_more + "\xff\x01"));
  EXPECT_EQ("refused", DumpWithReader("\x08" + nine_more + "\xff\x01", true));
  const std::string six_byte_tag =
      std::string("\x88\x80\x80\x80\x80", 5) + std::string("\x00\x05", 2);
  EXPECT_TRUE(SameAsLibprotobuf(six_byte_tag));
  EXPECT_EQ("refused", DumpWithReader(six_byte_tag, true));
}

TEST(WireReaderTest, RefusesLengthsBeyondTheBuffer) {
  for (const std::string_view length :
       {std::string_view("\x04"), std::string_view("\xff\xff\xff\xff\x07"),
        std::string_view("\xff\xff\xff\xff\x0f"), std::string_view("\xff\xff\xff\xff\xff\x01"),
        std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")}) {
    const std::string bytes = "\x0a" + std::string(length) + "abc";
    EXPECT_TRUE(SameAsLibprotobuf(bytes));
    EXPECT_EQ("refused", DumpWithReader(bytes, true));
  }
  // Overlong, but within five bytes and the buffer.
  const std::string padded = std::string("\x0a\x83\x80\x80\x80\x00", 6) + "abc";
  EXPECT_TRUE(SameAsLibprotobuf(padded));
  EXPECT_EQ("1 bytes abc\n", DumpWithReader(padded, true));
}

TEST(WireReaderTest, SkipsGroupsToTheDepthOfLibprotobuf) {
  for (const int depth : {1, 2, kMaxGroupDepth - 1, kMaxGroupDepth, kMaxGroupDepth + 1, 100'000}) {
    WireWriter writer;
    for (int i = 0; i < depth; ++i) writer.Tag(static_cast<uint32_t>(1 + i % 100), 3);
    for (int i = depth - 1; i >= 0; --i) writer.Tag(static_cast<uint32_t>(1 + i % 100), 4);
    EXPECT_TRUE(SameAsLibprotobuf(writer.out())) << depth;
    EXPECT_EQ(depth <= kMaxGroupDepth, DumpWithReader(writer.out(), false) != "refused") << depth;
  }
}

TEST(WireReaderTest, RefusesGroupsThatDoNotMatch) {
  for (const std::string_view bytes :
       {"\x0b\x14", "\x0c", "\x0b", "\x0b\x13\x0c\x14", "\x0b\x0c\x0c"}) {
    EXPECT_TRUE(SameAsLibprotobuf(bytes));
    EXPECT_EQ("refused", DumpWithReader(bytes, false));
  }
}

TEST(WireReaderTest, StaysAtMalformedBytes) {
  const std::string bytes = "\x08\x01\x0a\x7f";
  WireReader reader(bytes);
  ASSERT_TRUE(reader.NextField());
  EXPECT_EQ(1u, reader.ReadVarint());
  ASSERT_TRUE(reader.NextField());
  EXPECT_EQ("", reader.ReadBytes());
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(bytes.data() + 3, reader.position());
  EXPECT_FALSE(reader.NextField());
  EXPECT_EQ(0u, reader.ReadVarint());
  EXPECT_EQ(0u, reader.ReadFixed32());
  EXPECT_EQ(bytes.data() + 3, reader.position());
}

}  // namespace
}  // namespace spanmeter
