#include "admin/series_search.h"

#include <gtest/gtest.h>

#include "admin/filled_registry.h"

namespace spanmeter {
namespace {

Json Search(FilledRegistry* filled, std::string_view match, uint64_t limit = 1000) {
  std::string problem;
  auto selector = SeriesSelector::Parse(match, &problem);
  EXPECT_TRUE(selector) << problem;
  return SearchSeries(&filled->registry, &filled->clock, {}, &*selector, limit);
}

TEST(SeriesSearchTest, FindsWhatTheNaiveComputationFinds) {
  FilledRegistry filled(LongLived());
  filled.FillAtRandom(5);
  uint64_t expected = 0;
  for (const auto& [labels, set] : filled.spans) {
    if (labels.at("service") == "s3" && !labels.contains("zone")) ++expected;
  }
  ASSERT_GT(expected, 0u);
  const Json found = Search(&filled, R"(traces_spanmetrics_calls_total{service="s3",zone=""})");
  EXPECT_EQ(found["matched"], expected);
  EXPECT_EQ(found["truncated"], false);
  ASSERT_EQ(found["series"].size(), expected);
  for (const Json& series : found["series"]) {
    const auto labels = series["labels"].get<std::map<std::string, std::string>>();
    const FilledRegistry::LabelSet& set = filled.spans.at(labels);
    EXPECT_EQ(series["metric"], "traces_spanmetrics_calls_total");
    EXPECT_EQ(series["type"], "counter");
    EXPECT_EQ(series["value"], set.calls);
    EXPECT_EQ(series["created_ms"], set.born_ms);
    EXPECT_EQ(series["last_update_ms"], set.updated_ms);
  }
}

TEST(SeriesSearchTest, AHistogramIsOneSeriesWithCumulativeBuckets) {
  FilledRegistry filled(LongLived());
  filled.Count("a\"b\n", "op", "");
  filled.Count("a\"b\n", "op", "");
  const Json found = Search(&filled, R"(traces_spanmetrics_latency_count{service="a\"b\n"})");
  ASSERT_EQ(found["series"].size(), 1u);
  const Json& series = found["series"][0];
  EXPECT_EQ(series["labels"], Json({{"service", "a\"b\n"}, {"span_name", "op"}}));
  EXPECT_EQ(series["count"], 2);
  EXPECT_EQ(series["sum"], 1);
  EXPECT_EQ(series["buckets"], Json({{{"le", "0.1"}, {"count", 0.0}},
                                     {{"le", "1"}, {"count", 2.0}},
                                     {{"le", "+Inf"}, {"count", 2.0}}}));
  EXPECT_FALSE(series.contains("value"));
}

TEST(SeriesSearchTest, ANativeHistogramShowsTheBucketsThatCountedSomething) {
  FakeClock clock;
  Registry registry(LongLived(), &clock);
  FamilyOptions family;
  family.labels = {{"a", {}}};
  family.metrics = {{"latency", "", MetricType::kHistogram, {}}};
  family.metrics[0].classic = false;
  family.metrics[0].native = NativeHistogramOptions{0, 100, 0};
  const FamilyId id = registry.AddFamily(family);
  for (const double value : {0.0, 3.0, 3.5, 10.0}) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText("x");
    Update& update = batch.Add(id);
    update.metrics = 1;
    update.values = {value};
    registry.Apply(&batch);
  }
  std::string problem;
  auto selector = SeriesSelector::Parse("", &problem);
  const Json found = SearchSeries(&registry, &clock, {}, &*selector, 10);
  ASSERT_EQ(found["series"].size(), 1u);
  EXPECT_EQ(found["series"][0]["count"], 4);
  EXPECT_EQ(found["series"][0]["sum"], 16.5);
  EXPECT_EQ(found["series"][0]["buckets"], Json({{{"le", "2.938735877055719e-39"}, {"count", 1.0}},
                                                 {{"le", "4"}, {"count", 3.0}},
                                                 {{"le", "16"}, {"count", 4.0}},
                                                 {{"le", "+Inf"}, {"count", 4.0}}}));
}

TEST(SeriesSearchTest, TheFirstByMetricAndLabelsAreShownWhateverTheLimit) {
  FilledRegistry filled(LongLived());
  filled.FillAtRandom(9);
  const Json all = Search(&filled, "{}");
  EXPECT_EQ(all["matched"], filled.spans.size() * 2 + filled.infos.size());
  for (const uint64_t limit : {1, 7, 50}) {
    const Json first = Search(&filled, "{}", limit);
    EXPECT_EQ(first["truncated"], true);
    EXPECT_EQ(first["matched"], all["matched"]);
    ASSERT_EQ(first["series"].size(), limit);
    for (uint64_t i = 0; i < limit; ++i) EXPECT_EQ(first["series"][i], all["series"][i]);
  }
}

TEST(SeriesSearchTest, OverflowSeriesAreFound) {
  GeneratorOptions options = LongLived();
  options.max_active_series = FilledRegistry::kSpanSeries;
  FilledRegistry filled(options);
  for (int i = 0; i < 5; ++i) filled.Count("s" + std::to_string(i), "op", "");
  const Json found = Search(&filled, R"(traces_spanmetrics_calls_total{metric_overflow="true"})");
  ASSERT_EQ(found["series"].size(), 1u);
  EXPECT_EQ(found["series"][0]["value"], 4);
}

}  // namespace
}  // namespace spanmeter
