// A resolver that does not answer, which this program has instead of the system's.

#include <condition_variable>
#include <mutex>
#include <netdb.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/curl_client.h"

#include "support/log_file.h"

namespace {

// Who asks for a name waits until this is opened.
struct Gate {
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  int waiting = 0;
};

Gate* TheGate() {
  static Gate gate;
  return &gate;
}

}  // namespace

extern "C" int getaddrinfo(const char* /*node*/, const char* /*service*/, const addrinfo* /*hints*/,
                           addrinfo** /*result*/) {
  Gate* const gate = TheGate();
  std::unique_lock<std::mutex> lock(gate->mutex);
  ++gate->waiting;
  gate->changed.notify_all();
  gate->changed.wait(lock, [gate] { return gate->open; });
  --gate->waiting;
  gate->changed.notify_all();
  return EAI_AGAIN;
}

namespace spanmeter {
namespace {

class SlowResolverTest : public testing::Test {
 protected:
  SlowResolverTest() {
    const std::lock_guard<std::mutex> lock(TheGate()->mutex);
    TheGate()->open = false;
  }
  ~SlowResolverTest() override {
    Gate* const gate = TheGate();
    std::unique_lock<std::mutex> lock(gate->mutex);
    gate->open = true;
    gate->changed.notify_all();
    gate->changed.wait(lock, [gate] { return gate->waiting == 0; });
  }

  void Start(int64_t timeout_nanos) {
    RemoteWriteOptions options;
    options.name = "r";
    options.url = "http://receiver.test/write";
    options.remote_timeout = timeout_nanos;
    client_ = NewCurlClient(options, "spanmeter/test", &clock_, &logger_);
    HttpRequest request;
    request.id = 1;
    client_->Start(std::move(request));
  }

  SystemClock clock_;
  LogFile log_;
  Logger logger_{{}, &clock_, log_.fd()};
  std::unique_ptr<HttpClient> client_;
};

// The gate stays closed: what waits for the resolver here would wait forever.
TEST_F(SlowResolverTest, DoesNotHoldUpTheEnd) {
  Start(60 * kNanosPerSecond);
  client_->Wait(0);
  {
    Gate* const gate = TheGate();
    std::unique_lock<std::mutex> lock(gate->mutex);
    gate->changed.wait(lock, [gate] { return gate->waiting == 1; });
  }
  client_->CancelAll();
  client_.reset();
}

TEST_F(SlowResolverTest, DoesNotHoldUpTheTimeout) {
  Start(100 * kNanosPerMilli);
  std::vector<HttpResponse> responses;
  const int64_t deadline = clock_.MonotonicNanos() + 30 * kNanosPerSecond;
  while (responses.empty() && clock_.MonotonicNanos() < deadline) {
    responses = client_->Wait(kNanosPerSecond);
  }
  ASSERT_EQ(responses.size(), 1u);
  EXPECT_EQ(responses[0].status, 0);
  EXPECT_NE(responses[0].error, "");
  client_.reset();
}

}  // namespace
}  // namespace spanmeter
