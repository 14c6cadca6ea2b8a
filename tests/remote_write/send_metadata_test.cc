// What receivers of version 1.0 are told about metrics apart from their samples.

#include <snappy.h>
#include <string>
#include <vector>

#include <prometheus/write/v1.pb.h>

#include "remote_write/send_fixture.h"
#include "remote_write/write_request.h"

namespace spanmeter {
namespace {

using testing::ElementsAre;

// "TYPE NAME HELP" of each metric in a request.
std::vector<std::string> Metadata(const std::string& body) {
  std::string plain;
  EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &plain));
  prometheus::WriteRequest request;
  EXPECT_TRUE(request.ParseFromString(plain));
  EXPECT_EQ(request.timeseries_size(), 0);
  std::vector<std::string> metrics;
  for (const auto& metadata : request.metadata()) {
    metrics.push_back(std::to_string(metadata.type()) + " " + metadata.metric_family_name() + " " +
                      metadata.help());
  }
  return metrics;
}

MetricInfo Metric(const std::string& name, MetricType type, const std::string& help) {
  MetricInfo info;
  info.name = name;
  info.type = type;
  info.help = help;
  return info;
}

class SendMetadataTest : public SendLoopTest {
 protected:
  SendMetadataTest() {
    options_.protobuf_message = RemoteWriteProtocol::k1;
    metadata_ = {spanmeter::Metric("a_total", MetricType::kCounter, "Help of a."),
                 spanmeter::Metric("b", MetricType::kHistogram, "")};
  }
  using SendLoopTest::Metric;

  void Pass(int64_t seconds) { clock_.Advance(seconds * kNanosPerSecond); }
};

TEST(EncodeMetadata, WritesTypesNamesAndHelpTexts) {
  const std::string long_help(100'000, 'x');
  EXPECT_THAT(
      Metadata(EncodeMetadata(std::vector<MetricInfo>{
          Metric("c_total", MetricType::kCounter, "C."), Metric("g", MetricType::kGauge, "G\n\"."),
          Metric("h", MetricType::kHistogram, long_help), Metric("u", MetricType::kUntyped, "")})),
      ElementsAre("1 c_total C.", "2 g G\n\".", "3 h " + long_help, "0 u "));
}

TEST_F(SendMetadataTest, GoesSoonAfterTheStartAndThenInIntervals) {
  options_.metadata_config.send_interval = 60 * kNanosPerSecond;
  Begin();
  Step();
  EXPECT_EQ(open(), 0U);
  for (const int64_t pause_seconds : {2, 60, 60}) {
    Pass(pause_seconds - 1);
    Step();
    EXPECT_EQ(open(), 0U);
    Pass(1);
    Step();
    ASSERT_EQ(open(), 1U);
    EXPECT_THAT(Metadata(OpenBody()), ElementsAre("1 a_total Help of a.", "3 b "));
    EXPECT_EQ(client_->open.front().headers.at("X-Prometheus-Remote-Write-Version"), "0.1.0");
    AnswerAll(204);
    Step();
  }
  EXPECT_EQ(Metric("metadata_total"), 6);
  EXPECT_GT(Metric("metadata_bytes_total"), 0);
  EXPECT_EQ(Metric("samples_total"), 0);
}

TEST_F(SendMetadataTest, HasAtMostSoManyMetricsInARequest) {
  options_.metadata_config.max_samples_per_send = 2;
  metadata_.clear();
  for (int i = 0; i < 5; ++i) {
    metadata_.push_back(spanmeter::Metric(std::to_string(i) + "_total", MetricType::kCounter, ""));
  }
  Begin();
  Pass(2);
  std::vector<size_t> sizes;
  for (int i = 0; i < 4; ++i) {
    Step();
    if (open() == 0) break;
    sizes.push_back(Metadata(OpenBody()).size());
    AnswerAll(200);
    Step();
  }
  EXPECT_THAT(sizes, ElementsAre(2, 2, 1));
}

TEST_F(SendMetadataTest, IsNotSentInVersionTwoOrWhenSwitchedOff) {
  options_.protobuf_message = RemoteWriteProtocol::k2;
  Begin();
  Pass(120);
  Step();
  EXPECT_EQ(open(), 0U);
  options_.protobuf_message = RemoteWriteProtocol::k1;
  options_.metadata_config.send = false;
  Begin();
  Pass(120);
  Step();
  EXPECT_EQ(open(), 0U);
}

TEST_F(SendMetadataTest, FollowsSoonWhenTheReceiverFallsBack) {
  options_.protobuf_message = RemoteWriteProtocol::kAuto;
  Begin();
  Pass(10);
  Step();
  Append({Real(3)});
  Step();
  Answer(415);
  Step();
  AnswerAll(200);
  Step();
  EXPECT_EQ(open(), 0U);
  Pass(2);
  Step();
  ASSERT_EQ(open(), 1U);
  EXPECT_EQ(Metadata(OpenBody()).size(), 2U);
}

TEST_F(SendMetadataTest, SamplesDoNotWaitForItsAnswer) {
  Begin();
  Pass(2);
  Step();
  ASSERT_EQ(open(), 1U);
  Append({Real(3, Protocol::k1)});
  Step();
  ASSERT_EQ(open(), 2U);
  Answer(200, {}, "", 1);
  Step();
  EXPECT_EQ(Metric("samples_total"), 3);
}

TEST_F(SendMetadataTest, IsSentAgainAfterAFailureWhileSamplesGoOn) {
  Begin();
  Pass(2);
  Step();
  ASSERT_EQ(open(), 1U);
  const std::string body = OpenBody();
  AnswerAll(503);
  Step();
  EXPECT_EQ(Metric("metadata_retried_total"), 2);
  Append({Real(3, Protocol::k1)});
  Step();
  ASSERT_EQ(open(), 1U);
  EXPECT_NE(OpenBody(), body);
  AnswerAll(200);
  Step();
  clock_.Advance(100 * kNanosPerMilli);
  Step();
  EXPECT_EQ(OpenBody(), body);
  // The receiver may say when.
  Answer(429, {{"retry-after", "20"}});
  Step();
  Pass(19);
  Step();
  EXPECT_EQ(open(), 0U);
  Pass(1);
  Step();
  EXPECT_EQ(OpenBody(), body);
}

TEST_F(SendMetadataTest, IsGivenUpWhenItIsRefused) {
  Begin();
  Pass(2);
  Step();
  Answer(400, {}, "no metadata, please");
  Step();
  Step();
  EXPECT_EQ(open(), 0U);
  EXPECT_EQ(Metric("metadata_failed_total"), 2);
  EXPECT_EQ(Metric("metadata_total"), 0);
  EXPECT_EQ(loop_->status().last_error, "HTTP 400: no metadata, please");
}

TEST_F(SendMetadataTest, DoesNotHoldUpTheEnd) {
  Begin();
  Pass(2);
  Step();
  ASSERT_EQ(open(), 1U);
  loop_->Hurry(kNeverNanos);
  EXPECT_TRUE(loop_->Done());
  AnswerAll(503);
  Step();
  Pass(120);
  Step();
  EXPECT_EQ(open(), 0U);
}

TEST_F(SendMetadataTest, GoesAsSoonAsThereIsSome) {
  const std::vector<MetricInfo> later = std::exchange(metadata_, {});
  Begin();
  Pass(2);
  Step();
  EXPECT_EQ(open(), 0U);
  metadata_ = later;
  Pass(2);
  Step();
  ASSERT_EQ(open(), 1U);
  EXPECT_EQ(Metadata(OpenBody()).size(), 2U);
}

// A receiver with tenants refuses what names none, and shows each tenant its own metrics only.
TEST_F(SendMetadataTest, EachTenantGetsItsOwn) {
  by_tenant_ = true;
  options_.metadata_config.max_samples_per_send = 1;
  metadata_of_["a"] = metadata_;
  metadata_of_["b"] = {spanmeter::Metric("c", MetricType::kGauge, "")};
  metadata_of_["silent"] = metadata_;
  Begin();
  Append({Real(1, Protocol::k1)}, "a");
  Append({Real(1, Protocol::k1)}, "b");
  const auto send_samples = [this] {
    for (int i = 0; i < 5; ++i) {
      Step();
      AnswerAll(204);
    }
    EXPECT_EQ(queue_->stats().blocks, 0U);
  };
  const auto send_metadata = [this] {
    std::vector<std::string> sent;
    for (int i = 0; i < 5; ++i) {
      Step();
      for (const HttpRequest& request : client_->open) {
        for (const std::string& metric : Metadata(request.body)) {
          sent.push_back(request.headers.at("X-Scope-OrgID") + ": " + metric);
        }
      }
      AnswerAll(204);
    }
    return sent;
  };
  send_samples();
  Pass(2);
  EXPECT_THAT(send_metadata(), ElementsAre("a: 1 a_total Help of a.", "a: 3 b ", "b: 2 c "));
  Append({Real(1, Protocol::k1)}, "b");
  send_samples();
  Pass(60);
  EXPECT_THAT(send_metadata(), ElementsAre("b: 2 c ")) << "nothing came from the other one";
}

}  // namespace
}  // namespace spanmeter
