#include "http/scrape_log.h"

#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

ScrapeRecord Record(const std::string& path, const std::string& peer, int64_t time_ms) {
  ScrapeRecord record;
  record.path = path;
  record.peer = peer;
  record.time_ms = time_ms;
  return record;
}

TEST(ScrapeLog, KeepsTheLastOfEachPathAndPeerNewestFirst) {
  ScrapeLog log;
  log.Add(Record("/a", "1", 1));
  log.Add(Record("/b", "1", 2));
  log.Add(Record("/a", "2", 3));
  log.Add(Record("/a", "1", 4));
  const std::vector<ScrapeRecord> last = log.Last();
  ASSERT_EQ(last.size(), 3u);
  EXPECT_EQ(last[0].time_ms, 4);
  EXPECT_EQ(last[1].time_ms, 3);
  EXPECT_EQ(last[2].time_ms, 2);
}

TEST(ScrapeLog, IsBounded) {
  ScrapeLog log;
  for (int i = 0; i < 100; ++i) log.Add(Record("/a", std::to_string(i), i));
  const std::vector<ScrapeRecord> last = log.Last();
  ASSERT_EQ(last.size(), 20u);
  EXPECT_EQ(last.front().time_ms, 99);
  EXPECT_EQ(last.back().time_ms, 80);
}

}  // namespace
}  // namespace spanmeter
