#include "spanmeter/naming.h"

#include <optional>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

constexpr DurationUnit kSeconds = DurationUnit::kSeconds;
constexpr DurationUnit kMilliseconds = DurationUnit::kMilliseconds;

const std::vector<double> kTempoSpanBuckets = {0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
                                               0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};
const std::vector<double> kTempoEdgeBuckets = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8};
// The connectors'.
const std::vector<double> kOtelMilliseconds = {2,   4,   6,    8,    10,   50,   100,   200,
                                               400, 800, 1000, 1400, 2000, 5000, 10000, 15000};
const std::vector<double> kOtelSeconds = {0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2,
                                          0.4,   0.8,   1,     1.4,   2,    5,    10,  15};

TEST(NamingTest, TempoHasTheNamesOfItsMetricsGenerator) {
  const MetricNames& names = NamesOf(Naming::kTempo);
  EXPECT_EQ(names.calls, "traces_spanmetrics_calls_total");
  EXPECT_EQ(names.duration(kSeconds), "traces_spanmetrics_latency");
  EXPECT_EQ(names.duration(kMilliseconds), "");
  EXPECT_EQ(names.size, "traces_spanmetrics_size_total");
  EXPECT_EQ(names.target_info, "traces_target_info");
  EXPECT_EQ(names.service, "service");
  EXPECT_EQ(names.failed, "");
}

TEST(NamingTest, OtelHasTheNamesOfTheConnectors) {
  const MetricNames& names = NamesOf(Naming::kOtel);
  EXPECT_EQ(names.calls, "traces_span_metrics_calls_total");
  EXPECT_EQ(names.duration(kSeconds), "traces_span_metrics_duration_seconds");
  EXPECT_EQ(names.duration(kMilliseconds), "traces_span_metrics_duration_milliseconds");
  EXPECT_EQ(names.target_info, "target_info");
  EXPECT_EQ(names.service, "service_name");
  EXPECT_EQ(names.span_name, "span_name");
  EXPECT_EQ(names.span_kind, "span_kind");
  EXPECT_EQ(names.status_code, "status_code");
  EXPECT_EQ(names.failed, "failed");
}

TEST(NamingTest, MetricsOfServiceGraphsHaveTheSameNamesInBoth) {
  for (const Naming naming : kNamings) {
    const MetricNames& names = NamesOf(naming);
    EXPECT_EQ(names.requests, "traces_service_graph_request_total");
    EXPECT_EQ(names.failed_requests, "traces_service_graph_request_failed_total");
    EXPECT_EQ(names.server_seconds, "traces_service_graph_request_server_seconds");
    EXPECT_EQ(names.client_seconds, "traces_service_graph_request_client_seconds");
    EXPECT_EQ(names.client, "client");
    EXPECT_EQ(names.server, "server");
    EXPECT_EQ(names.connection_type, "connection_type");
    EXPECT_EQ(names.virtual_node, "virtual_node");
  }
}

TEST(NamingTest, SpanMetricsAreKnownByTheirNames) {
  const MetricNames* const tempo = &NamesOf(Naming::kTempo);
  const MetricNames* const otel = &NamesOf(Naming::kOtel);
  EXPECT_EQ(NamesOfSpanMetric("traces_spanmetrics_latency"), tempo);
  EXPECT_EQ(NamesOfSpanMetric("traces_spanmetrics_size_total"), tempo);
  EXPECT_EQ(NamesOfSpanMetric("traces_span_metrics_duration_milliseconds"), otel);
  EXPECT_EQ(NamesOfSpanMetric("traces_span_metrics_calls_total"), otel);
  EXPECT_EQ(NamesOfSpanMetric("traces_service_graph_request_total"), nullptr);
  EXPECT_EQ(NamesOfSpanMetric("target_info"), nullptr);
  EXPECT_EQ(NamesOfSpanMetric(""), nullptr);
}

TEST(NamingTest, MetricsOfServiceGraphsAreKnownByTheirNames) {
  EXPECT_NE(NamesOfEdgeMetric("traces_service_graph_request_server_seconds"), nullptr);
  EXPECT_NE(NamesOfEdgeMetric("traces_service_graph_connection_info"), nullptr);
  EXPECT_EQ(NamesOfEdgeMetric("traces_spanmetrics_latency"), nullptr);
  EXPECT_EQ(NamesOfEdgeMetric(""), nullptr);
}

TEST(NamingTest, OtelBringsTheDefaultsOfTheConnectors) {
  GeneratorOptions options;
  ChangeNaming(Naming::kOtel, std::nullopt, &options);
  EXPECT_EQ(options.naming, Naming::kOtel);
  EXPECT_EQ(options.span_metrics.histogram_unit, kMilliseconds);
  EXPECT_EQ(options.span_metrics.histogram_buckets, kOtelMilliseconds);
  EXPECT_EQ(options.service_graphs.histogram_buckets, kOtelSeconds);
  EXPECT_TRUE(options.service_graphs.enable_client_server_prefix);
  EXPECT_EQ(options.trace_id_label_name, "trace_id");
}

TEST(NamingTest, InSecondsTheBucketsAreTheSameDurations) {
  GeneratorOptions options;
  ChangeNaming(Naming::kOtel, kSeconds, &options);
  EXPECT_EQ(options.span_metrics.histogram_unit, kSeconds);
  EXPECT_EQ(options.span_metrics.histogram_buckets, kOtelSeconds);
}

TEST(NamingTest, AChangeAndBackChangesNothing) {
  GeneratorOptions options;
  ChangeNaming(Naming::kOtel, std::nullopt, &options);
  ChangeNaming(Naming::kTempo, std::nullopt, &options);
  EXPECT_TRUE(options == GeneratorOptions());
  EXPECT_EQ(options.span_metrics.histogram_buckets, kTempoSpanBuckets);
  EXPECT_EQ(options.service_graphs.histogram_buckets, kTempoEdgeBuckets);
}

TEST(NamingTest, WhatWasSetStaysAsItIs) {
  GeneratorOptions options;
  options.span_metrics.histogram_buckets = {0.5};
  options.service_graphs.histogram_buckets = {3};
  options.trace_id_label_name = "mine";
  ChangeNaming(Naming::kOtel, kSeconds, &options);
  EXPECT_EQ(options.span_metrics.histogram_buckets, std::vector<double>{0.5});
  EXPECT_EQ(options.service_graphs.histogram_buckets, std::vector<double>{3});
  EXPECT_EQ(options.trace_id_label_name, "mine");
}

TEST(NamingTest, BucketsInAnotherUnitDoNot) {
  GeneratorOptions options;
  options.span_metrics.histogram_buckets = {0.5};
  ChangeNaming(Naming::kOtel, std::nullopt, &options);
  EXPECT_EQ(options.span_metrics.histogram_buckets, kOtelMilliseconds);
  options.span_metrics.histogram_buckets = {500};
  ChangeNaming(Naming::kOtel, kSeconds, &options);
  EXPECT_EQ(options.span_metrics.histogram_buckets, kOtelSeconds);
}

TEST(NamingTest, TheSameNamingChangesNothing) {
  GeneratorOptions options;
  ChangeNaming(Naming::kOtel, std::nullopt, &options);
  options.span_metrics.histogram_buckets = {7};
  const GeneratorOptions before = options;
  ChangeNaming(Naming::kOtel, std::nullopt, &options);
  EXPECT_TRUE(options == before);
}

}  // namespace
}  // namespace spanmeter
