// generator.naming and what follows it, from TOML to options and back.

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/config.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Source = EffectiveOption::Source;

Options Parsed(const std::string& toml) {
  const ConfigResult result = ParseConfig(toml, [](const std::string& name) {
    return name == "NAMING" ? std::optional<std::string>("otel") : std::nullopt;
  });
  EXPECT_EQ(FormatProblems("toml", result.problems), "");
  return result.options;
}

constexpr char kTenancy[] = "[tenancy]\nenabled = true\n";

TEST(NamingConfig, TempoIsTheDefault) {
  const GeneratorOptions options = Parsed("").generator;
  EXPECT_EQ(options.naming, Naming::kTempo);
  EXPECT_EQ(options.span_metrics.histogram_unit, DurationUnit::kSeconds);
}

TEST(NamingConfig, OtelChangesTheDefaultsOfWhatIsNotThere) {
  for (const char* toml : {"[generator]\nnaming = \"otel\"", "generator.naming = \"${NAMING}\""}) {
    const GeneratorOptions options = Parsed(toml).generator;
    EXPECT_EQ(options.naming, Naming::kOtel);
    EXPECT_EQ(options.span_metrics.histogram_unit, DurationUnit::kMilliseconds);
    EXPECT_EQ(options.span_metrics.histogram_buckets.front(), 2);
    EXPECT_EQ(options.span_metrics.histogram_buckets.back(), 15000);
    EXPECT_EQ(options.service_graphs.histogram_buckets.back(), 15);
    EXPECT_TRUE(options.service_graphs.enable_client_server_prefix);
    EXPECT_EQ(options.trace_id_label_name, "trace_id");
  }
}

TEST(NamingConfig, WhatIsThereCountsEvenWhenItIsTheOthersDefault) {
  const GeneratorOptions options = Parsed(R"(
    [generator]
    naming = "otel"
    trace_id_label_name = "traceID"
    service_graphs.histogram_buckets = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8]
    service_graphs.enable_client_server_prefix = false
    span_metrics.histogram_unit = "s"
    span_metrics.histogram_buckets = [1, 2])")
                                       .generator;
  EXPECT_EQ(options.trace_id_label_name, "traceID");
  EXPECT_EQ(options.service_graphs.histogram_buckets.back(), 12.8);
  EXPECT_FALSE(options.service_graphs.enable_client_server_prefix);
  EXPECT_EQ(options.span_metrics.histogram_unit, DurationUnit::kSeconds);
  EXPECT_THAT(options.span_metrics.histogram_buckets, ElementsAre(1, 2));
}

TEST(NamingConfig, InSecondsTheDefaultBucketsAreInSeconds) {
  const GeneratorOptions options =
      Parsed("[generator]\nnaming = \"otel\"\nspan_metrics.histogram_unit = \"s\"").generator;
  EXPECT_EQ(options.span_metrics.histogram_buckets.front(), 0.002);
  EXPECT_EQ(options.span_metrics.histogram_buckets.back(), 15);
}

TEST(NamingConfig, ATenantWithAnotherNamingHasThatOnesDefaults) {
  const Options options = Parsed(std::string(kTenancy) + R"(
    [generator]
    span_metrics.histogram_buckets = [0.5]
    service_graphs.histogram_buckets = [7]
    [tenants.a]
    naming = "otel"
    [tenants.b]
    span_metrics.dimensions = []
    [tenants.c]
    naming = "otel"
    span_metrics.histogram_buckets = [0.5])");
  EXPECT_EQ(options.tenants.at("a").naming, Naming::kOtel);
  EXPECT_EQ(options.tenants.at("a").span_metrics.histogram_buckets.back(), 15000);
  EXPECT_THAT(options.tenants.at("a").service_graphs.histogram_buckets, ElementsAre(7));
  EXPECT_TRUE(options.tenants.at("a").service_graphs.enable_client_server_prefix);
  EXPECT_THAT(options.tenants.at("b").span_metrics.histogram_buckets, ElementsAre(0.5));
  EXPECT_THAT(options.tenants.at("c").span_metrics.histogram_buckets, ElementsAre(0.5));
  EXPECT_EQ(options.tenants.at("c").span_metrics.histogram_unit, DurationUnit::kMilliseconds);
}

TEST(NamingConfig, PrintsTenantsSuchThatTheyReadBack) {
  const std::string toml = std::string(kTenancy) + R"(
    [generator]
    trace_id_label_name = "mine"
    [tenants.a]
    naming = "otel"
    [tenants.b]
    naming = "otel"
    span_metrics.histogram_unit = "s"
    [tenants.c]
    naming = "otel"
    service_graphs.enable_client_server_prefix = false
    service_graphs.histogram_buckets = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8])";
  const Options options = Parsed(toml);
  const std::string printed = PrintConfig(options);
  EXPECT_TRUE(Parsed(printed) == options) << printed;
  EXPECT_THAT(printed, HasSubstr("[tenants.a]\nnaming = \"otel\"\n\n"));
  EXPECT_THAT(printed, HasSubstr("[tenants.b]\nnaming = \"otel\"\nspan_metrics.histogram_unit = "
                                 "\"s\"\n\n"));
  EXPECT_THAT(printed, HasSubstr("service_graphs.enable_client_server_prefix = false\n"));
}

TEST(NamingConfig, DefaultsOfTheNamingAreDefaults) {
  const Options options = Parsed("[generator]\nnaming = \"otel\"\ntrace_id_label_name = \"x\"");
  for (const EffectiveOption& option : DescribeTenantOptions(options, "single-tenant")) {
    const bool set = option.key == "naming" || option.key == "trace_id_label_name";
    EXPECT_EQ(option.source, set ? Source::kGenerator : Source::kDefault) << option.key;
  }
}

TEST(NamingConfig, DimensionsMayHaveADefault) {
  const Options options = Parsed(R"(
    [generator.span_metrics]
    dimensions = ["a", {name = "http.method", default = "GET"}, {name = "b"}])");
  EXPECT_THAT(options.generator.span_metrics.dimensions,
              ElementsAre(Dimension{"a"}, Dimension{"http.method", "GET"}, Dimension{"b"}));
  EXPECT_THAT(PrintConfig(options),
              HasSubstr("dimensions = [\"a\", {name = \"http.method\", default = \"GET\"}, "
                        "\"b\"]\n"));
}

}  // namespace
}  // namespace spanmeter
