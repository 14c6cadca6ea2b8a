#include "remote_write/write_request.h"

#include <map>
#include <snappy.h>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/write/v1.pb.h>

namespace spanmeter {
namespace {

using testing::Pair;
using testing::UnorderedElementsAre;

prometheus::WriteRequest Decoded(const std::string& body) {
  std::string text;
  EXPECT_TRUE(snappy::Uncompress(body.data(), body.size(), &text));
  prometheus::WriteRequest request;
  EXPECT_TRUE(request.ParseFromString(text));
  return request;
}

TEST(WriteHeaders, NameTheVersion) {
  EXPECT_THAT(WriteHeaders(Protocol::k1),
              UnorderedElementsAre(Pair("Content-Encoding", "snappy"),
                                   Pair("Content-Type", "application/x-protobuf"),
                                   Pair("X-Prometheus-Remote-Write-Version", "0.1.0")));
  EXPECT_THAT(
      WriteHeaders(Protocol::k2),
      UnorderedElementsAre(
          Pair("Content-Encoding", "snappy"),
          Pair("Content-Type", "application/x-protobuf;proto=io.prometheus.write.v2.Request"),
          Pair("X-Prometheus-Remote-Write-Version", "2.0.0")));
}

TEST(EncodeMetadata, HasEveryTypeAndText) {
  std::vector<MetricInfo> metrics(5);
  metrics[0] = {"calls_total", "Calls.", MetricType::kCounter, {}};
  metrics[1] = {"up", "", MetricType::kGauge, {}};
  metrics[2] = {"latency", "Sekunden, ü \"\\\n", MetricType::kHistogram, {1, 2}};
  metrics[3] = {"other", std::string(100'000, 'h'), MetricType::kUntyped, {}};
  metrics[4] = {std::string(300, 'n'), std::string("a\0b", 3), MetricType::kCounter, {}};
  const prometheus::WriteRequest request = Decoded(EncodeMetadata(metrics));
  EXPECT_EQ(request.timeseries_size(), 0);
  ASSERT_EQ(request.metadata_size(), 5);
  // The numbers of prompb's MetricMetadata.MetricType.
  const int types[] = {1, 2, 3, 0, 1};
  for (int i = 0; i < 5; ++i) {
    const MetricInfo& metric = metrics[static_cast<size_t>(i)];
    EXPECT_EQ(request.metadata(i).metric_family_name(), metric.name);
    EXPECT_EQ(request.metadata(i).help(), metric.help);
    EXPECT_EQ(static_cast<int>(request.metadata(i).type()), types[i]) << metric.name;
    EXPECT_EQ(request.metadata(i).unit(), "");
  }
}

TEST(EncodeMetadata, OfNothingIsAnEmptyRequest) {
  EXPECT_EQ(Decoded(EncodeMetadata({})).metadata_size(), 0);
}

}  // namespace
}  // namespace spanmeter
