#include "remote_write/tenant_collector.h"

#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "remote_write/decoded_requests.h"
#include "remote_write/request_encoder.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::ElementsAre;

constexpr int64_t kNever = std::numeric_limits<int64_t>::min();
constexpr char kTraceId[] = "0123456789abcdef";

bool IsStaleMarker(double value) {
  return std::bit_cast<uint64_t>(value) == std::bit_cast<uint64_t>(StaleMarker());
}

class TenantCollectorTest : public testing::Test {
 protected:
  void SetUp() override {
    options_.stale_duration = 60 * kNanosPerSecond;
    remote_.name = "r";
    Restart(kNever);
  }

  // A new process: receivers may know samples up to this time.
  void Restart(int64_t known_until_ms) {
    registry_ = std::make_unique<Registry>(options_, &clock_);
    family_ = AddFamily(registry_.get());
    collector_ = std::make_unique<TenantCollector>("tenant", known_until_ms);
  }

  static FamilyId AddFamily(Registry* registry) {
    FamilyOptions family;
    family.labels = {{"a", {}}};
    family.metrics = {{"latency", "Seconds.", MetricType::kHistogram, {1}},
                      {"calls_total", "Calls.", MetricType::kCounter, {}},
                      {"failed_total", "Failures.", MetricType::kCounter, {}},
                      {"up", "", MetricType::kGauge, {}}};
    family.metrics[2].joins = true;
    return registry->AddFamily(family);
  }

  void Update(const std::string& a, uint8_t metrics = 0b1011, const char* trace_id = nullptr) {
    batch_.Clear();
    batch_.BeginKey();
    batch_.AppendText(a);
    spanmeter::Update& update = batch_.Add(family_);
    update.metrics = metrics;
    update.values = {0.5, 1, 1, 1};
    update.trace_id = trace_id;
    registry_->Apply(&batch_);
  }

  int64_t NowMs() const { return clock_.WallNanos() / kNanosPerMilli; }
  void AdvanceMs(int64_t ms) { clock_.Advance(ms * kNanosPerMilli); }

  // Collects with a stamp of now, a moment later.
  DecodedRequests Collect(Protocol protocol = Protocol::k2) {
    const int64_t stamp_ms = NowMs();
    AdvanceMs(3);
    blocks_ =
        collector_->Collect(registry_.get(), stamp_ms,
                            std::vector<TenantCollector::Target>{{&remote_, nullptr, protocol}})[0];
    return DecodeRequests(blocks_);
  }

  FakeClock clock_;
  GeneratorOptions options_;
  RemoteWriteOptions remote_;
  std::unique_ptr<Registry> registry_;
  FamilyId family_ = 0;
  UpdateBatch batch_;
  std::unique_ptr<TenantCollector> collector_;
  std::vector<Block> blocks_;
};

// 12:00:00 is the start of FakeClock.
TEST_F(TenantCollectorTest, NewCountersAndBucketsBeginWithZeroAtTheEndOfTheMinuteBefore) {
  AdvanceMs(17'000);
  const int64_t created = NowMs();
  Update("x");
  AdvanceMs(13'000);
  const int64_t stamp = NowMs();
  const DecodedRequests first = Collect();
  const int64_t zero = FakeClock::kStartWallNanos / kNanosPerMilli - 1000;
  ASSERT_EQ(first.size(), 6u);
  for (const char* series : {R"(__name__="calls_total",a="x")", R"(__name__="latency_count",a="x")",
                             R"(__name__="latency_bucket",a="x",le="1")",
                             R"(__name__="latency_bucket",a="x",le="+Inf")"}) {
    EXPECT_THAT(first.at(series).points,
                ElementsAre(DecodedPoint{0, zero, 0}, DecodedPoint{1, stamp, created}))
        << series;
  }
  EXPECT_THAT(first.at(R"(__name__="latency_sum",a="x")").points,
              ElementsAre(DecodedPoint{0.5, stamp, created}));
  EXPECT_THAT(first.at(R"(__name__="up",a="x")").points, ElementsAre(DecodedPoint{1, stamp, 0}));

  AdvanceMs(15'000);
  Update("x");
  const DecodedRequests second = Collect();
  EXPECT_THAT(second.at(R"(__name__="calls_total",a="x")").points,
              ElementsAre(DecodedPoint{2, stamp + 15'003, created}));
}

TEST_F(TenantCollectorTest, WhatIsNotNewDoesNotBeginWithZero) {
  AdvanceMs(17'000);
  Update("old");
  AdvanceMs(1'000);
  collector_ = std::make_unique<TenantCollector>("tenant", kNever, NowMs());
  Update("new");
  AdvanceMs(1'000);
  const DecodedRequests requests = Collect();
  EXPECT_EQ(requests.at(R"(__name__="calls_total",a="old")").points.size(), 1u);
  EXPECT_EQ(requests.at(R"(__name__="calls_total",a="new")").points.size(), 2u);
}

TEST_F(TenantCollectorTest, Version1HasTheSameSamplesWithoutStartTimes) {
  AdvanceMs(17'000);
  Update("x");
  AdvanceMs(13'000);
  const int64_t stamp = NowMs();
  const DecodedRequests requests = Collect(Protocol::k1);
  const int64_t zero = FakeClock::kStartWallNanos / kNanosPerMilli - 1000;
  EXPECT_THAT(requests.at(R"(__name__="calls_total",a="x")").points,
              ElementsAre(DecodedPoint{0, zero, 0}, DecodedPoint{1, stamp, 0}));
}

TEST_F(TenantCollectorTest, AMetricThatJoinsLaterBeginsWithZero) {
  AdvanceMs(10'000);
  Update("x");
  AdvanceMs(1000);
  Collect();
  AdvanceMs(30'000);
  const int64_t joined = NowMs();
  Update("x", 0b0110);
  AdvanceMs(10'000);
  const int64_t stamp = NowMs();
  const DecodedRequests requests = Collect();
  EXPECT_THAT(requests.at(R"(__name__="failed_total",a="x")").points,
              ElementsAre(DecodedPoint{0, FakeClock::kStartWallNanos / kNanosPerMilli - 1000, 0},
                          DecodedPoint{1, stamp, joined}));
  EXPECT_EQ(requests.at(R"(__name__="calls_total",a="x")").points.size(), 1u);
}

// What is born after the stamp may be seen or not, depending on when its place is visited.
TEST_F(TenantCollectorTest, WhatIsBornAfterTheStampIsLeftToTheNextCollection) {
  AdvanceMs(10'000);
  Update("old");
  const int64_t stamp = NowMs() + 1;
  AdvanceMs(5);
  Update("new");
  Update("old");
  const std::vector<TenantCollector::Target> targets = {{&remote_, nullptr, Protocol::k2}};
  const DecodedRequests first =
      DecodeRequests(collector_->Collect(registry_.get(), stamp, targets)[0]);
  EXPECT_TRUE(first.contains(R"(__name__="calls_total",a="old")"));
  EXPECT_FALSE(first.contains(R"(__name__="calls_total",a="new")"));
  AdvanceMs(15'000);
  const DecodedRequests second = Collect();
  EXPECT_EQ(second.at(R"(__name__="calls_total",a="new")").points.size(), 2u);
  EXPECT_EQ(second.at(R"(__name__="calls_total",a="old")").points.size(), 1u);
}

TEST_F(TenantCollectorTest, SeriesThatExpireGetAStaleMarkerOnce) {
  Update("x", 0b0111);
  AdvanceMs(1000);
  Collect();
  AdvanceMs(59'000);
  const int64_t stamp = NowMs();
  const DecodedRequests requests = Collect();
  ASSERT_EQ(requests.size(), 6u);
  for (const auto& [labels, series] : requests) {
    ASSERT_EQ(series.points.size(), 1u) << labels;
    EXPECT_EQ(series.points[0].timestamp_ms, stamp) << labels;
    EXPECT_TRUE(IsStaleMarker(series.points[0].value)) << labels;
  }
  AdvanceMs(15'000);
  EXPECT_TRUE(Collect().empty());
}

TEST_F(TenantCollectorTest, WhatWasNeverSentGetsNoStaleMarker) {
  Collect();
  AdvanceMs(1000);
  Update("x");
  AdvanceMs(61'000);
  EXPECT_TRUE(Collect().empty());
}

TEST_F(TenantCollectorTest, ASeriesThatIsBornAgainBetweenTwoCollectionsGoesOnWithAZero) {
  Update("x");
  AdvanceMs(1000);
  const int64_t last = NowMs();
  Collect();
  AdvanceMs(60'000);
  Update("x");
  AdvanceMs(1000);
  const int64_t stamp = NowMs();
  const DecodedRequests requests = Collect();
  // 12:01:02; the end of the minute before is at 12:00:59, later than the last sample.
  const auto& points = requests.at(R"(__name__="calls_total",a="x")").points;
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].timestamp_ms, FakeClock::kStartWallNanos / kNanosPerMilli + 59'000);
  EXPECT_GT(points[0].timestamp_ms, last);
  EXPECT_EQ(points[1].timestamp_ms, stamp);
}

TEST_F(TenantCollectorTest, TheZeroOfASeriesThatIsBornAgainFollowsItsStaleMarker) {
  options_.stale_duration = 10 * kNanosPerSecond;
  Restart(kNever);
  Update("x");
  AdvanceMs(1000);
  Collect();
  AdvanceMs(12'000);
  const int64_t marked = NowMs();
  EXPECT_TRUE(IsStaleMarker(Collect().at(R"(__name__="calls_total",a="x")").points[0].value));
  AdvanceMs(2000);
  Update("x");
  Update("y");
  AdvanceMs(2000);
  const DecodedRequests requests = Collect();
  EXPECT_EQ(requests.at(R"(__name__="calls_total",a="x")").points[0].timestamp_ms, marked + 1);
  EXPECT_EQ(requests.at(R"(__name__="calls_total",a="y")").points[0].timestamp_ms,
            FakeClock::kStartWallNanos / kNanosPerMilli - 1000);
}

TEST_F(TenantCollectorTest, ZeroesFollowTheSamplesOfAFormerProcess) {
  AdvanceMs(20'000);
  const int64_t known = NowMs();
  Restart(known);
  Update("x");
  AdvanceMs(5000);
  EXPECT_EQ(Collect().at(R"(__name__="calls_total",a="x")").points[0].timestamp_ms, known + 1);
  AdvanceMs(120'000);
  Update("y");
  AdvanceMs(1000);
  EXPECT_EQ(Collect().at(R"(__name__="calls_total",a="y")").points[0].timestamp_ms,
            FakeClock::kStartWallNanos / kNanosPerMilli + 119'000);
}

// Runs something at the moment at which the wall clock has been read.
class InterruptedClock final : public Clock {
 public:
  explicit InterruptedClock(const Clock* clock) : clock_(*clock) {}

  int64_t WallNanos() const override {
    const int64_t nanos = clock_.WallNanos();
    if (const auto interruption = std::exchange(next_, nullptr)) interruption();
    return nanos;
  }
  int64_t MonotonicNanos() const override { return clock_.MonotonicNanos(); }
  void InterruptNextReading(std::function<void()> next) { next_ = std::move(next); }

 private:
  const Clock& clock_;
  mutable std::function<void()> next_;
};

TEST_F(TenantCollectorTest, AnExemplarOfARequestThatACollectionOvertakesIsSentByTheNext) {
  InterruptedClock clock(&clock_);
  registry_ = std::make_unique<Registry>(options_, &clock);
  family_ = AddFamily(registry_.get());
  const std::string bucket = R"(__name__="latency_bucket",a="x",le="1")";
  AdvanceMs(10'000);
  Update("x");
  AdvanceMs(1000);
  Collect();
  // The request has read the clock, and is then held up until a collection is over.
  AdvanceMs(14'999);
  DecodedRequests overtaking;
  clock.InterruptNextReading([&] {
    AdvanceMs(1);
    overtaking = Collect();
  });
  Update("x", 0b1011, kTraceId);
  EXPECT_TRUE(overtaking.at(bucket).exemplars.empty());
  AdvanceMs(15'000);
  const DecodedRequests next = Collect();
  EXPECT_EQ(next.at(bucket).points.back().value, 2);
  EXPECT_EQ(next.at(bucket).exemplars.size(), 1u);
  registry_.reset();
}

TEST_F(TenantCollectorTest, AnExemplarOfTheVeryMillisecondOfACollectionIsSentOnce) {
  const std::string bucket = R"(__name__="latency_bucket",a="x",le="1")";
  for (const bool before : {true, false}) {
    Restart(kNever);
    AdvanceMs(10'000);
    Update("x");
    AdvanceMs(1000);
    Collect();
    AdvanceMs(15'000);
    // The collection passes within this millisecond.
    const std::vector<TenantCollector::Target> targets = {{&remote_, nullptr, Protocol::k2}};
    if (before) Update("x", 0b1011, kTraceId);
    const auto first = DecodeRequests(collector_->Collect(registry_.get(), NowMs(), targets)[0]);
    if (!before) Update("x", 0b1011, kTraceId);
    AdvanceMs(15'000);
    const DecodedRequests second = Collect();
    EXPECT_EQ(first.at(bucket).exemplars.size() + second.at(bucket).exemplars.size(), 1u) << before;
  }
}

TEST_F(TenantCollectorTest, ExemplarsAreSentOnce) {
  Update("x", 0b1011, kTraceId);
  const int64_t seen = NowMs();
  AdvanceMs(1000);
  const DecodedRequests first = Collect();
  EXPECT_THAT(
      first.at(R"(__name__="latency_bucket",a="x",le="1")").exemplars,
      ElementsAre(DecodedExemplar{R"(traceID="30313233343536373839616263646566")", 0.5, seen}));
  AdvanceMs(15'000);
  Update("x");
  EXPECT_TRUE(Collect().at(R"(__name__="latency_bucket",a="x",le="1")").exemplars.empty());
  remote_.send_exemplars = false;
  Update("x", 0b1011, kTraceId);
  AdvanceMs(15'000);
  EXPECT_TRUE(Collect().at(R"(__name__="latency_bucket",a="x",le="1")").exemplars.empty());
}

TEST_F(TenantCollectorTest, WriteRelabellingSeesNameAndBound) {
  std::vector<RelabelRule> rules(2);
  rules[0].source_labels = {"__name__"};
  rules[0].regex = "latency_.*";
  rules[0].action = RelabelRule::Action::kKeep;
  rules[1].source_labels = {"le"};
  rules[1].regex = "1";
  rules[1].target_label = "__name__";
  rules[1].replacement = "renamed";
  std::vector<OptionProblem> problems;
  const Relabeler relabeler(rules, "", {}, &problems);
  Update("x");
  AdvanceMs(1000);
  const std::vector<TenantCollector::Target> targets = {{&remote_, &relabeler, Protocol::k2}};
  const DecodedRequests requests =
      DecodeRequests(collector_->Collect(registry_.get(), NowMs(), targets)[0]);
  std::vector<std::string> names;
  for (const auto& [labels, series] : requests) names.push_back(labels);
  EXPECT_THAT(names,
              ElementsAre(R"(__name__="latency_bucket",a="x",le="+Inf")",
                          R"(__name__="latency_count",a="x")", R"(__name__="latency_sum",a="x")",
                          R"(__name__="renamed",a="x",le="1")"));
}

TEST_F(TenantCollectorTest, NativeHistogramsBeginWithAnEmptyOne) {
  registry_ = std::make_unique<Registry>(options_, &clock_);
  FamilyOptions family;
  family.labels = {{"a", {}}};
  FamilyMetric metric;
  metric.name = "latency";
  metric.type = MetricType::kHistogram;
  metric.classic = false;
  metric.native.emplace();
  family.metrics = {metric};
  family_ = registry_->AddFamily(family);
  AdvanceMs(17'000);
  const int64_t created = NowMs();
  Update("x", 1);
  AdvanceMs(1000);
  const int64_t stamp = NowMs();
  const auto points = Collect().at(R"(__name__="latency",a="x")").points;
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0], (DecodedPoint{0, FakeClock::kStartWallNanos / kNanosPerMilli - 1000, 0,
                                     "histogram count_int: 0 schema: 3 zero_count_int: 0"}));
  EXPECT_EQ(points[1].timestamp_ms, stamp);
  EXPECT_EQ(points[1].start_ms, created);
  // It ends like any other series.
  AdvanceMs(60'000);
  const auto end = Collect().at(R"(__name__="latency",a="x")").points;
  ASSERT_EQ(end.size(), 1u);
  EXPECT_TRUE(IsStaleMarker(end[0].value));
  remote_.send_native_histograms = false;
  Update("x", 1);
  AdvanceMs(1000);
  EXPECT_TRUE(Collect().empty());
}

// Whatever happens, what arrives of each series is a story that makes sense: time moves on, a
// counter begins with zero, grows, and is told to be gone before it begins again.
TEST_F(TenantCollectorTest, EverySeriesIsAConsistentStory) {
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](uint32_t n) { return static_cast<int>(random() % n); };
    options_.stale_duration = (2 + below(20)) * kNanosPerSecond;
    remote_.queue_config.max_samples_per_send = 1 + static_cast<uint64_t>(below(40));
    Restart(kNever);
    struct Story {
      std::vector<DecodedPoint> points;
    };
    std::map<std::string, Story> stories;
    std::map<std::string, int> counts;       // of the label set that lives
    std::map<std::string, int64_t> updated;  // monotonic
    for (int step = 0; step < 150; ++step) {
      for (int i = below(4); i > 0; --i) {
        const std::string a = std::to_string(below(6));
        if (!updated.contains(a) ||
            clock_.MonotonicNanos() - updated[a] >= options_.stale_duration) {
          counts[a] = 0;
        }
        Update(a);
        ++counts[a];
        updated[a] = clock_.MonotonicNanos();
      }
      if (below(10) == 0) registry_->Expire();
      if (below(40) == 0) {
        Restart(collector_->last_stamp_ms());
        for (auto& [a, time] : updated) time = std::numeric_limits<int64_t>::min() / 2;
        for (auto& [series, story] : stories) story.points.push_back({-1, 0, 0});
      }
      AdvanceMs(1 + below(4000));
      if (below(3) != 0) continue;
      const int64_t stamp = NowMs();
      const DecodedRequests requests = Collect();
      for (const auto& [labels, series] : requests) {
        for (const DecodedPoint& point : series.points) {
          stories[labels].points.push_back(point);
        }
      }
      // What lives is there with its value, and nothing else.
      for (const auto& [a, count] : counts) {
        const bool lives = NowMs() * kNanosPerMilli >= 0 && updated.contains(a) &&
                           clock_.MonotonicNanos() - updated[a] < options_.stale_duration;
        const std::string labels = R"(__name__="calls_total",a=")" + a + "\"";
        const bool shown =
            requests.contains(labels) && !IsStaleMarker(requests.at(labels).points.back().value);
        ASSERT_EQ(shown, lives) << labels << " seed " << seed << " step " << step;
        if (!lives) continue;
        EXPECT_EQ(requests.at(labels).points.back().value, count) << labels;
        EXPECT_EQ(requests.at(labels).points.back().timestamp_ms, stamp) << labels;
      }
    }
    for (const auto& [labels, story] : stories) {
      int64_t before_ms = 0;
      double value = 0;
      bool alive = false;
      const bool zero_first =
          labels.find("_sum") == std::string::npos && labels.find("up") == std::string::npos;
      for (const DecodedPoint& point : story.points) {
        if (point.value == -1) {  // a restart: what lived is forgotten
          alive = false;
          continue;
        }
        ASSERT_GT(point.timestamp_ms, before_ms) << labels << " seed " << seed;
        before_ms = point.timestamp_ms;
        if (IsStaleMarker(point.value)) {
          ASSERT_TRUE(alive) << labels << " seed " << seed;
          alive = false;
        } else if (!alive || (zero_first && point.value == 0)) {
          // Born, perhaps again between two collections.
          if (zero_first) {
            ASSERT_EQ(point.value, 0) << labels << " seed " << seed;
          }
          alive = true;
          value = point.value;
        } else if (zero_first) {
          ASSERT_GE(point.value, value) << labels << " seed " << seed;
          value = point.value;
        }
      }
    }
  }
}

}  // namespace
}  // namespace spanmeter
