#include "spanmeter/process_metrics.h"

#include <ctime>
#include <fcntl.h>
#include <map>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::map<std::string, double> Values(const SelfMetrics& metrics) {
  std::map<std::string, double> values;
  for (const prometheus::MetricFamily& family : metrics.Collect()) {
    const prometheus::ClientMetric& metric = family.metric.at(0);
    values[family.name] =
        family.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value;
  }
  return values;
}

class ProcessMetricsTest : public ::testing::Test {
 protected:
  ProcessMetricsTest() { AddProcessMetrics(&metrics_); }
  double Value(const std::string& name) { return Values(metrics_).at(name); }
  SelfMetrics metrics_;
};

TEST_F(ProcessMetricsTest, HasTheCustomaryNames) {
  std::vector<std::string> names;
  for (const auto& [name, value] : Values(metrics_)) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("process_cpu_seconds_total", "process_max_fds", "process_open_fds",
                                 "process_resident_memory_bytes", "process_start_time_seconds",
                                 "process_threads", "process_virtual_memory_bytes"));
}

TEST_F(ProcessMetricsTest, CountsCpuTime) {
  const double before = Value("process_cpu_seconds_total");
  const clock_t end = clock() + CLOCKS_PER_SEC / 50;
  while (clock() < end) {
  }
  const double used = Value("process_cpu_seconds_total") - before;
  EXPECT_GE(used, 0.02);
  EXPECT_LE(used, 5);
}

TEST_F(ProcessMetricsTest, CountsOpenFileDescriptors) {
  const double before = Value("process_open_fds");
  const int fds[] = {open("/dev/null", O_RDONLY), open("/dev/null", O_RDONLY)};
  EXPECT_EQ(Value("process_open_fds"), before + 2);
  for (const int fd : fds) close(fd);
  EXPECT_EQ(Value("process_open_fds"), before);
  EXPECT_EQ(Value("process_max_fds"), static_cast<double>(sysconf(_SC_OPEN_MAX)));
}

TEST_F(ProcessMetricsTest, CountsMemoryInUse) {
  const double before = Value("process_resident_memory_bytes");
  const std::vector<char> memory(64 << 20, 'x');
  const double grown = Value("process_resident_memory_bytes") - before;
  EXPECT_GE(grown, 60e6) << static_cast<int>(memory.back());
  EXPECT_GE(Value("process_virtual_memory_bytes"), Value("process_resident_memory_bytes"));
}

TEST_F(ProcessMetricsTest, CountsThreads) {
  // Together with the first thread a sanitizer starts one of its own.
  std::thread([] {}).join();
  const double before = Value("process_threads");
  double during = 0;
  std::thread([&] { during = Value("process_threads"); }).join();
  EXPECT_EQ(during, before + 1);
}

TEST_F(ProcessMetricsTest, KnowsWhenTheProcessStarted) {
  const double start = Value("process_start_time_seconds");
  const double now = static_cast<double>(time(nullptr));
  EXPECT_LE(start, now + 2);
  EXPECT_GE(start, now - 3'600);
  EXPECT_EQ(Value("process_start_time_seconds"), start);
}

TEST(BuildInfo, IsOneWithTheVersionAsLabel) {
  SelfMetrics metrics;
  AddBuildInfo("1.2.3", &metrics);
  EXPECT_THAT(Values(metrics), ElementsAre(Pair("spanmeter_build_info", 1)));
  std::map<std::string, std::string> labels;
  const std::vector<prometheus::MetricFamily> families = metrics.Collect();
  for (const auto& label : families.at(0).metric.at(0).label) labels[label.name] = label.value;
  EXPECT_EQ(labels["version"], "1.2.3");
  EXPECT_NE(labels["compiler"], "");
}

}  // namespace
}  // namespace spanmeter
