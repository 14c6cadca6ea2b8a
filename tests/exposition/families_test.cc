#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "spanmeter/exposition.h"

#include "exposition/render.h"

namespace spanmeter {
namespace {

TEST(VisitFamilies, PresentsCountersGaugesAndHistograms) {
  prometheus::Registry registry;
  auto& calls = prometheus::BuildCounter().Name("calls_total").Help("Calls.").Register(registry);
  calls.Add({{"z", "1"}, {"a", "say \"hi\"\\\n"}}).Increment(2);
  auto& size = prometheus::BuildGauge().Name("size_bytes").Help("Size.").Register(registry);
  size.Add({}).Set(-1.5);
  auto& seconds = prometheus::BuildHistogram().Name("run_seconds").Help("Runs.").Register(registry);
  auto& run = seconds.Add({{"kind", "x"}}, prometheus::Histogram::BucketBoundaries{0.5, 1});
  run.Observe(0.25);
  run.Observe(0.75);
  run.Observe(3);
  prometheus::BuildCounter().Name("unused_total").Help("Nothing.").Register(registry);

  std::vector<prometheus::MetricFamily> families = registry.Collect();
  prometheus::MetricFamily untyped;
  untyped.name = "odd";
  untyped.type = prometheus::MetricType::Untyped;
  untyped.metric.emplace_back().untyped.value = 7;
  families.push_back(untyped);

  const std::string body = Render(ExpositionFormat::kText, [&families](SampleSink* sink) {
    EXPECT_TRUE(VisitFamilies(families, sink));
  });
  EXPECT_NE(body.find(R"(# HELP calls_total Calls.
# TYPE calls_total counter
calls_total{a="say \"hi\"\\\n",z="1"} 2
)"),
            std::string::npos)
      << body;
  EXPECT_NE(body.find("# TYPE size_bytes gauge\nsize_bytes -1.5\n"), std::string::npos) << body;
  EXPECT_NE(body.find(R"(# TYPE run_seconds histogram
run_seconds_bucket{kind="x",le="0.5"} 1
run_seconds_bucket{kind="x",le="1"} 2
run_seconds_bucket{kind="x",le="+Inf"} 3
run_seconds_sum{kind="x"} 4
run_seconds_count{kind="x"} 3
)"),
            std::string::npos)
      << body;
  EXPECT_NE(body.find("# TYPE odd untyped\nodd 7\n"), std::string::npos) << body;
  EXPECT_EQ(body.find("unused_total"), std::string::npos) << body;
}

// A sink that ends the visit at its nth call.
class CountingSink : public SampleSink {
 public:
  explicit CountingSink(int last) : last_(last) {}
  bool BeginMetric(const MetricInfo&) override { return ++calls_ < last_; }
  bool Number(std::string_view, double, int64_t) override { return ++calls_ < last_; }
  bool Histogram(std::string_view, const HistogramPoint&, int64_t) override {
    return ++calls_ < last_;
  }
  int calls() const { return calls_; }

 private:
  const int last_;
  int calls_ = 0;
};

TEST(VisitFamilies, EndsWhenTheSinkSaysSo) {
  prometheus::Registry registry;
  auto& calls = prometheus::BuildCounter().Name("calls_total").Register(registry);
  calls.Add({{"a", "1"}});
  calls.Add({{"a", "2"}});
  auto& seconds = prometheus::BuildHistogram().Name("run_seconds").Register(registry);
  seconds.Add({}, prometheus::Histogram::BucketBoundaries{1});
  const std::vector<prometheus::MetricFamily> families = registry.Collect();
  for (int last = 1; last <= 5; ++last) {
    CountingSink sink(last);
    EXPECT_FALSE(VisitFamilies(families, &sink));
    EXPECT_EQ(sink.calls(), last);
  }
  CountingSink patient(6);
  EXPECT_TRUE(VisitFamilies(families, &patient));
  EXPECT_EQ(patient.calls(), 5);
}

}  // namespace
}  // namespace spanmeter
