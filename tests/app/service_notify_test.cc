#include "app/service_notify.h"

#include <cstdlib>
#include <limits>
#include <string>
#include <unistd.h>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

// Plays the service manager: a datagram socket under an abstract name, and the environment that
// points to it.
class Manager {
 public:
  Manager() : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    // Binding without a path makes the kernel choose an abstract name that nobody else has.
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address.sun_family)), 0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    const size_t name_size = size - offsetof(sockaddr_un, sun_path);
    const std::string name = "@" + std::string(address.sun_path + 1, name_size - 1);
    setenv("NOTIFY_SOCKET", name.c_str(), 1);
  }
  ~Manager() {
    close(fd_);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
  }
  Manager(const Manager&) = delete;
  Manager& operator=(const Manager&) = delete;

  static void Watch(const std::string& timeout_micros, pid_t pid) {
    setenv("WATCHDOG_USEC", timeout_micros.c_str(), 1);
    setenv("WATCHDOG_PID", std::to_string(pid).c_str(), 1);
  }

  // The next message that has arrived; empty when there is none.
  std::string Receive() const {
    std::string message(4096, '\0');
    const ssize_t size = recv(fd_, message.data(), message.size(), 0);
    message.resize(size < 0 ? 0 : static_cast<size_t>(size));
    return message;
  }

 private:
  const int fd_;
};

constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

TEST(ServiceNotifyTest, SaysThatItIsReadyWithItsStatusInOneLine) {
  const Manager manager;
  const FakeClock clock;
  ServiceNotify notify(&clock);
  EXPECT_EQ(manager.Receive(), "");
  notify.Ready("spans here\nmetrics there");
  EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=spans here metrics there");
}

TEST(ServiceNotifyTest, StampsAReloadWithTheMonotonicClock) {
  const Manager manager;
  FakeClock clock;
  ServiceNotify notify(&clock);
  clock.Advance(2'345'678);
  notify.Reloading();
  EXPECT_EQ(manager.Receive(),
            "RELOADING=1\nMONOTONIC_USEC=1000002345\nSTATUS=reading the configuration");
}

TEST(ServiceNotifyTest, SaysThatItStops) {
  const Manager manager;
  const FakeClock clock;
  ServiceNotify notify(&clock);
  notify.Stopping();
  EXPECT_EQ(manager.Receive(), "STOPPING=1\nSTATUS=finishing requests and pushes");
}

TEST(ServiceNotifyTest, BeatsAtHalfOfWhatTheWatchdogWaitsFor) {
  const Manager manager;
  Manager::Watch("30000000", getpid());
  FakeClock clock;
  ServiceNotify notify(&clock);
  EXPECT_EQ(notify.NanosUntilBeat(), 0);
  notify.Beat();
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  EXPECT_EQ(notify.NanosUntilBeat(), 15 * kNanosPerSecond);

  clock.Advance(15 * kNanosPerSecond - 1);
  notify.Beat();
  EXPECT_EQ(manager.Receive(), "");
  EXPECT_EQ(notify.NanosUntilBeat(), 1);

  clock.Advance(1);
  notify.Beat();
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");

  // A round that took too long makes the next beat due at once, and only one.
  clock.Advance(100 * kNanosPerSecond);
  EXPECT_EQ(notify.NanosUntilBeat(), 0);
  notify.Beat();
  notify.Beat();
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  EXPECT_EQ(manager.Receive(), "");
}

TEST(ServiceNotifyTest, DoesNotBeatWithoutAWatchdog) {
  const Manager manager;
  FakeClock clock;
  ServiceNotify notify(&clock);
  clock.Advance(1'000'000 * kNanosPerSecond);
  notify.Beat();
  EXPECT_EQ(manager.Receive(), "");
  EXPECT_EQ(notify.NanosUntilBeat(), kNever);
}

TEST(ServiceNotifyTest, DoesNotBeatForAWatchdogOfAnotherProcess) {
  const Manager manager;
  Manager::Watch("30000000", getppid());
  const FakeClock clock;
  ServiceNotify notify(&clock);
  notify.Beat();
  EXPECT_EQ(manager.Receive(), "");
  EXPECT_EQ(notify.NanosUntilBeat(), kNever);
}

TEST(ServiceNotifyTest, TheLongestTimeoutThatCanBeWrittenDoesNotOverflow) {
  const Manager manager;
  Manager::Watch("18446744073709551614", getpid());
  const FakeClock clock;
  ServiceNotify notify(&clock);
  notify.Beat();
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  EXPECT_GT(notify.NanosUntilBeat(), 0);
}

TEST(ServiceNotifyTest, WithoutAManagerNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  const FakeClock clock;
  ServiceNotify notify(&clock);
  notify.Ready("");
  notify.Reloading();
  notify.Beat();
  notify.Stopping();
  EXPECT_EQ(notify.NanosUntilBeat(), kNever);
}

}  // namespace
}  // namespace spanmeter
