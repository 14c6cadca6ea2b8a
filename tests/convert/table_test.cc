// The table of options against the program's own keys.

#include "convert/table.h"

#include <set>
#include <span>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/config.h"
#include "spanmeter/convert.h"

namespace spanmeter {
namespace {

std::vector<std::span<const TempoOption>> AllTables() {
  return {ConfigOptions(), OverridesOptions(), OtherOverridesOptions(), RemoteWriteTableOptions()};
}

TEST(ConversionTable, NamesEachOptionOnce) {
  for (const std::span<const TempoOption> options : AllTables()) {
    std::set<std::string_view> paths;
    for (const TempoOption& option : options) {
      EXPECT_TRUE(paths.insert(option.path).second) << option.path;
    }
  }
}

TEST(ConversionTable, SaysWhatToDoWithoutAnEquivalent) {
  for (const std::span<const TempoOption> options : AllTables()) {
    for (const TempoOption& option : options) {
      if (!option.target.empty()) continue;
      EXPECT_FALSE(option.remark.empty()) << option.path;
      EXPECT_EQ(option.convert, nullptr) << option.path;
    }
  }
}

// A key that spanmeter does not know would make its value useless: spanmeter says "unknown key".
TEST(ConversionTable, NamesKeysThatSpanmeterKnows) {
  const auto check = [](const std::string& key) {
    if (key.ends_with("*")) return;
    const ConfigResult result =
        ParseConfig(key + " = 1\n", [](const std::string&) { return std::nullopt; });
    for (const ConfigProblem& problem : result.problems) {
      EXPECT_EQ(problem.message.find("unknown key"), std::string::npos) << problem.message;
    }
  };
  for (const TempoOption& option : ConfigOptions()) {
    if (option.convert != nullptr) check(std::string(option.target));
  }
  for (const TempoOption& option : OverridesOptions()) {
    if (option.convert != nullptr) check("generator." + std::string(option.target));
  }
  for (const TempoOption& option : RemoteWriteTableOptions()) {
    if (option.convert != nullptr) check("[[remote_write]]\n" + std::string(option.target));
  }
}

TEST(ConversionTable, FlatNamesFollowFromPaths) {
  EXPECT_EQ(LegacyName("max_active_series"), "metrics_generator_max_active_series");
  EXPECT_EQ(LegacyName("processor.span_metrics.dimensions"),
            "metrics_generator_processor_span_metrics_dimensions");
}

TEST(ConversionTable, PrintsAsMarkdown) {
  const std::string table = ConversionTable();
  EXPECT_TRUE(table.starts_with("| Tempo | spanmeter | remarks |\n|---|---|---|\n"));
  EXPECT_NE(table.find("\n| `metrics_generator.registry.stale_duration` | "
                       "`generator.stale_duration` | |\n"),
            std::string::npos);
  EXPECT_NE(table.find("\n| `overrides.defaults.metrics_generator.max_active_entities` | "
                       "`generator.max_active_entities` | |\n"),
            std::string::npos);
  EXPECT_NE(table.find("\n| `metrics_generator.storage.remote_write.url` | `remote_write.url` |"),
            std::string::npos);
  EXPECT_NE(table.find("\n| `usage_report` | none | is not needed"), std::string::npos);
}

}  // namespace
}  // namespace spanmeter
