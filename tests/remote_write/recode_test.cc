#include "remote_write/recode.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "remote_write/decoded_requests.h"
#include "remote_write/request_encoder.h"

namespace spanmeter {
namespace {

constexpr int64_t kStamp = 1'700'000'000'000;

// A request with a bit of everything, different for each number.
Block MakeBlock(Protocol protocol, int number) {
  MetricInfo info;
  info.name = "m";
  info.help = "Help.";
  info.type = MetricType::kHistogram;
  info.bounds = {1};
  const MetricNames metric(info, 1);
  const std::string text = "a=\"" + std::to_string(number) + "\",b=\"\\n\"";
  SeriesLabels labels;
  labels.Parse(text);
  RequestEncoder encoder(protocol);
  Exemplar exemplar;
  exemplar.value = number;
  exemplar.timestamp_ms = kStamp + number;
  exemplar.trace_id[3] = static_cast<uint8_t>(number);
  encoder.BeginSeries(labels, {&metric, SeriesPart::kBucket, 1});
  encoder.AddSample(0, kStamp - 1, 0);
  encoder.AddSample(number, kStamp + number, kStamp - 2);
  encoder.AddExemplar("traceID", exemplar);
  encoder.EndSeries();
  const NativeBucket buckets[] = {{-number, 2}, {4, 1}};
  NativeHistogramPoint native;
  native.schema = 3;
  native.zero_count = 2;
  native.buckets = buckets;
  const double count[] = {5};
  encoder.BeginSeries(labels, {&metric, SeriesPart::kPlain});
  encoder.AddHistogram({count, 12.5, {}, &native}, kStamp + number, kStamp - 2);
  encoder.EndSeries();
  Block block;
  block.protocol = protocol;
  block.counts = encoder.counts();
  block.body = encoder.Finish();
  return block;
}

Block Recoded(const std::vector<Block>& blocks, Protocol protocol) {
  Block result;
  result.protocol = protocol;
  for (const Block& block : blocks) result.counts += block.counts;
  EXPECT_TRUE(Recode(blocks, protocol, &result.body));
  return result;
}

TEST(Recode, TakesASingleBlockAsItIs) {
  for (const Protocol protocol : {Protocol::k1, Protocol::k2}) {
    const Block block = MakeBlock(protocol, 1);
    EXPECT_EQ(Recoded({block}, protocol).body, block.body);
  }
}

// Whatever the versions of the blocks, a request of 1.0 says what blocks of 1.0 would have said.
TEST(Recode, PutsBlocksTogetherAndIntoTheOlderVersion) {
  const std::vector<Block> old = {MakeBlock(Protocol::k1, 1), MakeBlock(Protocol::k1, 2),
                                  MakeBlock(Protocol::k1, 3)};
  const std::vector<Block> mixed = {MakeBlock(Protocol::k2, 1), MakeBlock(Protocol::k1, 2),
                                    MakeBlock(Protocol::k2, 3)};
  const DecodedRequests expected = DecodeRequests(old);
  ASSERT_EQ(expected.size(), 6u);
  for (const std::vector<Block>& blocks : {old, mixed}) {
    const Block recoded = Recoded(blocks, Protocol::k1);
    const DecodedRequests requests = DecodeRequests({&recoded, 1});
    ASSERT_EQ(requests.size(), expected.size());
    for (const auto& [labels, series] : expected) {
      ASSERT_TRUE(requests.contains(labels)) << labels;
      EXPECT_EQ(requests.at(labels).points, series.points) << labels;
      EXPECT_EQ(requests.at(labels).exemplars, series.exemplars) << labels;
    }
  }
}

TEST(Recode, KeepsStartTimesAndMetadataOfTheNewerVersion) {
  const std::vector<Block> blocks = {MakeBlock(Protocol::k2, 1), MakeBlock(Protocol::k2, 2)};
  const Block recoded = Recoded(blocks, Protocol::k2);
  const DecodedRequests expected = DecodeRequests(blocks);
  const DecodedRequests requests = DecodeRequests({&recoded, 1});
  ASSERT_EQ(requests.size(), 4u);
  for (const auto& [labels, series] : expected) {
    EXPECT_EQ(requests.at(labels).points, series.points) << labels;
    EXPECT_EQ(requests.at(labels).exemplars, series.exemplars) << labels;
    EXPECT_EQ(requests.at(labels).type, 3u);
    EXPECT_EQ(requests.at(labels).help, "Help.");
  }
}

TEST(Recode, RefusesWhatIsDamaged) {
  std::string body;
  const Block intact = MakeBlock(Protocol::k2, 1);
  Block damaged = intact;
  damaged.body = "not snappy at all";
  EXPECT_FALSE(Recode({{intact, damaged}}, Protocol::k2, &body));
  EXPECT_FALSE(Recode({{damaged}}, Protocol::k1, &body));
  // Symbols that are not there.
  std::string request;
  ASSERT_TRUE(snappy::Uncompress(intact.body.data(), intact.body.size(), &request));
  io::prometheus::write::v2::Request parsed;
  ASSERT_TRUE(parsed.ParseFromString(request));
  parsed.mutable_symbols()->RemoveLast();
  parsed.mutable_symbols()->RemoveLast();
  request = parsed.SerializeAsString();
  snappy::Compress(request.data(), request.size(), &damaged.body);
  EXPECT_FALSE(Recode({{damaged}}, Protocol::k1, &body));
}

}  // namespace
}  // namespace spanmeter
