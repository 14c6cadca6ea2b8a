#include "spanmeter/suggestion.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

const std::vector<std::string> kKnown = {"level", "format", "max_active_series",
                                         "max_active_entities", "ingestion_time_range_slack"};

TEST(Suggestion, LooksOverSlipsOfThePen) {
  EXPECT_EQ(Suggest("levl", kKnown), "level");
  EXPECT_EQ(Suggest("levvel", kKnown), "level");
  EXPECT_EQ(Suggest("lebel", kKnown), "level");
  EXPECT_EQ(Suggest("leevl", kKnown), "level");
  EXPECT_EQ(Suggest("LEVEL", kKnown), "level");
  EXPECT_EQ(Suggest("max-active-series", kKnown), "max_active_series");
  EXPECT_EQ(Suggest("maxActiveSeries", kKnown), "max_active_series");
}

TEST(Suggestion, TakesTheNearest) {
  EXPECT_EQ(Suggest("max_active_entitys", kKnown), "max_active_entities");
  EXPECT_EQ(Suggest("max_active_serie", kKnown), "max_active_series");
}

TEST(Suggestion, LooksOverPrefixesAndSuffixes) {
  EXPECT_EQ(Suggest("metrics_ingestion_time_range_slack", kKnown), "ingestion_time_range_slack");
  EXPECT_EQ(Suggest("ingestion_time", kKnown), "ingestion_time_range_slack");
  EXPECT_EQ(Suggest("log_format", kKnown), "format");
}

TEST(Suggestion, IsSilentWhenNothingIsNear) {
  EXPECT_EQ(Suggest("colour", kKnown), "");
  EXPECT_EQ(Suggest("", kKnown), "");
  EXPECT_EQ(Suggest("le", {}), "");
  EXPECT_EQ(Suggest(std::string(100'000, 'l'), kKnown), "");
}

}  // namespace
}  // namespace spanmeter
