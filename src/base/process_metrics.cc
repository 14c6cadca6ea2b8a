#include "spanmeter/process_metrics.h"

#include <dirent.h>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <time.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <prometheus/gauge.h>
#include <sys/resource.h>

namespace spanmeter {

namespace {

using Families = std::vector<prometheus::MetricFamily>;

void AppendValue(const char* name, const char* help, prometheus::MetricType type,
                 std::optional<double> value, Families* families) {
  if (!value) return;
  prometheus::MetricFamily family;
  family.name = name;
  family.help = help;
  family.type = type;
  family.metric.emplace_back();
  if (type == prometheus::MetricType::Counter) {
    family.metric.back().counter.value = *value;
  } else {
    family.metric.back().gauge.value = *value;
  }
  families->push_back(std::move(family));
}

// Of /proc/self/stat, proc(5).
struct ProcessStat {
  double threads = 0;
  double start_ticks = 0;  // clock ticks after boot
  double virtual_bytes = 0;
  double resident_bytes = 0;
};

std::optional<ProcessStat> ReadProcessStat() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  if (!std::getline(file, text)) return std::nullopt;
  // The second field is the program's name in parentheses and may itself hold blanks and
  // parentheses; the fields from the third on follow the last one.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  const auto skip = [&](int count) {
    for (int i = 0; i < count; ++i) fields >> skipped;
  };
  ProcessStat stat;
  double resident_pages = 0;
  skip(17);  // 3 to 19
  fields >> stat.threads;
  skip(1);  // 21
  fields >> stat.start_ticks >> stat.virtual_bytes >> resident_pages;
  if (!fields) return std::nullopt;
  stat.resident_bytes = resident_pages * static_cast<double>(sysconf(_SC_PAGESIZE));
  return stat;
}

// Unix time of the machine's start, in seconds.
std::optional<double> ReadBootTime() {
  std::ifstream file("/proc/stat");
  std::string word;
  while (file >> word) {
    double seconds = 0;
    if (word == "btime" && file >> seconds) return seconds;
  }
  return std::nullopt;
}

std::optional<double> CountOpenFds() {
  DIR* const directory = opendir("/proc/self/fd");
  if (directory == nullptr) return std::nullopt;
  double entries = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') ++entries;
  }
  closedir(directory);
  return entries - 1;  // The directory's own descriptor is gone again.
}

std::optional<double> MaxFds() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return static_cast<double>(limit.rlim_cur);
}

std::optional<double> CpuSeconds() {
  timespec used = {};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) != 0) return std::nullopt;
  return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

std::optional<double> StartTime(const std::optional<ProcessStat>& stat) {
  const std::optional<double> boot_time = ReadBootTime();
  if (!stat || !boot_time) return std::nullopt;
  return *boot_time + stat->start_ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

void AddProcessMetrics(SelfMetrics* metrics) {
  // It never changes, and must not: rate() would see a restart.
  const std::optional<double> start_time = StartTime(ReadProcessStat());
  metrics->AddCollector([start_time](Families* families) {
    constexpr auto kCounter = prometheus::MetricType::Counter;
    constexpr auto kGauge = prometheus::MetricType::Gauge;
    const std::optional<ProcessStat> stat = ReadProcessStat();
    const auto of_stat = [&stat](double ProcessStat::*field) {
      return stat ? std::optional<double>((*stat).*field) : std::nullopt;
    };
    AppendValue("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                kCounter, CpuSeconds(), families);
    AppendValue("process_resident_memory_bytes", "Resident memory size in bytes.", kGauge,
                of_stat(&ProcessStat::resident_bytes), families);
    AppendValue("process_virtual_memory_bytes", "Virtual memory size in bytes.", kGauge,
                of_stat(&ProcessStat::virtual_bytes), families);
    AppendValue("process_threads", "Number of OS threads.", kGauge, of_stat(&ProcessStat::threads),
                families);
    AppendValue("process_open_fds", "Number of open file descriptors.", kGauge, CountOpenFds(),
                families);
    AppendValue("process_max_fds", "Maximum number of open file descriptors.", kGauge, MaxFds(),
                families);
    AppendValue("process_start_time_seconds",
                "Start time of the process since the Unix epoch in seconds.", kGauge, start_time,
                families);
  });
}

void AddBuildInfo(const std::string& version, SelfMetrics* metrics) {
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "gcc " __VERSION__;
#endif
  prometheus::BuildGauge()
      .Name("spanmeter_build_info")
      .Help("The running build: always 1, its properties are the labels.")
      .Register(metrics->registry())
      .Add({{"version", version}, {"compiler", compiler}})
      .Set(1);
}

}  // namespace spanmeter
