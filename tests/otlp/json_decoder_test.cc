#include "otlp/json_decoder.h"

#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace spanmeter {
namespace {

using opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using ::testing::HasSubstr;
using ::testing::StartsWith;

ExportTraceServiceRequest Decode(std::string_view json) {
  JsonDecoder decoder;
  std::string error;
  EXPECT_TRUE(decoder.Decode(json, &error)) << error;
  ExportTraceServiceRequest request;
  EXPECT_TRUE(request.ParseFromString(std::string(decoder.message())));
  return request;
}

std::string ErrorOf(std::string_view json) {
  JsonDecoder decoder;
  std::string error;
  EXPECT_FALSE(decoder.Decode(json, &error)) << json;
  return error;
}

// A request of one span with these members.
std::string WithSpan(const std::string& members) {
  return R"({"resourceSpans":[{"scopeSpans":[{"spans":[{)" + members + "}]}]}]}";
}
opentelemetry::proto::trace::v1::Span SpanOf(const std::string& members) {
  const ExportTraceServiceRequest request = Decode(WithSpan(members));
  return request.resource_spans(0).scope_spans(0).spans(0);
}
// The first attribute of a span.
opentelemetry::proto::common::v1::AnyValue ValueOf(const std::string& value) {
  return SpanOf(R"("attributes":[{"key":"k","value":)" + value + "}]").attributes(0).value();
}
std::string ErrorOfSpan(const std::string& members) { return ErrorOf(WithSpan(members)); }

TEST(JsonDecoderTest, ReadsEveryField) {
  ExportTraceServiceRequest expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"(resource_spans {
           resource { attributes { key: "service.name" value { string_value: "shop" } }
                      dropped_attributes_count: 1 }
           scope_spans {
             scope { name: "lib" version: "1.2" attributes { key: "a" value { bool_value: true } }
                     dropped_attributes_count: 2 }
             spans {
               trace_id: "\x5b\x8e\xff\xf7\x98\x03\x81\x03\xd2\x69\xb6\x33\x81\x3f\xc6\x0c"
               span_id: "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x74" trace_state: "x=y"
               parent_span_id: "\xee\xe1\x9b\x7e\xc3\xc1\xb1\x73" name: "buy" kind: SPAN_KIND_SERVER
               start_time_unix_nano: 1544712660000000001 end_time_unix_nano: 18446744073709551615
               attributes { key: "i" value { int_value: -9223372036854775808 } }
               attributes { key: "d" value { double_value: 0.1 } }
               attributes { key: "l" value { array_value { values { string_value: "" }
                                                           values { } } } }
               attributes { key: "m" value { kvlist_value { values { key: "x"
                                                 value { bytes_value: "\x00\xff\xfe" } } } } }
               dropped_attributes_count: 3
               events { time_unix_nano: 5 name: "e" attributes { key: "a" value { int_value: 0 } }
                        dropped_attributes_count: 4 }
               dropped_events_count: 5
               links { trace_id: "\x01" span_id: "\x02" trace_state: "s"
                       attributes { key: "a" } dropped_attributes_count: 6 flags: 7 }
               dropped_links_count: 8
               status { message: "no" code: STATUS_CODE_ERROR }
               flags: 257
             }
             schema_url: "inner"
           }
           schema_url: "outer"
         })",
      &expected));
  const ExportTraceServiceRequest found = Decode(R"({"resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}],
                 "droppedAttributesCount": 1},
    "scopeSpans": [{
      "scope": {"name": "lib", "version": "1.2",
                "attributes": [{"key": "a", "value": {"boolValue": true}}],
                "droppedAttributesCount": 2},
      "spans": [{
        "traceId": "5b8efff798038103d269b633813fc60c", "spanId": "EEE19B7EC3C1B174",
        "traceState": "x=y", "parentSpanId": "eee19b7ec3c1b173", "name": "buy", "kind": 2,
        "startTimeUnixNano": "1544712660000000001", "endTimeUnixNano": "18446744073709551615",
        "attributes": [
          {"key": "i", "value": {"intValue": "-9223372036854775808"}},
          {"key": "d", "value": {"doubleValue": 0.1}},
          {"key": "l", "value": {"arrayValue": {"values": [{"stringValue": ""}, {}]}}},
          {"key": "m", "value": {"kvlistValue": {"values": [
            {"key": "x", "value": {"bytesValue": "AP/+"}}]}}}],
        "droppedAttributesCount": 3,
        "events": [{"timeUnixNano": "5", "name": "e",
                    "attributes": [{"key": "a", "value": {"intValue": 0}}],
                    "droppedAttributesCount": 4}],
        "droppedEventsCount": 5,
        "links": [{"traceId": "01", "spanId": "02", "traceState": "s",
                   "attributes": [{"key": "a"}], "droppedAttributesCount": 6, "flags": 7}],
        "droppedLinksCount": 8,
        "status": {"message": "no", "code": 2},
        "flags": 257}],
      "schemaUrl": "inner"}],
    "schemaUrl": "outer"}]})");
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(expected, found)) << difference;
}

// What the size metric counts is that of the canonical encoding.
TEST(JsonDecoderTest, TheEncodingIsAsShortAsThatOfALibrary) {
  const std::string json = WithSpan(
      R"("traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":")" +
      std::string(300, 'n') +
      R"(","kind":0,"startTimeUnixNano":"0","traceState":"","droppedEventsCount":0,"flags":0,
      "attributes":[{"key":"","value":{"stringValue":""}},{"key":"k","value":{"arrayValue":{"values":
      [{"intValue":"1"},{"boolValue":false}]}}}],"status":{})");
  JsonDecoder decoder;
  std::string error;
  ASSERT_TRUE(decoder.Decode(json, &error)) << error;
  ExportTraceServiceRequest request;
  ASSERT_TRUE(request.ParseFromString(std::string(decoder.message())));
  EXPECT_EQ(request.ByteSizeLong(), decoder.message().size());
}

TEST(JsonDecoderTest, NumbersMayBeNumbersOrStrings) {
  EXPECT_EQ(1544712660000000001,
            SpanOf(R"("startTimeUnixNano": 1544712660000000001)").start_time_unix_nano());
  EXPECT_EQ(5, SpanOf(R"("droppedEventsCount": "5")").dropped_events_count());
  EXPECT_EQ(1000, SpanOf(R"("startTimeUnixNano": 1e3)").start_time_unix_nano());
  EXPECT_EQ(2, ValueOf(R"({"intValue": 2.0})").int_value());
  EXPECT_EQ(-2, ValueOf(R"({"intValue": "-2"})").int_value());
  EXPECT_EQ(2.5, ValueOf(R"({"doubleValue": "2.5"})").double_value());
  EXPECT_EQ(3, ValueOf(R"({"doubleValue": 3})").double_value());
}

TEST(JsonDecoderTest, DoublesThatNoNumberOfJsonIsAreWords) {
  EXPECT_TRUE(std::isnan(ValueOf(R"({"doubleValue": "NaN"})").double_value()));
  EXPECT_EQ(HUGE_VAL, ValueOf(R"({"doubleValue": "Infinity"})").double_value());
  EXPECT_EQ(-HUGE_VAL, ValueOf(R"({"doubleValue": "-Infinity"})").double_value());
  EXPECT_EQ(0, ValueOf(R"({"doubleValue": 1e-999})").double_value());
  EXPECT_TRUE(std::signbit(ValueOf(R"({"doubleValue": -1e-999})").double_value()));
  EXPECT_THAT(ErrorOfSpan(R"("attributes":[{"value":{"doubleValue": "1e999"}}])"),
              HasSubstr("spans[0].attributes[0].value.doubleValue: must be a number"));
  EXPECT_THAT(ErrorOfSpan(R"("attributes":[{"value":{"doubleValue": "inf"}}])"),
              HasSubstr("must be a number"));
}

TEST(JsonDecoderTest, NumbersThatDoNotFitAreRefused) {
  for (const char* members :
       {R"("startTimeUnixNano": -1)", R"("startTimeUnixNano": "18446744073709551616")",
        R"("startTimeUnixNano": 1.5)", R"("startTimeUnixNano": "")",
        R"("startTimeUnixNano": "0x10")", R"("startTimeUnixNano": " 1")",
        R"("startTimeUnixNano": true)", R"("droppedEventsCount": 4294967296)", R"("flags": -1)",
        R"("kind": 2147483648)", R"("kind": "CLIENT")", R"("kind": 1.5)"}) {
    EXPECT_THAT(ErrorOfSpan(members), StartsWith("resourceSpans[0].scopeSpans[0].spans[0]."))
        << members;
  }
}

TEST(JsonDecoderTest, EnumsMayBeNumbersOrNames) {
  EXPECT_EQ(3, SpanOf(R"("kind": "SPAN_KIND_CLIENT")").kind());
  EXPECT_EQ(3, SpanOf(R"("kind": "3")").kind());
  EXPECT_EQ(77, SpanOf(R"("kind": 77)").kind());
  EXPECT_EQ(-1, SpanOf(R"("kind": -1)").kind());
  EXPECT_EQ(1, SpanOf(R"("status": {"code": "STATUS_CODE_OK"})").status().code());
}

TEST(JsonDecoderTest, FieldsMayHaveTheirOriginalNames) {
  EXPECT_EQ("\x01\x02", Decode(R"({"resource_spans":[{"scope_spans":[{"spans":[
                                    {"trace_id":"0102"}]}]}]})")
                            .resource_spans(0)
                            .scope_spans(0)
                            .spans(0)
                            .trace_id());
}

TEST(JsonDecoderTest, UnknownFieldsAreIgnored) {
  const auto span = SpanOf(
      R"("new": {"a": [1, {"b": [[]]}], "name": "x"}, "name": "y", "Name": "z", "other": [[{}], null],
         "more": "text", "flag": true)");
  EXPECT_EQ("y", span.name());
  EXPECT_EQ(span.ByteSizeLong(), 3);
}

TEST(JsonDecoderTest, NullIsAFieldThatIsNotThere) {
  EXPECT_EQ(0, SpanOf(R"("name": null, "kind": null, "attributes": null, "status": null,
                         "startTimeUnixNano": null)")
                   .ByteSizeLong());
  EXPECT_EQ(0, Decode(R"({"resourceSpans": null})").resource_spans_size());
  EXPECT_THAT(ErrorOf(R"({"resourceSpans": [null]})"), HasSubstr("resourceSpans[0]: must hold"));
}

TEST(JsonDecoderTest, BytesAreBase64OfEitherAlphabetWithOrWithoutPadding) {
  for (const char* text : {"+/8=", "-_8=", "+/8", "-_8"}) {
    EXPECT_EQ("\xfb\xff", ValueOf(std::string(R"({"bytesValue": ")") + text + "\"}").bytes_value());
  }
  EXPECT_EQ("", ValueOf(R"({"bytesValue": ""})").bytes_value());
  EXPECT_EQ("a", ValueOf(R"({"bytesValue": "YQ=="})").bytes_value());
  for (const char* text : {"Y", "YQ=", "YQ===", "Y!==", "=", "YWJj="}) {
    EXPECT_THAT(
        ErrorOfSpan(std::string(R"("attributes":[{"value":{"bytesValue":")") + text + "\"}}]"),
        HasSubstr("bytesValue: must be base64"))
        << text;
  }
}

TEST(JsonDecoderTest, TextsMayHaveEscapes) {
  EXPECT_EQ("a\"\\/\b\f\n\r\t\xc3\xa4\xf0\x9f\x98\x80",
            SpanOf(R"("name": "a\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00")").name());
  EXPECT_EQ(std::string("\0", 1), SpanOf(R"("name": "\u0000")").name());
}

TEST(JsonDecoderTest, IdsOfAnyLengthAreRead) {
  // Whether they are valid is the decoder's business: the span alone is rejected then.
  EXPECT_EQ("\xab", SpanOf(R"("spanId": "aB")").span_id());
  EXPECT_EQ("", SpanOf(R"("spanId": "")").span_id());
  EXPECT_THAT(ErrorOfSpan(R"("spanId": "abc")"), HasSubstr("spanId: must have an even number"));
  EXPECT_THAT(ErrorOfSpan(R"("spanId": "zz")"), HasSubstr("spanId: must consist of hexadecimal"));
  EXPECT_THAT(ErrorOfSpan(R"("spanId": 12)"), HasSubstr("spanId: must be a string"));
}

TEST(JsonDecoderTest, AValueHasOneType) {
  EXPECT_THAT(ErrorOfSpan(R"("attributes":[{"value":{"intValue":1,"boolValue":true}}])"),
              HasSubstr("boolValue: must not be there beside another value"));
  EXPECT_EQ(1, ValueOf(R"({"intValue":1,"boolValue":null})").int_value());
}

TEST(JsonDecoderTest, FieldsThatComeTwiceAreRefused) {
  EXPECT_THAT(ErrorOfSpan(R"("name": "a", "name": "b")"),
              HasSubstr("name: must be there only once"));
  EXPECT_THAT(ErrorOfSpan(R"("spanId": "ab", "span_id": "ab")"), HasSubstr("only once"));
}

TEST(JsonDecoderTest, SaysWhatIsOfTheWrongType) {
  EXPECT_THAT(ErrorOf("[]"), StartsWith("the request: must be an object"));
  EXPECT_THAT(ErrorOf("1"), StartsWith("the request: must be an object"));
  EXPECT_THAT(ErrorOf("null"), StartsWith("the request: must be an object"));
  EXPECT_THAT(ErrorOf(R"({"resourceSpans": {}})"), StartsWith("resourceSpans: must be a list"));
  EXPECT_THAT(ErrorOf(R"({"resourceSpans": [[]]})"), HasSubstr("must hold objects"));
  EXPECT_THAT(ErrorOf(R"({"resourceSpans": [{}, 1]})"), HasSubstr("must hold objects"));
  EXPECT_THAT(ErrorOfSpan(R"("name": 1)"), HasSubstr("name: must be a string"));
  EXPECT_THAT(ErrorOfSpan(R"("name": {})"), HasSubstr("name: must be no object"));
  EXPECT_THAT(ErrorOfSpan(R"("name": [])"), HasSubstr("name: must be no list"));
  EXPECT_THAT(ErrorOfSpan(R"("name": false)"), HasSubstr("name: must be no boolean"));
  EXPECT_THAT(ErrorOfSpan(R"("status": "x")"), HasSubstr("status: must be an object"));
  EXPECT_THAT(ErrorOfSpan(R"("events": "x")"), HasSubstr("events: must be a list"));
}

TEST(JsonDecoderTest, SaysWhereJsonIsMalformed) {
  EXPECT_THAT(ErrorOf(""), HasSubstr("malformed JSON"));
  EXPECT_THAT(ErrorOf("{"), HasSubstr("at byte 1"));
  EXPECT_THAT(ErrorOf(R"({"resourceSpans":[}])"), HasSubstr("at byte 18"));
  EXPECT_THAT(ErrorOf("{} x"), HasSubstr("at byte 3"));
  EXPECT_THAT(ErrorOf(std::string("{}\0{}", 5)), HasSubstr("at byte 2"));
  EXPECT_THAT(ErrorOf(R"({"a":01})"), HasSubstr("malformed JSON"));
  EXPECT_THAT(ErrorOf(R"({"a":"\ud800"})"), HasSubstr("malformed JSON"));
  EXPECT_THAT(ErrorOf("{\"a\":\"\n\"}"), HasSubstr("malformed JSON"));
}

TEST(JsonDecoderTest, NestingIsBounded) {
  std::string deep = R"({"x":)";
  for (int i = 0; i < 300; ++i) deep += "[";
  EXPECT_THAT(ErrorOf(deep), HasSubstr("nests deeper than 256"));
  std::string objects = R"({"resourceSpans":[{"resource":{"attributes":[{"value":)";
  for (int i = 0; i < 300; ++i) objects += R"({"arrayValue":{"values":[)";
  EXPECT_THAT(ErrorOf(objects), HasSubstr("nests deeper than 256"));
  // As deep as the decoder looks into.
  std::string fine = R"({"resourceSpans":[{"resource":{"attributes":[{"value":)";
  for (int i = 0; i < 63; ++i) fine += R"({"arrayValue":{"values":[)";
  fine += "{}";
  for (int i = 0; i < 63; ++i) fine += "]}}";
  fine += "}]}}]}";
  JsonDecoder decoder;
  std::string error;
  EXPECT_TRUE(decoder.Decode(fine, &error)) << error;
}

TEST(JsonDecoderTest, MemoryIsBoundedWhateverTheRequestIs) {
  // Nothing is shorter than an empty object.
  std::string empty = R"({"resourceSpans":[{})";
  for (int i = 0; i < 100'000; ++i) empty += ",{}";
  EXPECT_THAT(ErrorOf(empty + "]}"), HasSubstr("too many empty objects"));
  // Nothing takes more than a negative enum.
  JsonDecoder decoder;
  std::string error;
  std::string negative = R"({"resourceSpans":[{"scopeSpans":[{"spans":[{"kind":-1})";
  for (int i = 0; i < 10'000; ++i) negative += R"(,{"kind":-1})";
  EXPECT_TRUE(decoder.Decode(negative + "]}]}]}", &error)) << error;
  EXPECT_LE(2 * decoder.message().size(), JsonDecoder::Room(negative.size()));
}

TEST(JsonDecoderTest, TheNextRequestKnowsNothingOfTheLast) {
  JsonDecoder decoder;
  std::string error;
  ASSERT_TRUE(decoder.Decode(WithSpan(R"("name": "first")"), &error));
  EXPECT_FALSE(decoder.Decode(R"({"resourceSpans": [{"x": [)", &error));
  ASSERT_TRUE(decoder.Decode("{}", &error)) << error;
  EXPECT_EQ("", decoder.message());
  decoder.Trim(0);
  ASSERT_TRUE(decoder.Decode(WithSpan(R"("name": "y")"), &error)) << error;
  EXPECT_EQ(std::string("\n\x07\x12\x05\x12\x03*\x01y", 9), decoder.message());
}

}  // namespace
}  // namespace spanmeter
