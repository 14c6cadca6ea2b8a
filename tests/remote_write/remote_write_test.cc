// All of remote write together: real registries, the system's clock, real sockets.

#include "spanmeter/remote_write.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "http_client/loopback_receiver.h"
#include "remote_write/metric_reader.h"
#include "remote_write/send_fixture.h"

namespace spanmeter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

using Manner = LoopbackReceiver::Manner;

constexpr char kCalls[] = R"(__name__="calls_total",a="x")";

// The system's clock, whose wall clock a test may set.
class SettableClock final : public Clock {
 public:
  int64_t WallNanos() const override { return system_.WallNanos() + ahead_nanos_; }
  int64_t MonotonicNanos() const override { return system_.MonotonicNanos(); }
  void Move(int64_t nanos) { ahead_nanos_ += nanos; }

 private:
  SystemClock system_;
  std::atomic<int64_t> ahead_nanos_{0};
};

class RemoteWriteTest : public testing::Test {
 protected:
  RemoteWriteTest() {
    std::string name = testing::TempDir() + "spanmeter_remote_write_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    directory_ = name;
  }
  ~RemoteWriteTest() override {
    remote_write_.reset();
    std::filesystem::remove_all(directory_);
  }

  static RemoteWriteOptions Receiver(const std::string& name, const std::string& url) {
    RemoteWriteOptions receiver;
    receiver.name = name;
    receiver.url = url;
    receiver.remote_timeout = 60 * kNanosPerSecond;
    receiver.queue_config.batch_send_deadline = 10 * kNanosPerMilli;
    receiver.queue_config.min_backoff = 10 * kNanosPerMilli;
    receiver.queue_config.max_backoff = 50 * kNanosPerMilli;
    return receiver;
  }

  void AddTenant(const std::string& name, bool disabled = false) {
    GeneratorOptions options;
    CollectedTenant tenant;
    tenant.name = name;
    tenant.registry = std::make_shared<Registry>(options, &clock_);
    tenant.interval_nanos = 20 * kNanosPerMilli;
    tenant.disabled = disabled;
    FamilyOptions family;
    family.labels = {{"a", {}}};
    family.metrics = {{"calls_total", "Calls.", MetricType::kCounter, {}}};
    tenant.registry->AddFamily(family);
    const std::lock_guard<std::mutex> lock(tenants_mutex_);
    tenants_.push_back(std::move(tenant));
  }

  // Makes one; Start() is the test's.
  void Create() {
    self_metrics_ = std::make_unique<SelfMetrics>();
    remote_write_ = std::make_unique<RemoteWrite>(
        options_, "test",
        [this] {
          const std::lock_guard<std::mutex> lock(tenants_mutex_);
          return tenants_;
        },
        &clock_, &logger_, self_metrics_.get());
  }
  void Start() {
    Create();
    remote_write_->Start();
    // New series begin with a zero at the end of the minute before, unless there was no such
    // minute.
    clock_.Move(120 * kNanosPerSecond);
  }
  void Reload(std::vector<RemoteWriteOptions> receivers) {
    options_.remote_write = std::move(receivers);
    remote_write_->Reload(options_);
  }
  // Returns how long it took.
  int64_t StopWithin(int64_t nanos) {
    const int64_t begin = clock_.MonotonicNanos();
    remote_write_->Stop(begin + nanos);
    return clock_.MonotonicNanos() - begin;
  }

  void Count(double calls, size_t tenant = 0) {
    UpdateBatch batch;
    batch.BeginKey();
    batch.AppendText("x");
    Update& update = batch.Add(0);
    update.metrics = 1;
    update.values[0] = calls;
    tenants_[tenant].registry->Apply(&batch);
  }

  double Metric(const std::string& name, const std::string& label = "",
                const std::string& value = "") const {
    const auto families = self_metrics_->Collect();
    const prometheus::ClientMetric* const metric =
        FindMetric(families, "spanmeter_" + name, label, value);
    if (metric == nullptr) return -1;
    return metric->counter.value + metric->gauge.value +
           static_cast<double>(metric->histogram.sample_count);
  }
  double Dropped(const std::string& reason) const {
    return Metric("remote_storage_samples_dropped_total", "reason", reason);
  }
  // Every sample that was collected was sent, dropped or waits.
  void ExpectAllAccountedFor() const {
    double fates =
        Metric("remote_storage_samples_total") + Metric("remote_storage_samples_pending");
    for (const char* reason : {"too_old", "queue_full", "rejected", "corrupt", "shutdown"}) {
      fates += Dropped(reason);
    }
    EXPECT_EQ(fates, Metric("remote_storage_samples_in_total"));
  }
  // Without what was sent again: a request whose answer a reload did not wait for is repeated.
  static std::vector<DecodedPoint> WithoutRepeats(const std::vector<DecodedPoint>& points) {
    std::vector<DecodedPoint> first;
    for (const DecodedPoint& point : points) {
      if (std::find(first.begin(), first.end(), point) == first.end()) first.push_back(point);
    }
    return first;
  }
  // Points of a series come in the order of their times, and a counter never goes back.
  static void ExpectInOrder(const std::vector<DecodedPoint>& points) {
    for (size_t i = 1; i < points.size(); ++i) {
      EXPECT_GT(points[i].timestamp_ms, points[i - 1].timestamp_ms);
      EXPECT_GE(points[i].value, points[i - 1].value);
    }
  }

  SettableClock clock_;
  LogFile log_;
  Logger logger_{{}, &clock_, log_.fd()};
  std::filesystem::path directory_;
  Options options_;
  std::mutex tenants_mutex_;
  std::vector<CollectedTenant> tenants_;
  std::unique_ptr<SelfMetrics> self_metrics_;
  std::unique_ptr<RemoteWrite> remote_write_;
};

TEST_F(RemoteWriteTest, SendsWhatIsCollectedAndAtTheEndTheRest) {
  LoopbackReceiver receiver;
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("t");
  Start();
  Count(3);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 3));
  Count(4);
  EXPECT_LT(StopWithin(20 * kNanosPerSecond), 10 * kNanosPerSecond);
  EXPECT_EQ(receiver.LastValue(kCalls), 7) << "what came before the stop is collected";
  const std::vector<DecodedPoint> points = receiver.Points(kCalls);
  EXPECT_EQ(points.front().value, 0) << "a new counter begins with zero";
  ExpectInOrder(points);
  ExpectAllAccountedFor();
  EXPECT_EQ(Metric("remote_storage_samples_total"), static_cast<double>(points.size()));
  EXPECT_EQ(Metric("remote_storage_samples_pending"), 0);
  EXPECT_GT(Metric("remote_write_collection_duration_seconds"), 0);
  EXPECT_EQ(Metric("storage_up"), 0) << "there is no storage.path";
}

TEST_F(RemoteWriteTest, EveryReceiverGetsEverything) {
  LoopbackReceiver one;
  LoopbackReceiver two;
  options_.remote_write = {Receiver("one", one.url()), Receiver("two", two.url())};
  AddTenant("t");
  Start();
  for (int i = 1; i <= 5; ++i) {
    Count(1);
    ASSERT_TRUE(one.AwaitValue(kCalls, i));
    ASSERT_TRUE(two.AwaitValue(kCalls, i));
  }
  StopWithin(20 * kNanosPerSecond);
  EXPECT_EQ(one.Points(kCalls), two.Points(kCalls));
}

TEST_F(RemoteWriteTest, AReceiverThatFailsHoldsUpNoOther) {
  LoopbackReceiver bad(Manner::kFails);
  LoopbackReceiver silent(Manner::kIsSilent);
  LoopbackReceiver good;
  options_.remote_write = {Receiver("bad", bad.url()), Receiver("silent", silent.url()),
                           Receiver("good", good.url())};
  AddTenant("t");
  Start();
  for (int i = 1; i <= 5; ++i) {
    Count(1);
    ASSERT_TRUE(good.AwaitValue(kCalls, i));
  }
  // What failed is sent when it works again, in order and completely.
  bad.Set(Manner::kTakes);
  ASSERT_TRUE(bad.AwaitValue(kCalls, 5));
  remote_write_->Stop(clock_.MonotonicNanos() + kNanosPerSecond / 2);
  const std::vector<DecodedPoint> points = bad.Points(kCalls);
  ExpectInOrder(points);
  EXPECT_EQ(points, good.Points(kCalls));
}

TEST_F(RemoteWriteTest, AReceiverThatNeverAnswersCannotHoldUpTheEnd) {
  LoopbackReceiver receiver(Manner::kIsSilent);
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("t");
  Start();
  Count(1);
  ASSERT_TRUE(receiver.AwaitRequests(1));
  const int64_t took = StopWithin(300 * kNanosPerMilli);
  EXPECT_GE(took, 300 * kNanosPerMilli) << "it might have answered until then";
  EXPECT_LT(took, 5 * kNanosPerSecond);
  EXPECT_GT(Dropped("shutdown"), 0) << "nothing else had it";
  EXPECT_EQ(Metric("remote_storage_samples_total"), 0);
  ExpectAllAccountedFor();
  EXPECT_THAT(log_.text(), HasSubstr("reason=shutdown"));
}

TEST_F(RemoteWriteTest, NobodyHasToListen) {
  std::string url;
  {
    const LoopbackReceiver gone;
    url = gone.url();
  }
  options_.remote_write = {Receiver("r", url)};
  AddTenant("t");
  Start();
  Count(1);
  EXPECT_LT(StopWithin(200 * kNanosPerMilli), 5 * kNanosPerSecond);
  EXPECT_GT(Dropped("shutdown"), 0);
  EXPECT_THAT(log_.text(), HasSubstr("cannot send to a receiver of remote write"));
}

TEST_F(RemoteWriteTest, WhatIsStoredIsSentByTheNextProcess) {
  LoopbackReceiver receiver(Manner::kFails);
  options_.storage.path = directory_ / "queue";
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("t");
  Start();
  Count(1);
  ASSERT_TRUE(receiver.AwaitRequests(1));
  EXPECT_EQ(Metric("storage_up"), 1);
  Count(1);
  EXPECT_LT(StopWithin(60 * kNanosPerSecond), 30 * kNanosPerSecond)
      << "what is safe need not be waited for";
  EXPECT_EQ(Dropped("shutdown"), 0);
  EXPECT_GT(Metric("remote_storage_samples_pending"), 0);
  remote_write_.reset();

  receiver.Set(Manner::kTakes);
  tenants_.clear();
  AddTenant("t");
  Start();
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 2));
  Count(1);
  StopWithin(20 * kNanosPerSecond);
  // A counter that begins anew begins after the end of the one before.
  const std::vector<DecodedPoint> points = receiver.Points(kCalls);
  for (size_t i = 1; i < points.size(); ++i) {
    EXPECT_GT(points[i].timestamp_ms, points[i - 1].timestamp_ms);
  }
  EXPECT_EQ(points.back().value, 1);
}

TEST_F(RemoteWriteTest, AReloadSendsWhatWaitsToTheNewAddress) {
  LoopbackReceiver old_one(Manner::kIsSilent);
  LoopbackReceiver new_one;
  options_.remote_write = {Receiver("r", old_one.url())};
  AddTenant("t");
  Start();
  for (int i = 1; i <= 3; ++i) {
    Count(1);
    ASSERT_TRUE(old_one.AwaitRequests(1));
  }
  const int64_t begin = clock_.MonotonicNanos();
  Reload({Receiver("r", new_one.url())});
  EXPECT_LT(clock_.MonotonicNanos() - begin, 5 * kNanosPerSecond)
      << "the old one is not waited for";
  Count(1);
  ASSERT_TRUE(new_one.AwaitValue(kCalls, 4));
  StopWithin(20 * kNanosPerSecond);
  const std::vector<DecodedPoint> points = new_one.Points(kCalls);
  EXPECT_EQ(points.front().value, 0) << "from the very first on";
  ExpectInOrder(points);
  EXPECT_EQ(Metric("remote_storage_samples_total", "url", old_one.url()), -1);
  EXPECT_EQ(Metric("remote_storage_samples_total", "url", new_one.url()),
            static_cast<double>(points.size()));
}

TEST_F(RemoteWriteTest, AReceiverThatStaysTheSameKeepsItsConnectionInAReload) {
  LoopbackReceiver stays;
  LoopbackReceiver comes;
  options_.remote_write = {Receiver("stays", stays.url())};
  AddTenant("t");
  Start();
  Count(1);
  ASSERT_TRUE(stays.AwaitValue(kCalls, 1));
  Reload({Receiver("comes", comes.url()), Receiver("stays", stays.url())});
  Count(1);
  ASSERT_TRUE(stays.AwaitValue(kCalls, 2));
  ASSERT_TRUE(comes.AwaitValue(kCalls, 2));
  Reload({Receiver("stays", stays.url())});
  Count(1);
  ASSERT_TRUE(stays.AwaitValue(kCalls, 3));
  StopWithin(20 * kNanosPerSecond);
  ExpectInOrder(stays.Points(kCalls));
  EXPECT_EQ(stays.connections(), 1u);
  EXPECT_LT(comes.LastValue(kCalls), 3);
}

TEST_F(RemoteWriteTest, ReceiversMayAllGoAndComeBack) {
  LoopbackReceiver receiver;
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("t");
  Start();
  Count(1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 1));
  Reload({});
  const size_t requests = receiver.requests();
  Count(1);
  EXPECT_EQ(receiver.requests(), requests);
  Reload({Receiver("r", receiver.url())});
  Count(1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 3));
  StopWithin(20 * kNanosPerSecond);
  ExpectInOrder(WithoutRepeats(receiver.Points(kCalls)));
}

// Otherwise all that was counted in the meantime would seem to have happened at once.
TEST_F(RemoteWriteTest, WhatCountedBeforeThereWereReceiversDoesNotBeginWithZero) {
  LoopbackReceiver receiver;
  AddTenant("t");
  Start();
  Count(100);
  clock_.Move(60 * kNanosPerSecond);
  Reload({Receiver("r", receiver.url())});
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 100));
  StopWithin(20 * kNanosPerSecond);
  EXPECT_EQ(receiver.Points(kCalls).front().value, 100);
}

TEST_F(RemoteWriteTest, WhatAFormerProcessHasHandedOnDoesNotBeginWithZero) {
  LoopbackReceiver receiver;
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("t");
  Count(3);
  tenants_[0].restored_until_ms = clock_.WallNanos() / kNanosPerMilli + 1;
  Start();
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 3));
  Count(1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 4));
  StopWithin(20 * kNanosPerSecond);
  EXPECT_EQ(receiver.Points(kCalls).front().value, 3);
}

TEST_F(RemoteWriteTest, NothingIsCollectedAfterTheLastCollection) {
  LoopbackReceiver receiver;
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("t");
  Start();
  Count(3);
  remote_write_->StopCollecting();
  Count(4);
  StopWithin(20 * kNanosPerSecond);
  EXPECT_EQ(receiver.LastValue(kCalls), 3);
  ExpectAllAccountedFor();
}

TEST_F(RemoteWriteTest, ATenantThatComesBackGoesOnAfterWhatItHadSent) {
  LoopbackReceiver receiver;
  options_.tenancy.enabled = true;
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("alpha");
  AddTenant("beta");
  Start();
  Count(1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 1, "alpha"));
  const auto disable_alpha = [this](bool disabled) {
    const std::lock_guard<std::mutex> lock(tenants_mutex_);
    tenants_[0].disabled = disabled;
  };
  disable_alpha(true);
  for (int i = 1; i <= 3; ++i) {
    Count(1, 1);
    ASSERT_TRUE(receiver.AwaitValue(kCalls, i, "beta"));
  }
  disable_alpha(false);
  Count(1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 2, "alpha"));
  StopWithin(20 * kNanosPerSecond);
  ExpectInOrder(receiver.Points(kCalls, "alpha"));
}

TEST_F(RemoteWriteTest, WithoutReceiversThereIsNothing) {
  options_.storage.path = directory_ / "queue";
  AddTenant("t");
  Start();
  Count(1);
  EXPECT_EQ(Metric("storage_up"), -1);
  EXPECT_LT(StopWithin(60 * kNanosPerSecond), 30 * kNanosPerSecond);
  EXPECT_FALSE(std::filesystem::exists(options_.storage.path)) << "nothing needs it";
  EXPECT_EQ(log_.text(), "");
}

TEST_F(RemoteWriteTest, RequestsNameTheirTenant) {
  LoopbackReceiver receiver;
  LoopbackReceiver other;
  options_.tenancy.enabled = true;
  options_.remote_write = {Receiver("r", receiver.url()), Receiver("other", other.url())};
  options_.remote_write[1].add_org_id_header = false;
  AddTenant("alpha");
  AddTenant("beta");
  AddTenant("hidden", true);
  Start();
  for (size_t tenant = 0; tenant < 3; ++tenant) Count(static_cast<double>(tenant + 1), tenant);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 1, "alpha"));
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 2, "beta"));
  ASSERT_TRUE(other.AwaitValue(kCalls, 2));
  StopWithin(20 * kNanosPerSecond);
  EXPECT_THAT(receiver.Tenants(), ElementsAre("alpha", "beta"));
  EXPECT_EQ(receiver.LastValue(kCalls, "alpha"), 1);
  EXPECT_THAT(other.Tenants(), ElementsAre(""));
}

TEST_F(RemoteWriteTest, TenantsMayComeAndGo) {
  LoopbackReceiver receiver;
  options_.tenancy.enabled = true;
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("alpha");
  Start();
  Count(1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 1, "alpha"));
  AddTenant("beta");
  Count(2, 1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 2, "beta"));
  {
    const std::lock_guard<std::mutex> lock(tenants_mutex_);
    tenants_.erase(tenants_.begin());
  }
  Count(3);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 5, "beta"));
  StopWithin(20 * kNanosPerSecond);
}

// Receivers would refuse samples that are older than those that they have.
TEST_F(RemoteWriteTest, NothingIsCollectedTwiceForTheSameTimeWhenTheClockIsSetBack) {
  LoopbackReceiver receiver;
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("t");
  Start();
  Count(1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 1));
  clock_.Move(-3600 * kNanosPerSecond);
  Count(1);
  const int64_t deadline = clock_.MonotonicNanos() + 30 * kNanosPerSecond;
  while (log_.Count("the clock was set back") == 0 && clock_.MonotonicNanos() < deadline) {
    std::this_thread::yield();
  }
  EXPECT_EQ(log_.Count("the clock was set back"), 1);
  clock_.Move(3600 * kNanosPerSecond);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 2));
  StopWithin(20 * kNanosPerSecond);
  ExpectInOrder(receiver.Points(kCalls));
}

TEST_F(RemoteWriteTest, NeedNotBeStartedNorStopped) {
  LoopbackReceiver receiver;
  options_.remote_write = {Receiver("r", receiver.url())};
  AddTenant("t");
  Create();
  EXPECT_GT(self_metrics_->Collect().size(), 0u);
  StopWithin(kNanosPerSecond);
  remote_write_.reset();
  Start();
  Count(1);
  ASSERT_TRUE(receiver.AwaitValue(kCalls, 1));
  const int64_t begin = clock_.MonotonicNanos();
  remote_write_.reset();
  EXPECT_LT(clock_.MonotonicNanos() - begin, 5 * kNanosPerSecond);
}

TEST_F(RemoteWriteTest, NoSecretOfAUrlIsShown) {
  LoopbackReceiver receiver(Manner::kFails);
  std::string url = receiver.url();
  url.insert(url.find("//") + 2, "user:hush1@");
  options_.remote_write = {Receiver("r", url + "?token=hush2")};
  AddTenant("t");
  Start();
  Count(1);
  ASSERT_TRUE(receiver.AwaitRequests(2));
  for (const auto& family : self_metrics_->Collect()) {
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) EXPECT_THAT(label.value, Not(HasSubstr("hush")));
    }
  }
  EXPECT_EQ(Metric("remote_storage_samples_total", "url", receiver.url()), 0);
  StopWithin(100 * kNanosPerMilli);
  EXPECT_THAT(log_.text(), HasSubstr("HTTP 503"));
  EXPECT_THAT(log_.text(), Not(HasSubstr("hush")));
}

TEST_F(RemoteWriteTest, ReloadsAndReadersMayComeAtAnyTime) {
  LoopbackReceiver stays;
  LoopbackReceiver moves[2];
  LoopbackReceiver silent(Manner::kIsSilent);
  options_.storage.path = directory_ / "queue";
  options_.remote_write = {Receiver("stays", stays.url()), Receiver("moves", moves[0].url())};
  AddTenant("t");
  for (CollectedTenant& tenant : tenants_) tenant.interval_nanos = 2 * kNanosPerMilli;
  Start();
  std::atomic<bool> done{false};
  constexpr int kUpdates = 3'000;
  std::thread updates([this] {
    for (int i = 0; i < kUpdates; ++i) Count(1);
  });
  std::thread reader([this, &done] {
    while (!done) EXPECT_FALSE(self_metrics_->Collect().empty());
  });
  for (int i = 0; i < 20; ++i) {
    std::vector<RemoteWriteOptions> receivers = {Receiver("stays", stays.url()),
                                                 Receiver("moves", moves[i % 2].url())};
    if (i % 3 == 0) receivers.push_back(Receiver("silent", silent.url()));
    Reload(receivers);
    ASSERT_TRUE(moves[i % 2].AwaitRequests(moves[i % 2].requests() + 1));
  }
  updates.join();
  done = true;
  reader.join();
  Reload({Receiver("stays", stays.url()), Receiver("moves", moves[0].url())});
  StopWithin(20 * kNanosPerSecond);
  ExpectInOrder(stays.Points(kCalls));
  EXPECT_EQ(stays.LastValue(kCalls), kUpdates);
  EXPECT_EQ(moves[0].LastValue(kCalls), kUpdates);
  // What one of the two has, in the order of time, is what the other receiver has: a request that
  // a reload interrupts may arrive twice.
  std::map<int64_t, double> moved;
  for (const LoopbackReceiver& receiver : moves) {
    for (const DecodedPoint& point : receiver.Points(kCalls)) {
      const auto [known, is_new] = moved.emplace(point.timestamp_ms, point.value);
      EXPECT_TRUE(is_new || known->second == point.value);
    }
  }
  std::map<int64_t, double> stayed;
  for (const DecodedPoint& point : stays.Points(kCalls)) {
    stayed.emplace(point.timestamp_ms, point.value);
  }
  EXPECT_EQ(moved, stayed);
}

}  // namespace
}  // namespace spanmeter
