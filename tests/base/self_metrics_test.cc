#include "spanmeter/self_metrics.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <prometheus/counter.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using Families = std::vector<prometheus::MetricFamily>;

prometheus::MetricFamily Gauge(const std::string& name, const std::string& help,
                               const std::string& label_value, double value) {
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = prometheus::MetricType::Gauge;
  family.metric.emplace_back();
  family.metric.back().label = {{"from", label_value}};
  family.metric.back().gauge.value = value;
  return family;
}

std::vector<std::string> Names(const Families& families) {
  std::vector<std::string> names;
  for (const prometheus::MetricFamily& family : families) names.push_back(family.name);
  return names;
}

TEST(SelfMetrics, SortsFamiliesOfAllSourcesByName) {
  SelfMetrics metrics;
  prometheus::BuildCounter().Name("m_total").Register(metrics.registry()).Add({}).Increment();
  metrics.AddCollector([](Families* families) { families->push_back(Gauge("z", "", "1", 1)); });
  metrics.AddCollector([](Families* families) { families->push_back(Gauge("a", "", "1", 1)); });
  EXPECT_THAT(Names(metrics.Collect()), ElementsAre("a", "m_total", "z"));
}

TEST(SelfMetrics, MergesFamiliesOfOneName) {
  SelfMetrics metrics;
  metrics.AddCollector([](Families* families) { families->push_back(Gauge("a", "h", "1", 1)); });
  metrics.AddCollector([](Families* families) { families->push_back(Gauge("a", "h", "2", 2)); });
  const Families families = metrics.Collect();
  ASSERT_THAT(Names(families), ElementsAre("a"));
  EXPECT_EQ(families[0].help, "h");
  EXPECT_EQ(families[0].type, prometheus::MetricType::Gauge);
  ASSERT_EQ(families[0].metric.size(), 2u);
  EXPECT_EQ(families[0].metric[0].label[0].value, "1");
  EXPECT_EQ(families[0].metric[1].gauge.value, 2);
}

TEST(SelfMetrics, AsksCollectorsEachTime) {
  SelfMetrics metrics;
  double value = 0;
  metrics.AddCollector(
      [&value](Families* families) { families->push_back(Gauge("a", "", "1", ++value)); });
  EXPECT_EQ(metrics.Collect()[0].metric[0].gauge.value, 1);
  EXPECT_EQ(metrics.Collect()[0].metric[0].gauge.value, 2);
}

TEST(SelfMetrics, LeavesOutFamiliesWithoutSeries) {
  SelfMetrics metrics;
  prometheus::BuildCounter().Name("m_total").Register(metrics.registry());
  EXPECT_THAT(Names(metrics.Collect()), ElementsAre());
}

TEST(SelfMetrics, LetsACollectorAddCollectors) {
  SelfMetrics metrics;
  metrics.AddCollector([&metrics](Families*) {
    metrics.AddCollector([](Families* families) { families->push_back(Gauge("a", "", "1", 1)); });
  });
  EXPECT_THAT(Names(metrics.Collect()), ElementsAre());
  EXPECT_THAT(Names(metrics.Collect()), ElementsAre("a"));
}

}  // namespace
}  // namespace spanmeter
