// spanmeter: from the command line to a running process, and to its end.

#include <algorithm>
#include <cstdio>
#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <string>
#include <time.h>
#include <unistd.h>
#include <vector>

#include "spanmeter/config.h"

#include "app/app.h"
#include "app/convert_command.h"
#include "app/flags.h"
#include "app/service_notify.h"
#include "app/welcome.h"

namespace spanmeter {
namespace {

constexpr int kExitOk = 0;
constexpr int kExitCannotStart = 1;
constexpr int kExitWrongFlags = 2;

void Print(FILE* file, const std::string& text) { fwrite(text.data(), 1, text.size(), file); }

// Requests of hundreds of kilobytes come and go. By default glibc takes such buffers from the
// kernel and gives them back each time, so that every request pays for fresh pages: about a tenth
// of the server's CPU time at batches of 512 spans. Kept in the heap they stay mapped; how much an
// arena keeps is bounded by the trim threshold.
void TuneMalloc() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);  // the largest value that glibc accepts
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_TOP_PAD, 1 << 20);  // the heap grows in steps that spare system calls
}

// The signals that ask for a stop or a reload. Blocked in every thread, taken by WaitForSignal()
// alone.
sigset_t BlockSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // A peer that goes away while it is being answered is an error of that write, not of the process.
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

// Returns the signal that arrived within `nanos`, or 0.
int WaitForSignal(const sigset_t& signals, int64_t nanos) {
  const timespec timeout = {nanos / kNanosPerSecond, nanos % kNanosPerSecond};
  const int signal_number = sigtimedwait(&signals, nullptr, &timeout);
  return signal_number < 0 ? 0 : signal_number;  // EAGAIN: time is over; EINTR: was suspended
}

// What `systemctl status` shows of a process that runs.
std::string DescribePorts(const App& app) {
  const std::string otlp_http = app.otlp_http_address();
  return "spans to " + app.grpc_address() + " (OTLP/gRPC)" +
         (otlp_http.empty() ? "" : " and " + otlp_http + " (OTLP/HTTP)") +
         ", metrics and page at " + app.http_address() + " (HTTP)";
}

int Run(const Options& options, const Flags& flags) {
  TuneMalloc();
  const sigset_t signals = BlockSignals();  // before there are other threads

  App app(options, flags.config_file, flags.overrides, SPANMETER_VERSION);
  app.logger().Info("starting", {{"version", SPANMETER_VERSION}, {"config", flags.config_file}});
  if (!app.Start()) return kExitCannotStart;
  if (isatty(STDOUT_FILENO) != 0) {
    Print(stdout,
          WelcomeText(SPANMETER_VERSION, {app.grpc_address(), options.otlp_grpc.tls.has_value()},
                      {app.otlp_http_address(), options.otlp_http.tls.has_value()},
                      {app.http_address(), options.http.tls.has_value()}));
    fflush(stdout);
  }

  const SystemClock clock;
  ServiceNotify manager(&clock);
  const std::string status = DescribePorts(app);
  manager.Ready(status);

  int signal_number = 0;
  while (signal_number != SIGTERM && signal_number != SIGINT) {
    signal_number =
        WaitForSignal(signals, std::min(app.MaintenanceIntervalNanos(), manager.NanosUntilBeat()));
    if (signal_number == SIGHUP) {
      manager.Reloading();
      const bool is_reloaded = app.Reload().empty();
      manager.Ready(is_reloaded ? status : status + "; the last reload failed, see the log");
    }
    app.Maintain();
    manager.Beat();
  }
  manager.Stopping();

  app.logger().Info("stopping", {{"signal", signal_number == SIGINT ? "SIGINT" : "SIGTERM"}});
  // Whoever cannot wait for the requests in flight sends a second signal. A reload comes too late.
  signal(SIGHUP, SIG_IGN);
  pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
  app.Stop();
  app.logger().Info("stopped");
  return kExitOk;
}

int Main(const std::vector<std::string>& arguments) {
  if (!arguments.empty() && arguments[0] == kConvertCommand) {
    const CommandResult result = RunConvert({arguments.begin() + 1, arguments.end()});
    Print(stdout, result.output);
    Print(stderr, result.errors);
    return result.exit_status;
  }
  std::string error;
  const std::optional<Flags> flags = ParseFlags(arguments, &error);
  if (!flags) {
    Print(stderr, "spanmeter: " + error + "\n");
    return kExitWrongFlags;
  }
  if (flags->help) {
    Print(stdout, HelpText());
    return kExitOk;
  }
  if (flags->version) {
    Print(stdout, std::string("spanmeter ") + SPANMETER_VERSION + "\n");
    return kExitOk;
  }

  const ConfigResult config = LoadConfig(flags->config_file, flags->overrides);
  if (!config.problems.empty()) {
    Print(stderr, FormatProblems(flags->config_file, config.problems));
    Print(stderr, DescribeTempoConfig(flags->config_file));
    return kExitCannotStart;
  }
  if (flags->print_config) Print(stdout, PrintConfig(config.options));
  if (flags->check_config && !flags->print_config) {
    Print(stdout, flags->config_file + ": valid\n");
  }
  if (flags->check_config || flags->print_config) return kExitOk;
  return Run(config.options, *flags);
}

}  // namespace
}  // namespace spanmeter

int main(int argc, char** argv) {
  return spanmeter::Main(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
}
