#include "otlp/connection_listener.h"

#include <algorithm>
#include <chrono>
#include <fcntl.h>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <prometheus/counter.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "spanmeter/mutex.h"

#include "support/fake_clock.h"
#include "support/sanitizers.h"

namespace spanmeter {
namespace {

using ::testing::HasSubstr;

constexpr auto kDeadline = std::chrono::seconds(30);

class ConnectionListenerTest : public ::testing::Test {
 protected:
  ~ConnectionListenerTest() override { setrlimit(RLIMIT_NOFILE, &limit_before_); }

  std::unique_ptr<ConnectionListener> Open(const std::string& listen) {
    return ConnectionListener::Open(listen, &clock_, &logger_, &refused_);
  }

  void Start() {
    listener_ = Open("127.0.0.1:0");
    ASSERT_NE(nullptr, listener_);
    listener_->Start([this](int /*listener_fd*/, int fd) {
      const MutexLock lock(&mutex_);
      taken_.emplace_back(fd);
    });
  }

  // A socket that is not connected yet, so that connecting takes no further descriptor.
  static OwnedFd NewSocket() { return OwnedFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

  bool Connect(const OwnedFd& socket) const {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(listener_->port());
    return connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
  }

  // Polls until it is so; false when it never is.
  static bool Eventually(const std::function<bool()>& is_so) {
    const auto end = std::chrono::steady_clock::now() + kDeadline;
    while (!is_so()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::yield();
    }
    return true;
  }

  size_t taken() {
    const MutexLock lock(&mutex_);
    return taken_.size();
  }

  // The highest descriptor among them.
  int highest() {
    const MutexLock lock(&mutex_);
    int highest = -1;
    for (const OwnedFd& fd : taken_) highest = std::max(highest, fd.get());
    return highest;
  }

  void CloseTaken() {
    const MutexLock lock(&mutex_);
    taken_.clear();
  }

  std::string log() const {
    std::string text(4096, '\0');
    text.resize(static_cast<size_t>(pread(log_.get(), text.data(), text.size(), 0)));
    return text;
  }

  // The lowest descriptor that is free.
  static rlim_t NextFile() { return static_cast<rlim_t>(OwnedFd(dup(0)).get()); }

  static void Limit(rlim_t files) {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = files;
    ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &limit));
  }

  static rlimit CurrentLimit() {
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit;
  }

  const rlimit limit_before_ = CurrentLimit();
  FakeClock clock_;
  const OwnedFd log_{memfd_create("log", MFD_CLOEXEC)};
  const Logger logger_{LogOptions(), &clock_, log_.get()};
  prometheus::Counter refused_;
  Mutex mutex_;
  std::vector<OwnedFd> taken_ GUARDED_BY(mutex_);
  std::unique_ptr<ConnectionListener> listener_;
};

TEST_F(ConnectionListenerTest, HandsOverWhatConnectsAsItShouldBe) {
  Start();
  const OwnedFd client = NewSocket();
  ASSERT_TRUE(Connect(client));
  ASSERT_TRUE(Eventually([this] { return taken() == 1; }));
  EXPECT_NE(0, fcntl(highest(), F_GETFL) & O_NONBLOCK);
  EXPECT_NE(0, fcntl(highest(), F_GETFD) & FD_CLOEXEC);
  EXPECT_EQ(0, refused_.Value());
}

TEST_F(ConnectionListenerTest, APortThatIsTakenIsNotOpened) {
  Start();
  const std::string port = std::to_string(listener_->port());
  EXPECT_EQ(nullptr, Open("127.0.0.1:" + port));
  listener_->Stop();
  EXPECT_NE(nullptr, Open("127.0.0.1:" + port));
}

TEST_F(ConnectionListenerTest, AnAddressOfAnotherMachineIsNotOpened) {
  EXPECT_EQ(nullptr, Open("192.0.2.1:0"));
  EXPECT_EQ(nullptr, Open("no.such.host.invalid:0"));
}

TEST_F(ConnectionListenerTest, NamesAndAllAddressesCanBeOpened) {
  for (const char* listen : {"localhost:0", "0.0.0.0:0"}) {
    listener_ = Open(listen);
    ASSERT_NE(nullptr, listener_) << listen;
    EXPECT_NE(0, listener_->port());
    EXPECT_TRUE(Connect(NewSocket())) << listen;
  }
}

TEST_F(ConnectionListenerTest, AfterAStopNobodyConnects) {
  Start();
  listener_->Stop();
  listener_->Stop();
  EXPECT_FALSE(Connect(NewSocket()));
}

TEST_F(ConnectionListenerTest, TheLastDescriptorsAreKeptForOthers) {
  Start();
  std::vector<OwnedFd> clients(100);
  for (OwnedFd& client : clients) client = NewSocket();
  // A quarter of the limit is kept: below that there is room for about 20.
  const rlim_t limit = (NextFile() + 20) * 4 / 3;
  Limit(limit);
  for (const OwnedFd& client : clients) ASSERT_TRUE(Connect(client));
  ASSERT_TRUE(Eventually(
      [&] { return taken() + static_cast<size_t>(refused_.Value()) == clients.size(); }));
  EXPECT_GE(taken(), 18);
  EXPECT_LE(taken(), 22);
  EXPECT_LT(static_cast<rlim_t>(highest()), limit - limit / 4);
  EXPECT_THAT(log(), HasSubstr("cannot take more connections for spans"));

  // As soon as others have gone, there is room again.
  CloseTaken();
  ASSERT_TRUE(Connect(NewSocket()));
  EXPECT_TRUE(Eventually([this] { return taken() == 1; }));
}

TEST_F(ConnectionListenerTest, NoMoreConnectionsThan16KAreTakenWhateverTheLimit) {
  constexpr rlim_t kMost = 16'384;
  if (limit_before_.rlim_max < kMost + 100) GTEST_SKIP() << "so many files cannot be opened here";
  Limit(limit_before_.rlim_max);
  Start();
  const OwnedFd first = NewSocket();
  const OwnedFd second = NewSocket();
  std::vector<OwnedFd> others;
  while (NextFile() < kMost - 1) others.emplace_back(dup(0));
  ASSERT_TRUE(Connect(first));
  ASSERT_TRUE(Connect(second));
  ASSERT_TRUE(Eventually([this] { return refused_.Value() == 1; }));
  EXPECT_EQ(1, taken());
  EXPECT_EQ(kMost - 1, static_cast<rlim_t>(highest()));
}

TEST_F(ConnectionListenerTest, ThePortOutlivesThatNoFileCanBeOpened) {
  if (kSanitized) GTEST_SKIP() << "UndefinedBehaviorSanitizer opens files to look at memory";
  Start();
  const OwnedFd first = NewSocket();
  const OwnedFd second = NewSocket();
  Limit(NextFile() + 10);
  std::vector<OwnedFd> others;
  for (;;) {
    OwnedFd fd(dup(0));
    if (fd.get() < 0) break;
    others.push_back(std::move(fd));
  }
  // The system connects them, but there is no descriptor for them.
  ASSERT_TRUE(Connect(first));
  ASSERT_TRUE(Connect(second));
  ASSERT_TRUE(Eventually([this] { return log().find("Too many open files") != log().npos; }));
  EXPECT_EQ(0, taken());
  Limit(limit_before_.rlim_cur);
  EXPECT_TRUE(Eventually([this] { return taken() == 2; }));
  EXPECT_EQ(0, refused_.Value());
}

}  // namespace
}  // namespace spanmeter
