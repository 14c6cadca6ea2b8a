// Where each option of a tenant comes from.

#include <map>
#include <string>

#include <gtest/gtest.h>

#include "spanmeter/config.h"

namespace spanmeter {
namespace {

using Source = EffectiveOption::Source;

std::map<std::string, std::pair<std::string, Source>> Describe(const char* toml,
                                                               const std::string& tenant) {
  const ConfigResult config =
      ParseConfig(toml, [](const std::string&) { return std::optional<std::string>(); });
  EXPECT_EQ(FormatProblems("toml", config.problems), "");
  std::map<std::string, std::pair<std::string, Source>> options;
  for (const EffectiveOption& option : DescribeTenantOptions(config.options, tenant)) {
    EXPECT_TRUE(options.emplace(option.key, std::pair(option.value, option.source)).second);
  }
  return options;
}

constexpr char kToml[] = R"(
  [tenancy]
  enabled = true
  [generator]
  max_active_series = 100
  stale_duration = "5m"
  span_metrics.dimensions = ["a"]
  [tenants.own]
  stale_duration = "7m"
  span_metrics.dimensions = ["a"]
  max_active_series = 0
)";

TEST(TenantOptionsTest, TheInnermostPlaceThatMakesADifferenceIsTheSource) {
  auto options = Describe(kToml, "own");
  EXPECT_EQ(options.at("stale_duration"), std::pair(std::string("\"7m\""), Source::kTenant));
  EXPECT_EQ(options.at("span_metrics.dimensions"),
            std::pair(std::string("[\"a\"]"), Source::kGenerator));
  EXPECT_EQ(options.at("max_active_series"), std::pair(std::string("0"), Source::kTenant));
  EXPECT_EQ(options.at("limiter_type"), std::pair(std::string("\"series\""), Source::kDefault));
}

TEST(TenantOptionsTest, ATenantWithoutATableHasWhatTheGeneratorSays) {
  auto options = Describe(kToml, "another");
  EXPECT_EQ(options.at("stale_duration"), std::pair(std::string("\"5m\""), Source::kGenerator));
  EXPECT_EQ(options.at("max_active_series"), std::pair(std::string("100"), Source::kGenerator));
  for (const auto& [key, option] : options) EXPECT_NE(option.second, Source::kTenant) << key;
}

TEST(TenantOptionsTest, WithoutAnyConfigurationEverythingIsDefault) {
  for (const char* toml : {"", "[tenancy]\nenabled = true\n"}) {
    const auto options = Describe(toml, "any");
    EXPECT_GT(options.size(), 40u);
    for (const auto& [key, option] : options) EXPECT_EQ(option.second, Source::kDefault) << key;
  }
}

}  // namespace
}  // namespace spanmeter
