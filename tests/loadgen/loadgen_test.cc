#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>
#include <zlib.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "loadgen/latency_histogram.h"
#include "loadgen/load_options.h"
#include "loadgen/report.h"
#include "loadgen/shop.h"
#include "loadgen/synthetic_load.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace spanmeter::loadgen {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using Request = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
using OtlpSpan = opentelemetry::proto::trace::v1::Span;

std::string Bytes(grpc::ByteBuffer message) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(message.Dump(&slices).ok());
  std::string bytes;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  return bytes;
}

// A request with the service of each span beside it.
std::vector<std::pair<std::string, OtlpSpan>> Spans(const Batch& batch) {
  Request request;
  EXPECT_TRUE(request.ParseFromString(Bytes(batch.message)));
  std::vector<std::pair<std::string, OtlpSpan>> spans;
  for (const auto& resource_spans : request.resource_spans()) {
    std::string service;
    for (const auto& attribute : resource_spans.resource().attributes()) {
      if (attribute.key() == "service.name") service = attribute.value().string_value();
    }
    for (const auto& scope_spans : resource_spans.scope_spans()) {
      for (const OtlpSpan& span : scope_spans.spans()) spans.emplace_back(service, span);
    }
  }
  EXPECT_THAT(spans, SizeIs(batch.spans));
  return spans;
}

int64_t NowNanos() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string ErrorOf(const std::vector<std::string>& arguments) {
  LoadOptions options;
  std::string error;
  EXPECT_FALSE(ParseLoadOptions(arguments, &options, &error));
  return error;
}

LoadOptions OptionsOf(const std::vector<std::string>& arguments) {
  LoadOptions options;
  std::string error;
  EXPECT_TRUE(ParseLoadOptions(arguments, &options, &error)) << error;
  return options;
}

TEST(LoadOptionsTest, TakesValuesWithAndWithoutEqualsSign) {
  const LoadOptions options =
      OptionsOf({"--batch=7", "--target", "[::1]:4", "--gzip", "--duration", "1.5s"});
  EXPECT_EQ(options.batch, 7U);
  EXPECT_EQ(options.target, "[::1]:4");
  EXPECT_TRUE(options.gzip);
  EXPECT_EQ(options.duration_nanos, 1'500'000'000);
}

TEST(LoadOptionsTest, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(ErrorOf({"--bacth=7"}), "unknown flag --bacth, see --help");
  EXPECT_EQ(ErrorOf({"7"}), "unknown flag 7, see --help");
}

TEST(LoadOptionsTest, RefusesValuesThatCannotBe) {
  EXPECT_THAT(ErrorOf({"--batch=0"}), HasSubstr("must be a whole number from 1 to 100000"));
  EXPECT_THAT(ErrorOf({"--batch=7x"}), HasSubstr("--batch is \"7x\""));
  EXPECT_THAT(ErrorOf({"--batch"}), HasSubstr("needs a value"));
  EXPECT_THAT(ErrorOf({"--gzip=yes"}), HasSubstr("takes no value"));
  EXPECT_THAT(ErrorOf({"--duration=3"}), HasSubstr("a duration such as"));
  EXPECT_THAT(ErrorOf({"--duration=0s"}), HasSubstr("a duration such as"));
  EXPECT_THAT(ErrorOf({"--rate=-1"}), HasSubstr("spans per second"));
}

TEST(LoadOptionsTest, RefusesContradictions) {
  EXPECT_THAT(ErrorOf({"--label-sets=100", "--span-names=5"}), HasSubstr("exclude each other"));
  EXPECT_THAT(ErrorOf({"--label-sets=5", "--services=6"}), HasSubstr("at least --services"));
  EXPECT_THAT(ErrorOf({"--tls-cert=a", "--tls-ca=b"}), HasSubstr("go together"));
  EXPECT_THAT(ErrorOf({"--http", "--connections=501", "--in-flight=2"}), HasSubstr("1000"));
}

TEST(LoadOptionsTest, EachProtocolHasItsPort) {
  EXPECT_EQ(OptionsOf({}).target, "localhost:4317");
  EXPECT_EQ(OptionsOf({"--http"}).target, "localhost:4318");
  EXPECT_EQ(OptionsOf({"--http", "--target=a:1"}).target, "a:1");
}

TEST(LoadOptionsTest, TheShopIsSlowUnlessARateIsGiven) {
  EXPECT_EQ(OptionsOf({"--scenario=shop"}).rate, kShopRate);
  EXPECT_EQ(OptionsOf({"--scenario=shop", "--rate=0"}).rate, 0);
}

TEST(LoadOptionsTest, HelpNamesEveryFlag) {
  EXPECT_THAT(LoadOptionsHelp(), HasSubstr("--label-sets N"));
  EXPECT_THAT(LoadOptionsHelp(), HasSubstr("--json"));
}

TEST(LatencyHistogramTest, QuantilesAreWithinASixtyFourth) {
  LatencyHistogram histogram;
  for (int64_t i = 1; i <= 100'000; ++i) histogram.Add(i * 1000);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const double exact = q * 1e8;
    EXPECT_GE(static_cast<double>(histogram.Quantile(q)), exact);
    EXPECT_LE(static_cast<double>(histogram.Quantile(q)), exact * (1 + 1.0 / 64));
  }
  EXPECT_EQ(histogram.Quantile(1), 100'000'000);
  EXPECT_EQ(histogram.max_nanos(), 100'000'000);
}

TEST(LatencyHistogramTest, MergedHistogramsAreOne) {
  LatencyHistogram a;
  LatencyHistogram b;
  a.Add(10);
  b.Add(20);
  b.Add(INT64_MAX);
  a.Merge(b);
  EXPECT_EQ(a.count(), 3U);
  EXPECT_EQ(a.Quantile(0.3), 10);
  EXPECT_EQ(a.Quantile(0.6), 20);
  EXPECT_EQ(a.Quantile(1), INT64_MAX);
}

TEST(SyntheticLoadTest, BeginsWithTheLabelSetThatWasAskedFor) {
  SyntheticLoad load(
      OptionsOf({"--label-sets=10", "--first-label-set=25", "--services=5", "--batch=10"}));
  std::set<std::string> sent;
  for (const auto& [service, span] : Spans(load.Next())) sent.insert(service + span.name());
  std::set<std::string> expected;
  for (int number = 25; number < 35; ++number) {
    expected.insert("service-" + std::to_string(number % 5) + "GET /api/resource/" +
                    std::to_string(number / 5));
  }
  EXPECT_EQ(expected, sent);
}

TEST(SyntheticLoadTest, SendsExactlyTheLabelSetsThatWereAskedFor) {
  SyntheticLoad load(OptionsOf({"--label-sets=1000", "--services=7", "--batch=100"}));
  std::map<std::string, int> label_sets;
  for (int i = 0; i < 32; ++i) {
    for (const auto& [service, span] : Spans(load.Next())) {
      ++label_sets[service + "/" + span.name() + "/" + std::to_string(span.kind()) + "/" +
                   std::to_string(span.status().code())];
    }
  }
  EXPECT_THAT(label_sets, SizeIs(1000));
  for (const auto& [label_set, count] : label_sets) EXPECT_THAT(count, testing::AnyOf(3, 4));
}

TEST(SyntheticLoadTest, SpansAreOfNowAndHaveTheAskedAttributes) {
  SyntheticLoad load(OptionsOf({"--attributes=14", "--attribute-bytes=33"}));
  for (const auto& [service, span] : Spans(load.Next())) {
    EXPECT_NEAR(static_cast<double>(span.end_time_unix_nano()), static_cast<double>(NowNanos()),
                60e9);
    EXPECT_LT(span.start_time_unix_nano(), span.end_time_unix_nano());
    EXPECT_GT(span.start_time_unix_nano(), span.end_time_unix_nano() - 11'000'000'000);
    EXPECT_THAT(span.trace_id(), SizeIs(16));
    EXPECT_THAT(span.span_id(), SizeIs(8));
    ASSERT_THAT(span.attributes(), SizeIs(14));
    std::set<std::string> keys;
    for (const auto& attribute : span.attributes()) {
      keys.insert(attribute.key());
      EXPECT_THAT(attribute.value().string_value(), SizeIs(33));
    }
    EXPECT_THAT(keys, SizeIs(14));
  }
}

TEST(SyntheticLoadTest, DefaultSpansHaveAboutAsManyBytesAsPromised) {
  SyntheticLoad load(OptionsOf({}));
  const Batch batch = load.Next();
  const double bytes = static_cast<double>(batch.message.Length()) / 512;
  EXPECT_GT(bytes, 500);
  EXPECT_LT(bytes, 600);
}

TEST(SyntheticLoadTest, CompressedRequestsAreTheSameRequests) {
  SyntheticLoad plain(OptionsOf({"--batch=50"}));
  SyntheticLoad compressed(OptionsOf({"--batch=50", "--gzip"}));
  const std::string gzip = Bytes(compressed.Next().message);
  std::string text(1 << 20, '\0');
  z_stream stream = {};
  ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(gzip.data()));
  stream.avail_in = static_cast<uInt>(gzip.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  // The times differ, by the moment at which they were stamped.
  EXPECT_EQ(text.size(), Bytes(plain.Next().message).size());
  Request request;
  EXPECT_TRUE(request.ParseFromString(text));
}

TEST(ShopTest, TracesAreCompleteAndTheirParentsEncloseThem) {
  Shop shop(/*gzip=*/false);
  struct Place {
    std::string service;
    OtlpSpan span;
  };
  std::map<std::string, std::map<std::string, Place>> traces;  // by trace id, by span id
  std::string last_trace;
  for (int i = 0; i < 2000; ++i) {
    for (const auto& [service, span] : Spans(shop.Next())) {
      EXPECT_TRUE(traces[span.trace_id()].emplace(span.span_id(), Place{service, span}).second);
    }
  }
  size_t roots = 0;
  size_t unfinished = 0;
  std::set<std::pair<std::string, std::string>> edges;
  for (const auto& [trace_id, spans] : traces) {
    for (const auto& [span_id, place] : spans) {
      const OtlpSpan& span = place.span;
      if (span.parent_span_id().empty()) {
        ++roots;
        EXPECT_EQ(place.service, "frontend");
        EXPECT_EQ(span.kind(), OtlpSpan::SPAN_KIND_SERVER);
        continue;
      }
      const auto parent = spans.find(span.parent_span_id());
      if (parent == spans.end()) {
        ++unfinished;  // another service sends it in a later request
        continue;
      }
      EXPECT_GE(span.start_time_unix_nano(), parent->second.span.start_time_unix_nano());
      if (span.kind() != OtlpSpan::SPAN_KIND_CONSUMER) {
        EXPECT_LE(span.end_time_unix_nano(), parent->second.span.end_time_unix_nano());
      }
      if (place.service != parent->second.service) {
        edges.emplace(parent->second.service, place.service);
      }
    }
  }
  EXPECT_GT(roots, 100U);
  // At most the visits that were being sent when we stopped.
  EXPECT_LE(unfinished, 60U);
  EXPECT_TRUE(edges.contains({"frontend", "checkout"}));
  EXPECT_TRUE(edges.contains({"checkout", "payment"}));
  EXPECT_TRUE(edges.contains({"checkout", "shipping"}));
}

TEST(ShopTest, HasErrorsAndEveryKindOfSpan) {
  Shop shop(/*gzip=*/false);
  std::set<int> kinds;
  size_t spans = 0;
  size_t errors = 0;
  for (int i = 0; i < 3000; ++i) {
    for (const auto& [service, span] : Spans(shop.Next())) {
      kinds.insert(span.kind());
      ++spans;
      if (span.status().code() == 2) ++errors;
    }
  }
  EXPECT_THAT(kinds, testing::ElementsAre(1, 2, 3, 4, 5));
  EXPECT_GT(errors, spans / 1000);
  EXPECT_LT(errors, spans / 10);
}

TEST(ReportTest, JsonSaysWhatWasAcknowledgedAndRefused) {
  Summary summary;
  summary.score.requests = 3;
  summary.score.sent_spans = 300;
  summary.score.acknowledged_spans = 150;
  summary.score.rejected_spans = 50;
  summary.score.refused_spans["UNAVAILABLE"] = 100;
  summary.score.error_example["UNAVAILABLE"] = "stopping";
  summary.elapsed_seconds = 2;
  summary.server_cpu_seconds = 0.3;
  EXPECT_THAT(SummaryJson(summary),
              HasSubstr("\"acknowledged\":150,\"rejected\":50,\"elapsed_seconds\":2.000000,"
                        "\"spans_per_second\":75.0,\"refused\":{\"UNAVAILABLE\":100}"));
  EXPECT_THAT(SummaryJson(summary),
              HasSubstr("\"server_cpu_seconds_per_million_spans\":2000.0000}"));
  EXPECT_THAT(SummaryText(summary), HasSubstr("UNAVAILABLE 100: stopping"));
}

}  // namespace
}  // namespace spanmeter::loadgen
