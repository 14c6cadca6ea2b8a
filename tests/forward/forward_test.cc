#include "spanmeter/forward.h"

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/log_file.h"

namespace spanmeter {
namespace {

Options WithReceivers(size_t count) {
  Options options;
  for (size_t i = 0; i < count; ++i) {
    ForwardOptions& receiver = options.forward.emplace_back();
    receiver.name = "receiver " + std::to_string(i);
    receiver.endpoint = "http://127.0.0.1:9";
    receiver.protocol = ForwardProtocol::kHttp;
  }
  return options;
}

// What a sanitizer looks at above all: a reload frees the receivers that others look through.
TEST(ForwardTest, ReadersRequestsAndReloadsMayComeAtAnyTime) {
  FakeClock clock;
  const LogFile log;
  const Logger logger(LogOptions(), &clock, log.fd());
  SelfMetrics metrics;
  Forward forward(WithReceivers(1), "1", &clock, &logger, &metrics);
  forward.Start();
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  others.emplace_back([&] {
    while (!done) EXPECT_LE(forward.status().receivers.size(), 3U);
  });
  others.emplace_back([&] {
    while (!done) EXPECT_FALSE(metrics.Collect().empty());
  });
  others.emplace_back([&] {
    const std::string_view part = "bytes";
    const TeeRequest request = {"", {&part, 1}, false, part, 1};
    while (!done) {
      const auto passage = forward.Enter(request);
      ASSERT_NE(nullptr, passage);
      passage->Send();
    }
  });
  for (size_t i = 0; i < 50; ++i) forward.Reload(WithReceivers(1 + i % 3));
  done = true;
  for (std::thread& other : others) other.join();
  EXPECT_EQ(2U, forward.status().receivers.size());
  forward.BeginStop(0);
  forward.Stop();
}

}  // namespace
}  // namespace spanmeter
