// A generator with all that it needs, and how to see what it counted.

#ifndef SPANMETER_TESTS_OTLP_TEST_GENERATOR_H_
#define SPANMETER_TESTS_OTLP_TEST_GENERATOR_H_

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "spanmeter/clock.h"
#include "spanmeter/generator.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/sample_sink.h"
#include "spanmeter/self_metrics.h"
#include "spanmeter/tenants.h"

#include "support/fake_clock.h"

namespace spanmeter::testing {

// A clock on which a test can hold up a request: the generator reads the wall clock once for each,
// before it is decoded. Thread-safe.
class HoldingClock final : public Clock {
 public:
  int64_t WallNanos() const override {
    std::unique_lock lock(mutex_);
    if (armed_) {
      armed_ = false;
      holding_ = true;
      changed_.notify_all();
      changed_.wait(lock, [this] { return !holding_; });
    }
    return clock_.WallNanos();
  }
  int64_t MonotonicNanos() const override { return clock_.MonotonicNanos(); }

  void Advance(int64_t nanos) { clock_.Advance(nanos); }

  // The next reading of the wall clock will not return before Release().
  void HoldNext() {
    const std::lock_guard lock(mutex_);
    armed_ = true;
  }
  void WaitUntilHolding() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return holding_; });
  }
  void Release() {
    const std::lock_guard lock(mutex_);
    armed_ = false;
    holding_ = false;
    changed_.notify_all();
  }

 private:
  FakeClock clock_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable bool armed_ = false;
  mutable bool holding_ = false;
};

// Adds up the samples of one metric.
class SumSink final : public SampleSink {
 public:
  explicit SumSink(std::string_view metric) : metric_(metric) {}

  bool BeginMetric(const MetricInfo& metric) override {
    counts_ = metric.name == metric_;
    return true;
  }
  bool Number(std::string_view, double value, int64_t) override {
    if (counts_) sum_ += value;
    return true;
  }
  bool Histogram(std::string_view, const HistogramPoint&, int64_t) override { return true; }

  double sum() const { return sum_; }

 private:
  const std::string_view metric_;
  bool counts_ = false;
  double sum_ = 0;
};

struct TestGenerator {
  explicit TestGenerator(const Options& options = AnyTime())
      : tenants(options, &clock, &logger, &metrics) {}

  // Without tenancy.
  std::shared_ptr<Generator> generator() { return tenants.Find({}).generator; }

  // Spans that were turned into metrics.
  double Calls() {
    SumSink sink("traces_spanmetrics_calls_total");
    tenants.Visit(&sink);
    return sink.sum();
  }
  // The sum of a self metric's series whose labels include name=value.
  double Self(std::string_view metric, const std::string& name = "",
              const std::string& value = "") const {
    double sum = 0;
    for (const auto& family : metrics.Collect()) {
      if (family.name != metric) continue;
      for (const auto& series : family.metric) {
        bool matches = name.empty();
        for (const auto& label : series.label)
          matches |= label.name == name && label.value == value;
        if (!matches) continue;
        sum += series.counter.value + series.gauge.value +
               static_cast<double>(series.histogram.sample_count);
      }
    }
    return sum;
  }

  static Options AnyTime() {
    Options options;
    options.generator.ingestion_time_range_slack = 0;
    return options;
  }
  static LogOptions OnlyErrors() {
    LogOptions options;
    options.level = LogLevel::kError;
    return options;
  }

  HoldingClock clock;
  Logger logger{OnlyErrors(), &clock};
  SelfMetrics metrics;
  Tenants tenants;
};

}  // namespace spanmeter::testing

#endif  // SPANMETER_TESTS_OTLP_TEST_GENERATOR_H_
