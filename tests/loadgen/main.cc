// spanmeter-loadgen: sends OTLP spans over gRPC and reports how the server took them.

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <vector>

#include <sys/signalfd.h>

#include "loadgen/batch_source.h"
#include "loadgen/client.h"
#include "loadgen/load_options.h"
#include "loadgen/report.h"
#include "loadgen/server_metrics.h"

namespace spanmeter::loadgen {
namespace {

constexpr int kUsageError = 2;

// How long to wait for a signal before looking whether the client is done.
constexpr int kPollMillis = 20;

void Print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

std::optional<double> ServerCpuSeconds(const LoadOptions& options) {
  if (options.metrics_url.empty()) return std::nullopt;
  std::string error;
  const std::optional<double> seconds = ReadServerCpuSeconds(options.metrics_url, &error);
  if (!seconds) std::fprintf(stderr, "spanmeter-loadgen: %s\n", error.c_str());
  return seconds;
}

// Prints a line every second until the client is done; a signal on `signal_fd` stops it.
void Watch(int signal_fd, bool progress, std::chrono::steady_clock::time_point start,
           Client* client) {
  Score before;
  auto last = start;
  while (!client->done()) {
    pollfd poll_fd = {signal_fd, POLLIN, 0};
    if (poll(&poll_fd, 1, kPollMillis) > 0) {
      signalfd_siginfo info = {};
      if (read(signal_fd, &info, sizeof(info)) > 0) client->Stop();
    }
    const auto now = std::chrono::steady_clock::now();
    const double interval = std::chrono::duration<double>(now - last).count();
    if (interval < 1) continue;
    const Score score = client->score();
    if (progress) {
      const double elapsed = std::chrono::duration<double>(now - start).count();
      Print(ProgressLine(elapsed, interval, before, score) + "\n");
    }
    before = score;
    last = now;
  }
}

int Main(const std::vector<std::string>& arguments) {
  LoadOptions options;
  std::string error;
  if (!ParseLoadOptions(arguments, &options, &error)) {
    std::fprintf(stderr, "spanmeter-loadgen: %s\n", error.c_str());
    return kUsageError;
  }
  if (options.help) {
    Print(LoadOptionsHelp());
    return 0;
  }

  // Taken by the main thread alone; blocked before gRPC starts threads, which inherit the mask.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC);

  const std::unique_ptr<BatchSource> source = NewBatchSource(options);
  Client client(options, source.get());
  if (!client.Connect(&error)) {
    std::fprintf(stderr, "spanmeter-loadgen: %s\n", error.c_str());
    return 1;
  }
  const std::optional<double> cpu_before = ServerCpuSeconds(options);
  const auto start = std::chrono::steady_clock::now();
  client.Start();
  Watch(signal_fd, !options.json, start, &client);
  client.Join();

  Summary summary;
  summary.elapsed_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  summary.score = client.score();
  if (cpu_before) {
    const std::optional<double> cpu_after = ServerCpuSeconds(options);
    if (cpu_after) summary.server_cpu_seconds = *cpu_after - *cpu_before;
  }
  Print(options.json ? SummaryJson(summary) : SummaryText(summary));
  close(signal_fd);
  return summary.score.acknowledged_spans > 0 ? 0 : 1;
}

}  // namespace
}  // namespace spanmeter::loadgen

int main(int argc, char** argv) {
  return spanmeter::loadgen::Main(std::vector<std::string>(argv + 1, argv + argc));
}
