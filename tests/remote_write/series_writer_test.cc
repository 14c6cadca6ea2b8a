#include "remote_write/series_writer.h"

#include <algorithm>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/key_hash.h"

#include "remote_write/decoded_requests.h"

namespace spanmeter {
namespace {

constexpr int64_t kStamp = 1'700'000'000'000;

class SeriesWriterTest : public testing::Test {
 protected:
  SeriesWriterTest() {
    info_.name = "latency";
    info_.type = MetricType::kHistogram;
    info_.bounds = {1, 2, 3};
  }

  // Writes label sets a="0", a="1", ...
  std::vector<Block> Write(uint64_t label_sets, uint64_t expected_points, bool zeros = false) {
    SeriesWriter writer(options_, nullptr, Protocol::k2, tenant_, expected_points);
    const MetricNames metric(info_, 1);
    CollectedTimes times;
    times.stamp_ms = kStamp;
    times.zero_ms = zeros ? kStamp - 1000 : 0;
    const double counts[] = {1, 2, 3, 4};
    SeriesLabels labels;
    for (uint64_t i = 0; i < label_sets; ++i) {
      const std::string text = "a=\"" + std::to_string(i) + "\"";
      labels.Parse(text);
      writer.Histogram({&labels, KeyHash(text, 0)}, metric, {counts, 1.5, {}}, times);
    }
    return writer.Finish();
  }

  RemoteWriteOptions options_;
  const std::string tenant_ = "t";
  MetricInfo info_;
};

TEST_F(SeriesWriterTest, NoBlockHasMoreThanTheMostSamples) {
  for (const uint64_t most : {1, 2, 3, 7, 100}) {
    for (const bool zeros : {false, true}) {
      options_.queue_config.max_samples_per_send = most;
      const std::vector<Block> blocks = Write(50, 0, zeros);
      uint64_t samples = 0;
      for (const Block& block : blocks) {
        // A zero and its sample cannot be separated.
        EXPECT_LE(block.counts.points(), std::max<uint64_t>(most, zeros ? 2 : 1));
        EXPECT_EQ(block.newest_ms, kStamp);
        EXPECT_EQ(block.tenant, "t");
        samples += block.counts.samples;
      }
      // Six series each; the sum has no zero.
      EXPECT_EQ(samples, zeros ? 50 * 11u : 50 * 6u);
      EXPECT_EQ(DecodeRequests(blocks).size(), 50 * 6u);
    }
  }
}

TEST_F(SeriesWriterTest, SpreadsOverDisjointRangesThatCoverAllHashes) {
  options_.queue_config.max_samples_per_send = 100;
  options_.queue_config.max_shards = 7;
  const std::vector<Block> blocks = Write(1000, 6000);
  std::set<std::pair<uint64_t, uint64_t>> ranges;
  for (const Block& block : blocks) ranges.emplace(block.first_hash, block.last_hash);
  ASSERT_EQ(ranges.size(), 7u);
  uint64_t next = 0;
  for (const auto& [first, last] : ranges) {
    EXPECT_EQ(first, next);
    EXPECT_GT(last, first);
    next = last + 1;  // 0 after the last
  }
  EXPECT_EQ(next, 0u);
  // Each label set is in the block of its range.
  for (const Block& block : blocks) {
    for (const auto& [labels, series] : DecodeRequests({&block, 1})) {
      const size_t begin = labels.find("a=\"");
      const uint64_t hash =
          KeyHash(labels.substr(begin, labels.find('"', begin + 3) + 1 - begin), 0);
      EXPECT_GE(hash, block.first_hash) << labels;
      EXPECT_LE(hash, block.last_hash) << labels;
    }
  }
}

TEST_F(SeriesWriterTest, FewSamplesGoTogether) {
  options_.queue_config.max_samples_per_send = 2000;
  const std::vector<Block> blocks = Write(20, 120);
  ASSERT_EQ(blocks.size(), 1u);
  EXPECT_EQ(blocks[0].first_hash, 0u);
  EXPECT_EQ(blocks[0].last_hash, std::numeric_limits<uint64_t>::max());
}

}  // namespace
}  // namespace spanmeter
