#include "otlp/decoder.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/attribute_index.h"
#include "spanmeter/span_view.h"

#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using testing::EncodeKeyValue;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::RequestBuilder;
using testing::SpanBuilder;
using testing::Value;
using testing::WireWriter;

// Copies what it is told.
class RecordingVisitor final : public SpanVisitor {
 public:
  explicit RecordingVisitor(const AttributeIndex* index) : index_(index) {}

  void StartResource(const ResourceView& resource) override {
    log.push_back("resource " + Text(*resource.wanted));
    resource_attributes.assign(resource.attributes.begin(), resource.attributes.end());
  }
  void Span(const SpanView& span) override {
    log.push_back("span " + std::string(span.name) + " " + Text(*span.wanted));
    spans.push_back(span);
  }

  std::vector<std::string> log;
  std::vector<SpanView> spans;
  std::vector<Attribute> resource_attributes;

 private:
  // The wanted string values as key=value, every occurrence.
  std::string Text(const AttributeValues& values) const {
    std::string text;
    for (size_t i = 0; i < index_->size(); ++i) {
      const auto id = static_cast<AttributeId>(i);
      values.FirstThat(id, [&](const AnyValue& value) {
        text += index_->key(id) + "=";
        if (value.type() == AnyValue::Type::kString) text += value.bytes();
        text += ";";
        return false;
      });
    }
    return text;
  }

  const AttributeIndex* const index_;
};

class DecoderTest : public ::testing::Test {
 protected:
  const DecodeResult& Decode(std::string request) {
    request_ = std::move(request);
    result_ = DecodeTraces(request_, index_, &scratch_, &visitor_);
    return result_;
  }
  // Decodes a request of one span and returns what was visited.
  SpanView DecodeSpan(const SpanBuilder& span) {
    RequestBuilder request;
    request.Resource().Scope().Span(span);
    EXPECT_TRUE(Decode(request.Encode()).ok) << result_.error;
    EXPECT_EQ(1u, visitor_.spans.size());
    return visitor_.spans.empty() ? SpanView() : visitor_.spans.back();
  }

  AttributeIndex index_;
  DecodeScratch scratch_;
  RecordingVisitor visitor_{&index_};
  std::string request_;
  DecodeResult result_;
};

TEST_F(DecoderTest, AnEmptyRequestHasNothingInIt) {
  EXPECT_TRUE(Decode("").ok);
  EXPECT_EQ(0u, result_.spans);
  EXPECT_THAT(visitor_.log, IsEmpty());
}

TEST_F(DecoderTest, AResourceWithoutSpansIsVisited) {
  index_.Add("service.name");
  RequestBuilder request;
  request.Resource({{"service.name", "a"}}).Resource();
  EXPECT_TRUE(Decode(request.Encode()).ok);
  EXPECT_THAT(visitor_.log, ElementsAre("resource service.name=a;", "resource "));
}

TEST_F(DecoderTest, EveryFieldOfASpanIsSeen) {
  const std::string trace_id = SpanBuilder::IdBytes(5, 16);
  const SpanBuilder span = SpanBuilder()
                               .TraceId(trace_id)
                               .SpanId("12345678")
                               .ParentSpanId("abcdefgh")
                               .TraceState("a=b")
                               .Name("GET /")
                               .Kind(kSpanKindServer)
                               .Start(11)
                               .End(uint64_t{1} << 63)
                               .Status(kStatusCodeError, "went wrong");
  const SpanView view = DecodeSpan(span);
  EXPECT_EQ(trace_id, view.trace_id);
  EXPECT_EQ("12345678", view.span_id);
  EXPECT_EQ("abcdefgh", view.parent_span_id);
  EXPECT_EQ("a=b", view.trace_state);
  EXPECT_EQ("GET /", view.name);
  EXPECT_EQ(kSpanKindServer, view.kind);
  EXPECT_EQ(11u, view.start_time_unix_nano);
  EXPECT_EQ(uint64_t{1} << 63, view.end_time_unix_nano);
  EXPECT_EQ(kStatusCodeError, view.status_code);
  EXPECT_EQ("went wrong", view.status_message);
  EXPECT_EQ(span.encoded().size(), view.encoded_size);
}

TEST_F(DecoderTest, EnumsKeepNumbersThatNobodyKnows) {
  const SpanView view = DecodeSpan(SpanBuilder::WithIds(1).Kind(-7).Status(99));
  EXPECT_EQ(-7, view.kind);
  EXPECT_EQ(99, view.status_code);
}

TEST_F(DecoderTest, OnlyWantedAttributesAreKeptInOrderOfOccurrence) {
  index_.Add("b");
  index_.Add("missing");
  RequestBuilder request;
  request.Resource({{"b", "of the resource"}})
      .Scope()
      .Span(SpanBuilder::WithIds(1).Name("one").Attribute("a", "1").Attribute("b", "2").Attribute(
          "b", "3"))
      .Span(SpanBuilder::WithIds(2).Name("two"));
  ASSERT_TRUE(Decode(request.Encode()).ok);
  EXPECT_THAT(visitor_.log,
              ElementsAre("resource b=of the resource;", "span one b=2;b=3;", "span two "));
}

TEST_F(DecoderTest, ValuesHaveTheirTypes) {
  index_.Add("x");
  const Value list = Value::Array({1, "two", Value::KeyValueList({{"k", true}})});
  RequestBuilder request;
  request.Resource({{"s", "text"},
                    {"b", true},
                    {"i", int64_t{-3}},
                    {"d", 2.5},
                    {"y", Value::Bytes("raw")},
                    {"a", list},
                    {"u", Value()}});
  ASSERT_TRUE(Decode(request.Encode()).ok);
  const std::vector<Attribute>& all = visitor_.resource_attributes;
  ASSERT_EQ(7u, all.size());
  EXPECT_EQ("s", all[0].key);
  EXPECT_EQ(AnyValue::Type::kString, all[0].value.type());
  EXPECT_EQ("text", all[0].value.bytes());
  EXPECT_EQ(AnyValue::Type::kBool, all[1].value.type());
  EXPECT_TRUE(all[1].value.bool_value());
  EXPECT_EQ(AnyValue::Type::kInt, all[2].value.type());
  EXPECT_EQ(-3, all[2].value.int_value());
  EXPECT_EQ(AnyValue::Type::kDouble, all[3].value.type());
  EXPECT_EQ(2.5, all[3].value.double_value());
  EXPECT_EQ(AnyValue::Type::kBytes, all[4].value.type());
  EXPECT_EQ("raw", all[4].value.bytes());
  EXPECT_EQ(AnyValue::Type::kArray, all[5].value.type());
  // The content of the ArrayValue: the value without its own tag and length.
  EXPECT_EQ(list.encoded().substr(2), all[5].value.bytes());
  EXPECT_EQ(AnyValue::Type::kUnset, all[6].value.type());
}

TEST_F(DecoderTest, TheResourceComesFirstWhereverItWasSent) {
  index_.Add("k");
  WireWriter scope_spans;
  scope_spans.Bytes(2, SpanBuilder::WithIds(1).Name("s").encoded());
  WireWriter first_part;
  first_part.Bytes(1, EncodeKeyValue("k", "1"));
  WireWriter second_part;
  second_part.Bytes(1, EncodeKeyValue("k", "2"));
  WireWriter resource_spans;
  resource_spans.Bytes(1, first_part.out());
  resource_spans.Bytes(2, scope_spans.out());
  resource_spans.Bytes(1, second_part.out());
  WireWriter request;
  request.Bytes(1, resource_spans.out());
  ASSERT_TRUE(Decode(request.Take()).ok);
  EXPECT_THAT(visitor_.log, ElementsAre("resource k=1;k=2;", "span s "));
}

TEST_F(DecoderTest, ArraysInSeveralPartsArePutTogether) {
  const Value one = Value::Array({1});
  const Value two = Value::Array({2, 3});
  const Value text = "text";
  RequestBuilder request;
  request.Resource({{"twice", Value::Encoded(one.encoded() + two.encoded() + one.encoded())},
                    {"replaced", Value::Encoded(one.encoded() + text.encoded() + two.encoded())},
                    {"plain", two}});
  ASSERT_TRUE(Decode(request.Encode()).ok);
  const std::vector<Attribute>& all = visitor_.resource_attributes;
  ASSERT_EQ(3u, all.size());
  const std::string part_one = one.encoded().substr(2);
  const std::string part_two = two.encoded().substr(2);
  EXPECT_EQ(part_one + part_two + part_one, all[0].value.bytes());
  EXPECT_EQ(part_two, all[1].value.bytes());
  EXPECT_EQ(part_two, all[2].value.bytes());
}

TEST_F(DecoderTest, AnArrayInVeryManyPartsTakesLinearTime) {
  // 400,000 parts of 4 bytes; copying all of it for each part would be 320 GB.
  const std::string part = Value::Array({Value()}).encoded();
  std::string value;
  constexpr size_t kParts = 400'000;
  for (size_t i = 0; i < kParts; ++i) value += part;
  RequestBuilder request;
  request.Resource({{"a", Value::Encoded(value)}});
  ASSERT_TRUE(Decode(request.Encode()).ok);
  ASSERT_EQ(1u, visitor_.resource_attributes.size());
  EXPECT_EQ(kParts * (part.size() - 2), visitor_.resource_attributes[0].value.bytes().size());
}

TEST_F(DecoderTest, SpansWithInvalidIdsAreCountedAndNotVisited) {
  const std::string trace(16, 't');
  const std::string id(8, 's');
  RequestBuilder request;
  request.Resource()
      .Scope()
      .Span(SpanBuilder().TraceId(trace).SpanId(id).Name("good"))
      .Span(SpanBuilder().TraceId(trace.substr(1)).SpanId(id))
      .Span(SpanBuilder().TraceId(std::string(16, '\0')).SpanId(id))
      .Span(SpanBuilder().TraceId(trace).SpanId(id + "s"))
      .Span(SpanBuilder().TraceId(trace).SpanId(std::string(8, '\0')))
      .Span(SpanBuilder().TraceId(trace).SpanId(id).ParentSpanId("p"))
      .Span(SpanBuilder().SpanId(id))
      .Span(SpanBuilder().TraceId(trace))
      .Span(
          SpanBuilder().TraceId(trace).SpanId(id).ParentSpanId(std::string(8, '\0')).Name("root"));
  ASSERT_TRUE(Decode(request.Encode()).ok);
  EXPECT_EQ(9u, result_.spans);
  EXPECT_EQ(7u, result_.invalid_ids);
  EXPECT_THAT(visitor_.log, ElementsAre("resource ", "span good ", "span root "));
  EXPECT_EQ("span 1 of scope_spans 0 of resource_spans 0: trace_id has 15 bytes instead of 16",
            result_.first_invalid_id);
}

TEST_F(DecoderTest, SaysWhichIdIsInvalidAndWhy) {
  const std::string trace(16, 't');
  const std::string id(8, 's');
  const auto reason = [&](const SpanBuilder& span) {
    RequestBuilder request;
    request.Resource().Scope().Span(span);
    return Decode(request.Encode()).first_invalid_id;
  };
  EXPECT_THAT(reason(SpanBuilder().TraceId(std::string(16, '\0')).SpanId(id)),
              HasSubstr(": trace_id is all zero"));
  EXPECT_THAT(reason(SpanBuilder().TraceId(trace)),
              HasSubstr(": span_id has 0 bytes instead of 8"));
  EXPECT_THAT(reason(SpanBuilder().TraceId(trace).SpanId(std::string(8, '\0'))),
              HasSubstr(": span_id is all zero"));
  EXPECT_THAT(reason(SpanBuilder().TraceId(trace).SpanId(id).ParentSpanId("p")),
              HasSubstr(": parent_span_id has 1 bytes instead of 8"));
}

TEST_F(DecoderTest, ErrorsSayWhere) {
  EXPECT_FALSE(Decode("\x0a\x7f").ok);
  EXPECT_EQ("malformed protobuf at byte 1 (after 0 resource_spans)", result_.error);

  // The last byte of the request belongs to a length that promises more.
  RequestBuilder request;
  request.Resource().Scope().Span(SpanBuilder::WithIds(1)).Resource().Scope().Scope();
  request.Span(SpanBuilder::WithIds(1)).Span(SpanBuilder::WithIds(2).Raw("\x2a\x05"));
  const std::string bad_span = request.Encode();
  EXPECT_FALSE(Decode(bad_span).ok);
  EXPECT_EQ("malformed protobuf at byte " + std::to_string(bad_span.size() - 1) +
                " (span 1 of scope_spans 1 of resource_spans 1)",
            result_.error);

  request.Resource({{"k", Value::Encoded("\x0a\x05")}});
  const std::string bad_resource = request.Encode();
  EXPECT_FALSE(Decode(bad_resource).ok);
  EXPECT_EQ("malformed protobuf at byte " + std::to_string(bad_resource.size() - 1) +
                " (resource of resource_spans 0)",
            result_.error);
}

TEST_F(DecoderTest, PartsThatNobodyReadsAreCheckedToo) {
  const Value bad = Value::Encoded("\x0a\x05");
  WireWriter bad_scope;
  bad_scope.Bytes(3, EncodeKeyValue("k", bad));
  WireWriter scope_spans;
  scope_spans.Bytes(1, bad_scope.out());
  WireWriter resource_spans;
  resource_spans.Bytes(2, scope_spans.out());
  WireWriter scope_request;
  scope_request.Bytes(1, resource_spans.out());
  EXPECT_FALSE(Decode(scope_request.Take()).ok);
  EXPECT_THAT(result_.error, HasSubstr("(scope of scope_spans 0 of resource_spans 0)"));

  const auto decodes = [&](const SpanBuilder& span) {
    RequestBuilder request;
    request.Resource().Scope().Span(span);
    return Decode(request.Encode()).ok;
  };
  EXPECT_FALSE(decodes(SpanBuilder::WithIds(1).Event(1, "e", {{"k", bad}})));
  EXPECT_FALSE(decodes(SpanBuilder::WithIds(1).Link("t", "s", {{"k", bad}})));
  EXPECT_FALSE(decodes(SpanBuilder::WithIds(1).Attribute("not wanted", bad)));
  EXPECT_FALSE(decodes(SpanBuilder::WithIds(1).Attribute("k", Value::Array({1, bad}))));
  EXPECT_FALSE(decodes(SpanBuilder::WithIds(1).Attribute("k", Value::KeyValueList({{"k", bad}}))));
  EXPECT_TRUE(decodes(SpanBuilder::WithIds(1).Event(1, "e", {{"k", 1}}).Link("t", "s")));
}

// `depth` arrays or key-value lists, one in the other, with `innermost` in the last one.
std::string Nested(int depth, bool lists, std::string innermost) {
  for (int i = 0; i < depth; ++i) {
    WireWriter list;
    list.Bytes(1, lists ? EncodeKeyValue("k", Value::Encoded(innermost)) : innermost);
    WireWriter value;
    value.Bytes(lists ? 6 : 5, list.out());
    innermost = value.Take();
  }
  return innermost;
}

TEST_F(DecoderTest, ValuesAreCheckedDownToTheLimitAndNotBeyond) {
  const std::string malformed = "\x0a\x05";
  for (const bool lists : {false, true}) {
    for (const int depth : {1, 30, kMaxValueDepth - 1, kMaxValueDepth, 1000}) {
      RequestBuilder request;
      // The innermost value has the depth `depth` + 1.
      request.Resource({{"k", Value::Encoded(Nested(depth, lists, malformed))}});
      Decode(request.Encode());
      EXPECT_EQ(depth >= kMaxValueDepth, result_.ok) << depth;
      EXPECT_EQ(depth >= kMaxValueDepth ? 1u : 0u, result_.values_not_checked) << depth;
    }
  }
}

TEST_F(DecoderTest, ADepthBombIsHarmless) {
  // Built from the inside out in one pass: a length is as long as what follows it, so the nesting
  // is written backwards.
  std::string reversed;
  const auto prepend_length = [&reversed](char tag, size_t size) {
    std::string head;
    WireWriter length;
    length.RawVarint(size);
    head = tag + length.Take();
    reversed.append(head.rbegin(), head.rend());
  };
  while (reversed.size() < (4 << 20)) {
    prepend_length('\x0a', reversed.size());  // ArrayValue.values
    prepend_length('\x2a', reversed.size());  // AnyValue.array_value
  }
  RequestBuilder request;
  request.Resource().Scope().Span(SpanBuilder::WithIds(1).Attribute(
      "bomb", Value::Encoded(std::string(reversed.rbegin(), reversed.rend()))));
  EXPECT_TRUE(Decode(request.Encode()).ok) << result_.error;
  EXPECT_EQ(1u, result_.spans);
  EXPECT_EQ(1u, result_.values_not_checked);
}

TEST_F(DecoderTest, TooManyAttributesAreRefused) {
  index_.Add("");
  const auto repeated = [&](uint32_t field, size_t count) {
    WireWriter writer;
    for (size_t i = 0; i < count; ++i) writer.Bytes(field, "");
    return writer.Take();
  };
  for (const size_t count : {kMaxAttributes, kMaxAttributes + 1}) {
    RequestBuilder request;
    request.Resource().Scope().Span(SpanBuilder::WithIds(1).Raw(repeated(9, count)));
    EXPECT_EQ(count == kMaxAttributes, Decode(request.Encode()).ok);

    WireWriter resource_spans;
    resource_spans.Bytes(1, repeated(1, count));
    WireWriter resource_request;
    resource_request.Bytes(1, resource_spans.out());
    EXPECT_EQ(count == kMaxAttributes, Decode(resource_request.Take()).ok);
  }
  EXPECT_THAT(result_.error, HasSubstr("more than 16384 attributes at byte "));
}

TEST_F(DecoderTest, ScratchCanBeTrimmedAndUsedAgain) {
  index_.Add("");
  WireWriter many;
  for (size_t i = 0; i < kMaxAttributes; ++i) many.Bytes(9, "");
  RequestBuilder large;
  large.Resource().Scope().Span(SpanBuilder::WithIds(1).Raw(many.out()));
  ASSERT_TRUE(Decode(large.Encode()).ok);
  scratch_.Trim();
  RequestBuilder small;
  small.Resource({{"", "r"}}).Scope().Span(SpanBuilder::WithIds(1).Attribute("", "v").Name("s"));
  ASSERT_TRUE(Decode(small.Encode()).ok);
  EXPECT_EQ("resource =r;", visitor_.log[visitor_.log.size() - 2]);
  EXPECT_EQ("span s =v;", visitor_.log.back());
}

TEST_F(DecoderTest, StringsMayHoldAnyBytes) {
  EXPECT_EQ("\xff\xfe", DecodeSpan(SpanBuilder::WithIds(1).Name("\xff\xfe")).name);
}

}  // namespace
}  // namespace spanmeter
