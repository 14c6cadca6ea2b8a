// Sides that wait for each other across a restart.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/edge_store.h"
#include "processors/edge_texts.h"
#include "support/fake_clock.h"
#include "support/state_bytes.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::ReadFrom;
using testing::StateBytes;

constexpr int64_t kWait = 10 * kNanosPerSecond;

class EdgeStoreStateTest : public ::testing::Test {
 protected:
  EdgeStoreStateTest() { Create(1000); }

  void Create(uint64_t max_items) {
    counters_ = std::make_shared<EdgeCounters>();
    store_ = std::make_unique<EdgeStore>(EdgeLimits{kWait, max_items}, &clock_, counters_);
  }
  std::string Save() {
    return StateBytes(clock_, [this](StateWriter* writer) { store_->Save(writer); });
  }
  std::string Restore(const std::string& bytes, uint64_t max_items = 1000, size_t fields = 2) {
    Create(max_items);
    StateReader reader(&clock_, ReadFrom(bytes));
    restored_ = store_->Restore(&reader, fields);
    return reader.error();
  }
  void Restart(int64_t pause_nanos, uint64_t max_items = 1000) {
    const std::string bytes = Save();
    clock_.Advance(pause_nanos);
    EXPECT_EQ("", Restore(bytes, max_items));
  }

  // Takes one side through the store. Returns what waited for it, if it completes an edge.
  HalfEdgePtr Send(int n, SpanKind kind, EdgeSide::Action action = EdgeSide::Action::kPair,
                   const std::string& service = "service") {
    std::string trace_id = "t" + std::to_string(n / 10);
    trace_id.resize(kTraceIdSize, '.');
    std::string span_id = "s" + std::to_string(n);
    span_id.resize(kSpanIdSize, '.');
    EdgeBatch batch;
    AppendEdgeText(service, &batch.texts);
    AppendEdgeText("peer", &batch.texts);
    EdgeSide& side = batch.sides.emplace_back();
    side.trace_id = trace_id.data();
    side.span_id = span_id.data();
    side.texts_size = static_cast<uint32_t>(batch.texts.size());
    side.action = action;
    side.facts = {0.25, 1'000'000'000'000'000'007, 2.5, kind, n % 2 == 0};
    store_->Process(&batch);
    return std::move(side.half);
  }
  std::vector<std::string> Expired() {
    std::vector<std::string> ids;
    store_->Expire([&](std::span<const HalfEdgePtr> expired) {
      for (const HalfEdgePtr& half : expired) ids.emplace_back(half->key.span_id(), 2);
    });
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  FakeClock clock_;
  std::shared_ptr<EdgeCounters> counters_;
  std::unique_ptr<EdgeStore> store_;
  uint64_t restored_ = 0;
};

TEST_F(EdgeStoreStateTest, AnEdgeBecomesCompleteAfterTheRestart) {
  const std::string service(300, 's');
  Send(1, kSpanKindClient, EdgeSide::Action::kPair, service);
  Send(2, kSpanKindConsumer);
  Restart(kNanosPerSecond);
  EXPECT_EQ(2u, restored_);
  EXPECT_EQ(2u, store_->waiting());
  const HalfEdgePtr client = Send(1, kSpanKindServer);
  ASSERT_NE(nullptr, client);
  EXPECT_EQ(kSpanKindClient, client->facts.kind);
  EXPECT_EQ(0.25, client->facts.latency_seconds);
  EXPECT_EQ(1'000'000'000'000'000'007u, client->facts.time_nanos);
  EXPECT_EQ(2.5, client->facts.multiplier);
  EXPECT_FALSE(client->facts.failed);
  std::string_view texts = client->texts();
  EXPECT_EQ(service, TakeEdgeText(&texts));
  EXPECT_EQ("peer", TakeEdgeText(&texts));
  const HalfEdgePtr consumer = Send(2, kSpanKindProducer);
  ASSERT_NE(nullptr, consumer);
  EXPECT_EQ(kSpanKindConsumer, consumer->facts.kind);
  EXPECT_TRUE(consumer->facts.failed);
  EXPECT_EQ(0u, store_->waiting());
}

TEST_F(EdgeStoreStateTest, ThePauseDoesNotCountAsWaiting) {
  Send(1, kSpanKindClient);
  clock_.Advance(kNanosPerSecond);
  Restart(3600 * kNanosPerSecond);
  clock_.Advance(kWait - kNanosPerSecond - 1);
  EXPECT_THAT(Expired(), IsEmpty());
  clock_.Advance(1);
  EXPECT_THAT(Expired(), ElementsAre("s1"));
}

TEST_F(EdgeStoreStateTest, MarksOfFilteredSidesStay) {
  Send(1, kSpanKindClient, EdgeSide::Action::kDrop);
  clock_.Advance(kNanosPerSecond);
  Restart(3600 * kNanosPerSecond);
  EXPECT_EQ(1u, store_->marks());
  EXPECT_EQ(nullptr, Send(1, kSpanKindServer));
  EXPECT_EQ(1u, counters_->dropped);
  EXPECT_EQ(0u, store_->waiting());
  clock_.Advance(kWait - kNanosPerSecond);
  Expired();
  EXPECT_EQ(0u, store_->marks());
}

TEST_F(EdgeStoreStateTest, WhatIsTooMuchNowIsEvictedOldestFirst) {
  // In different traces, and so in different shards.
  for (const int n : {50, 10, 30, 20, 40}) Send(n, kSpanKindClient);
  for (const int n : {90, 60, 80}) Send(n, kSpanKindClient, EdgeSide::Action::kDrop);
  Restart(0, 2);
  EXPECT_EQ(3u, counters_->evicted);
  EXPECT_EQ(1u, counters_->marks_evicted);
  EXPECT_EQ(2u, store_->waiting());
  EXPECT_EQ(2u, store_->marks());
  EXPECT_NE(nullptr, Send(20, kSpanKindServer));
  EXPECT_NE(nullptr, Send(40, kSpanKindServer));
  EXPECT_EQ(nullptr, Send(60, kSpanKindServer));
  EXPECT_EQ(nullptr, Send(80, kSpanKindServer));
  EXPECT_EQ(2u, counters_->dropped);
}

TEST_F(EdgeStoreStateTest, TheOrderSurvivesSeveralRestarts) {
  for (int n = 100; n > 0; n -= 10) Send(n, kSpanKindClient);
  Restart(0);
  Restart(0);
  Restart(0, 3);
  for (const int n : {30, 20, 10}) EXPECT_NE(nullptr, Send(n, kSpanKindServer)) << n;
}

TEST_F(EdgeStoreStateTest, SidesWithOtherTextsAreRefused) {
  Send(1, kSpanKindClient);
  const std::string bytes = Save();
  EXPECT_THAT(Restore(bytes, 1000, 1), HasSubstr("damaged"));
  EXPECT_THAT(Restore(bytes, 1000, 3), HasSubstr("damaged"));
  EXPECT_EQ("", Restore(bytes, 1000, 2));
}

TEST_F(EdgeStoreStateTest, NoContentDoesHarm) {
  Send(1, kSpanKindClient);
  Send(2, kSpanKindServer, EdgeSide::Action::kDrop);
  const std::string bytes = Save();
  int refused = 0;
  for (size_t i = 20; i + 16 < bytes.size(); ++i) {
    for (const char byte : {'\0', '\1', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[i] = byte;
      refused += Restore(damaged).empty() ? 0 : 1;
      Send(1, kSpanKindServer);
    }
  }
  EXPECT_GT(refused, 0);
}

}  // namespace
}  // namespace spanmeter
