#include "admin/counting.h"

#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "spanmeter/key_hash.h"

namespace spanmeter {
namespace {

uint64_t Hash(uint64_t n) { return KeyHash(std::to_string(n), 1); }

TEST(DistinctCounterTest, CountsExactlyUntilThereAreTooMany) {
  size_t places = 10'000;
  DistinctCounter counter(1'000, &places);
  for (uint64_t i = 0; i < 3'000; ++i) counter.Add(Hash(i % 1'000));
  EXPECT_TRUE(counter.is_exact());
  EXPECT_EQ(counter.Count(), 1'000u);
  EXPECT_EQ(places, 9'000u);
  for (uint64_t i = 0; i < 50'000; ++i) counter.Add(Hash(i));
  EXPECT_FALSE(counter.is_exact());
  EXPECT_NEAR(static_cast<double>(counter.Count()), 50'000, 5'000);
  EXPECT_EQ(places, 10'000u);  // given back
}

TEST(DistinctCounterTest, CountersShareTheirPlaces) {
  size_t places = 100;
  DistinctCounter first(1'000, &places);
  DistinctCounter second(1'000, &places);
  for (uint64_t i = 0; i < 60; ++i) first.Add(Hash(i));
  for (uint64_t i = 0; i < 60; ++i) second.Add(Hash(i));
  EXPECT_TRUE(first.is_exact());
  EXPECT_FALSE(second.is_exact());
  EXPECT_NEAR(static_cast<double>(second.Count()), 60, 6);
}

TEST(FrequencyTableTest, CountsEverythingThatFits) {
  FrequencyTable table(100, TallyOrder::kSeries);
  const std::string names = "abcdefghij";
  for (uint64_t i = 0; i < 55; ++i) {
    const uint64_t n = i % 10;
    table.Add(Hash(n), {std::string_view(names).substr(n, 1), "x", 1, n, 1});
  }
  EXPECT_TRUE(table.is_exact());
  const std::vector<Tally> top = table.Top(3);
  ASSERT_EQ(top.size(), 3u);
  EXPECT_EQ(top[0].first, "j");
  EXPECT_EQ(top[0].series, 45u);
  EXPECT_EQ(top[0].label_sets, 5u);
  EXPECT_EQ(top[0].born_lately, 5u);
  EXPECT_EQ(top[1].first, "i");
  EXPECT_EQ(top[2].first, "h");
}

TEST(FrequencyTableTest, TiesAreInTheOrderOfTheirTexts) {
  FrequencyTable table(100, TallyOrder::kLabelSets);
  for (const std::string_view name : {"c", "a", "b"}) {
    table.Add(KeyHash(name, 1), {name, "2", 1, 1, 0});
    table.Add(KeyHash(name, 2), {name, "1", 1, 1, 0});
  }
  std::string order;
  for (const Tally& tally : table.Top(10)) order.append(tally.first).append(tally.second);
  EXPECT_EQ(order, "a1a2b1b2c1c2");
}

TEST(FrequencyTableTest, WhatIsFrequentStaysAndMemoryIsBounded) {
  FrequencyTable table(1'000, TallyOrder::kLabelSets);
  std::mt19937 random(3);
  std::map<uint64_t, uint64_t> counts;
  std::vector<std::string> names;
  names.reserve(200'000);
  for (uint64_t i = 0; i < 200'000; ++i) names.push_back("n" + std::to_string(i));
  for (uint64_t i = 0; i < 200'000; ++i) {
    // A fifth of everything is one of ten, the rest is there once.
    const uint64_t n = random() % 5 == 0 ? random() % 10 : i;
    ++counts[n];
    table.Add(Hash(n), {names[n], "", 1, 1, 0});
    ASSERT_LE(table.size(), 1'000u);
  }
  EXPECT_FALSE(table.is_exact());
  const std::vector<Tally> top = table.Top(10);
  for (const Tally& tally : top) {
    const uint64_t n = std::stoul(std::string(tally.first.substr(1)));
    EXPECT_LT(n, 10u);
    EXPECT_LE(tally.label_sets, counts[n]);
    EXPECT_GE(tally.label_sets, counts[n] - 50);
  }
}

}  // namespace
}  // namespace spanmeter
