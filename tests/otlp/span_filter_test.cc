#include "spanmeter/span_filter.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <google/protobuf/io/coded_stream.h>
#include <gtest/gtest.h>

#include "bytes_variant/opentelemetry/proto/collector/trace/v1/trace_service.pb.h"
#include "otlp/random_request.h"
#include "support/otlp_builder.h"

namespace spanmeter {
namespace {

namespace pb = bytes_variant::opentelemetry::proto;
using PbRequest = pb::collector::trace::v1::ExportTraceServiceRequest;
using testing::RequestBuilder;
using testing::SpanBuilder;

std::vector<FilterPolicy> Keep(const std::string& key, const std::string& value) {
  FilterPolicy policy;
  policy.include.emplace();
  policy.include->attributes.push_back({key, value});
  return {policy};
}

bool Parse(std::string_view bytes, PbRequest* request) {
  google::protobuf::io::CodedInputStream stream(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                static_cast<int>(bytes.size()));
  stream.SetRecursionLimit(1'000'000);
  return request->ParseFromCodedStream(&stream) && stream.ConsumedEntireMessage();
}

bool AllZero(const std::string& id) {
  return std::all_of(id.begin(), id.end(), [](char c) { return c == '\0'; });
}

// The plain implementation, for policies that keep the spans of one kind: objects instead of bytes.
struct Model {
  uint64_t kept = 0;
  uint64_t cut = 0;

  bool Keeps(const pb::trace::v1::Span& span) {
    const bool valid = span.trace_id().size() == 16 && !AllZero(span.trace_id()) &&
                       span.span_id().size() == 8 && !AllZero(span.span_id()) &&
                       (span.parent_span_id().empty() || span.parent_span_id().size() == 8);
    const bool keeps = valid && span.kind() == pb::trace::v1::Span::SPAN_KIND_SERVER;
    ++(keeps ? kept : cut);
    return keeps;
  }

  void Cut(PbRequest* request) {
    auto* resources = request->mutable_resource_spans();
    for (int r = 0; r < resources->size();) {
      auto* scopes = resources->Mutable(r)->mutable_scope_spans();
      const bool had_scopes = !scopes->empty();
      for (int s = 0; s < scopes->size();) {
        auto* spans = scopes->Mutable(s)->mutable_spans();
        const bool had_spans = !spans->empty();
        for (int i = 0; i < spans->size();) {
          if (Keeps(spans->Get(i))) {
            ++i;
          } else {
            spans->DeleteSubrange(i, 1);
          }
        }
        if (had_spans && spans->empty()) {
          scopes->DeleteSubrange(s, 1);
        } else {
          ++s;
        }
      }
      if (had_scopes && scopes->empty()) {
        resources->DeleteSubrange(r, 1);
      } else {
        ++r;
      }
    }
  }
};

TEST(SpanFilterTest, CutsAsAPlainImplementationDoes) {
  const SpanFilter filter(Keep("kind", "SPAN_KIND_SERVER"));
  testing::RandomRequests requests(7);
  int cut_requests = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::string bytes = requests.WellFormed();
    PbRequest request;
    ASSERT_TRUE(Parse(bytes, &request));
    Model model;
    model.Cut(&request);
    std::string out = "untouched";
    const SpanFilter::Result result = filter.Apply(bytes, &out);
    ASSERT_EQ(result.kept, model.kept) << "request " << i;
    ASSERT_EQ(result.cut, model.cut) << "request " << i;
    if (result.kept == 0 || result.cut == 0) {
      ASSERT_EQ(out, "untouched");
      continue;
    }
    ++cut_requests;
    PbRequest parsed;
    ASSERT_TRUE(Parse(out, &parsed)) << "request " << i;
    ASSERT_EQ(parsed.SerializeAsString(), request.SerializeAsString()) << "request " << i;
    ASSERT_LT(out.size(), bytes.size());
  }
  // The requests are worth something.
  EXPECT_GT(cut_requests, 2'000);
}

TEST(SpanFilterTest, WhatStaysIsTheSameBytes) {
  const auto span = [](uint64_t n, std::string_view keep) {
    return SpanBuilder::WithIds(n).Name("name").Attribute("keep", keep);
  };
  RequestBuilder before;
  before.Resource({{"service.name", "a"}}).Scope("one").Span(span(1, "yes")).Span(span(2, "no"));
  before.Scope("two").Span(span(3, "no"));
  before.Resource({{"service.name", "b"}}).Scope("three").Span(span(4, "no"));
  before.Resource({{"service.name", "c"}}).Scope("four").Span(span(5, "yes"));
  before.Resource({{"service.name", "d"}});
  RequestBuilder after;
  after.Resource({{"service.name", "a"}}).Scope("one").Span(span(1, "yes"));
  after.Resource({{"service.name", "c"}}).Scope("four").Span(span(5, "yes"));
  after.Resource({{"service.name", "d"}});
  std::string out;
  const SpanFilter::Result result =
      SpanFilter(Keep("span.keep", "yes")).Apply(before.Encode(), &out);
  EXPECT_EQ(result.kept, 2U);
  EXPECT_EQ(result.cut, 3U);
  EXPECT_EQ(out, after.Encode());
}

TEST(SpanFilterTest, ResourceAttributesDecideToo) {
  RequestBuilder request;
  request.Resource({{"service.name", "a"}}).Scope().Span(SpanBuilder::WithIds(1));
  request.Resource({{"service.name", "b"}}).Scope().Span(SpanBuilder::WithIds(2));
  const SpanFilter::Result result =
      SpanFilter(Keep("resource.service.name", "b")).Apply(request.Encode(), nullptr);
  EXPECT_EQ(result.kept, 1U);
  EXPECT_EQ(result.cut, 1U);
}

TEST(SpanFilterTest, SpansWithInvalidIdsAreCut) {
  RequestBuilder request;
  request.Resource().Scope().Span(SpanBuilder::WithIds(1).Name("n")).Span(SpanBuilder().Name("n"));
  std::string out;
  const SpanFilter::Result result = SpanFilter(Keep("name", "n")).Apply(request.Encode(), &out);
  EXPECT_EQ(result.kept, 1U);
  EXPECT_EQ(result.cut, 1U);
  RequestBuilder rest;
  rest.Resource().Scope().Span(SpanBuilder::WithIds(1).Name("n"));
  EXPECT_EQ(out, rest.Encode());
}

}  // namespace
}  // namespace spanmeter
