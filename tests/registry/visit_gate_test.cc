#include "registry/visit_gate.h"

#include <atomic>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

// What is freed too early or never is for AddressSanitizer to find; these tests give it the chance.
class VisitGateTest : public ::testing::Test {
 protected:
  Series* New() { return layout_.New(1, "key", "labels", 0); }

  const std::vector<FamilyMetric> metrics_ = {{"c", "", MetricType::kCounter, {}}};
  FakeClock clock_;
  const SeriesLayout layout_{&metrics_, &clock_};
  VisitGate gate_;
};

TEST_F(VisitGateTest, SeriesStayReadableUntilEveryEarlierVisitHasEnded) {
  const uint64_t first = gate_.Enter();
  const uint64_t second = gate_.Enter();
  Series* series = New();
  gate_.Retire(&layout_, series);
  const uint64_t third = gate_.Enter();
  EXPECT_EQ(series->labels(), "labels");
  gate_.Leave(first);
  EXPECT_EQ(series->labels(), "labels");
  gate_.Leave(second);
  gate_.Leave(third);
}

TEST_F(VisitGateTest, EndlessOverlappingVisitsDoNotKeepSeriesForever) {
  uint64_t previous = gate_.Enter();
  for (int i = 0; i < 1000; ++i) {
    gate_.Retire(&layout_, New());
    const uint64_t next = gate_.Enter();
    gate_.Leave(previous);
    previous = next;
    EXPECT_LE(gate_.retired(), 1u);
  }
  gate_.Leave(previous);
  EXPECT_EQ(gate_.retired(), 0u);
}

TEST_F(VisitGateTest, NoLayoutIsNeededOnceNothingIsRetired) {
  std::atomic<bool> done{false};
  std::thread visitor([&] {
    while (!done) {
      const VisitScope visit(&gate_);
      std::this_thread::yield();
    }
  });
  for (int waited = 0; waited < 200;) {
    auto layout = std::make_unique<const SeriesLayout>(&metrics_, &clock_);
    gate_.Retire(layout.get(), layout->New(1, "key", "labels", 0));
    if (gate_.retired() != 0) ++waited;
    while (gate_.retired() != 0) std::this_thread::yield();
    layout.reset();
  }
  done = true;
  visitor.join();
}

TEST_F(VisitGateTest, WithoutVisitsSeriesAreFreedAtOnce) {
  gate_.Retire(&layout_, New());
  EXPECT_EQ(gate_.retired(), 0u);
}

}  // namespace
}  // namespace spanmeter
