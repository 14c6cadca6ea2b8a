#include "processors/edge_store.h"

#include <algorithm>
#include <deque>
#include <malloc.h>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/edge_texts.h"
#include "support/fake_clock.h"
#include "support/sanitizers.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Action = EdgeSide::Action;

constexpr int64_t kWait = 10 * kNanosPerSecond;

std::string TextsOf(const std::string& service, const std::string& peer = "") {
  std::string texts;
  AppendEdgeText(service, &texts);
  AppendEdgeText(peer, &texts);
  return texts;
}

std::string IdOf(char prefix, int n, size_t size) {
  std::string id = prefix + std::to_string(n);
  id.resize(size, '.');
  return id;
}

// Sides of a request, which they keep alive.
class Sides {
 public:
  Sides& Add(int trace, int span, SpanKind kind, Action action = Action::kPair,
             const std::string& texts = TextsOf("service")) {
    EdgeSide& side = batch_.sides.emplace_back();
    side.trace_id = ids_.emplace_back(IdOf('t', trace, kTraceIdSize)).data();
    side.span_id = ids_.emplace_back(IdOf('s', span, kSpanIdSize)).data();
    side.facts.kind = kind;
    side.action = action;
    side.texts_begin = static_cast<uint32_t>(batch_.texts.size());
    side.texts_size = static_cast<uint32_t>(texts.size());
    batch_.texts += texts;
    return *this;
  }
  Sides& Client(int trace, int span, const std::string& texts = TextsOf("client")) {
    return Add(trace, span, kSpanKindClient, Action::kPair, texts);
  }
  Sides& Server(int trace, int span, const std::string& texts = TextsOf("server")) {
    return Add(trace, span, kSpanKindServer, Action::kPair, texts);
  }

  // Takes them through the store, once, and returns those with which an edge is complete.
  struct Complete {
    int position = 0;
    HalfEdgePtr half;
  };
  std::vector<Complete> Through(EdgeStore* store) {
    store->Process(&batch_);
    std::vector<Complete> complete;
    for (size_t i = 0; i < batch_.sides.size(); ++i) {
      EdgeSide& side = batch_.sides[i];
      if (side.complete) complete.push_back({static_cast<int>(i), std::move(side.half)});
    }
    return complete;
  }

 private:
  std::deque<std::string> ids_;
  EdgeBatch batch_;
};

// The sides' positions in the request; negative and less one for those without another half.
std::vector<int> Positions(const std::vector<Sides::Complete>& sides) {
  std::vector<int> positions;
  for (const Sides::Complete& side : sides) {
    positions.push_back(side.half == nullptr ? -1 - side.position : side.position);
  }
  return positions;
}

class EdgeStoreTest : public ::testing::TestWithParam<uint64_t> {
 protected:
  EdgeStore& Store(uint64_t max_items = 1000) {
    counters_ = std::make_shared<EdgeCounters>();
    store_ =
        std::make_unique<EdgeStore>(EdgeLimits{kWait, max_items}, &clock_, counters_, GetParam());
    return *store_;
  }
  // The span ids of what expires now.
  std::vector<std::string> Expired() {
    std::vector<std::string> ids;
    store_->Expire([&](std::span<const HalfEdgePtr> expired) {
      for (const HalfEdgePtr& half : expired) {
        const std::string id(half->key.span_id(), kSpanIdSize);
        ids.push_back(id.substr(0, id.find('.')));
      }
    });
    std::sort(ids.begin(), ids.end());
    return ids;
  }

  FakeClock clock_;
  std::shared_ptr<EdgeCounters> counters_;
  std::unique_ptr<EdgeStore> store_;
};

// With all hashes equal, all in few shards, and as they are.
INSTANTIATE_TEST_SUITE_P(Hashes, EdgeStoreTest,
                         ::testing::Values(0, uint64_t{1} << 60 | 3, ~uint64_t{0}));

TEST_P(EdgeStoreTest, ASideMeetsTheOtherOfTheSameTraceAndSpan) {
  EdgeStore& store = Store();
  EXPECT_THAT(Sides().Client(1, 1).Client(1, 2).Client(2, 1).Through(&store), IsEmpty());
  EXPECT_EQ(store.waiting(), 3);
  const std::vector<Sides::Complete> matches = Sides().Server(2, 2).Server(1, 2).Through(&store);
  ASSERT_THAT(Positions(matches), ElementsAre(1));
  const HalfEdge& half = *matches[0].half;
  EXPECT_EQ(half.texts(), TextsOf("client"));
  EXPECT_EQ(half.facts.kind, kSpanKindClient);
  EXPECT_EQ(std::string(half.key.trace_id(), kTraceIdSize), IdOf('t', 1, kTraceIdSize));
  EXPECT_EQ(std::string(half.key.span_id(), kSpanIdSize), IdOf('s', 2, kSpanIdSize));
  EXPECT_EQ(store.waiting(), 3);
}

TEST_P(EdgeStoreTest, MatchesComeInTheOrderOfTheSidesThatCompleteThem) {
  EdgeStore& store = Store();
  const std::vector<Sides::Complete> matches = Sides()
                                                   .Add(9, 0, kSpanKindServer, Action::kAlone)
                                                   .Client(1, 1)
                                                   .Server(2, 2)
                                                   .Add(9, 0, kSpanKindServer, Action::kAlone)
                                                   .Add(9, 0, kSpanKindServer, Action::kAlone)
                                                   .Client(2, 2)
                                                   .Add(3, 3, kSpanKindClient, Action::kWhole)
                                                   .Server(1, 1)
                                                   .Through(&store);
  EXPECT_THAT(Positions(matches), ElementsAre(-1, -4, -5, 5, -7, 7));
  EXPECT_EQ(store.waiting(), 0);
}

TEST_P(EdgeStoreTest, AWholeEdgeTakesWhateverWaits) {
  EdgeStore& store = Store();
  Sides().Server(1, 1).Client(1, 2).Through(&store);
  EXPECT_THAT(Positions(Sides()
                            .Add(1, 1, kSpanKindClient, Action::kWhole)
                            .Add(1, 2, kSpanKindClient, Action::kWhole)
                            .Add(1, 2, kSpanKindClient, Action::kWhole)
                            .Through(&store)),
              ElementsAre(0, 1, -3));
  EXPECT_EQ(store.waiting(), 0);
}

TEST_P(EdgeStoreTest, ARepeatedSideKeepsItsPlaceAndMergesItsTexts) {
  EdgeStore& store = Store(2);
  Sides().Client(1, 1, TextsOf("a", "peer")).Client(2, 2).Through(&store);
  Sides().Client(1, 1, TextsOf("a longer name", "")).Through(&store);
  EXPECT_EQ(store.waiting(), 2);
  // It is still the oldest.
  Sides().Client(3, 3).Through(&store);
  EXPECT_EQ(counters_->evicted, 1);
  EXPECT_THAT(Sides().Server(1, 1).Through(&store), IsEmpty());

  EdgeStore& other = Store();
  Sides().Client(1, 1, TextsOf("a", "peer")).Client(2, 2).Through(&other);
  Sides().Client(1, 1, TextsOf("a longer name", "")).Through(&other);
  const std::vector<Sides::Complete> matches = Sides().Server(1, 1).Server(2, 2).Through(&other);
  ASSERT_THAT(Positions(matches), ElementsAre(0, 1));
  EXPECT_EQ(matches[0].half->texts(), TextsOf("a longer name", "peer"));
}

TEST_P(EdgeStoreTest, WhenFullTheOldestOfAllShardsGoes) {
  constexpr int kItems = 50;
  EdgeStore& store = Store(kItems);
  for (int i = 0; i < kItems; ++i) Sides().Client(i, i).Through(&store);
  EXPECT_EQ(counters_->evicted, 0);
  for (int i = 0; i < kItems / 2; ++i) {
    Sides().Client(kItems + i, 0).Through(&store);
    EXPECT_EQ(counters_->evicted, static_cast<uint64_t>(i) + 1);
    EXPECT_EQ(store.waiting(), kItems);
  }
  for (int i = 0; i < kItems; ++i) {
    EXPECT_THAT(Positions(Sides().Add(i, i, kSpanKindClient, Action::kWhole).Through(&store)),
                ElementsAre(i < kItems / 2 ? -1 : 0))
        << i;
  }
}

TEST_P(EdgeStoreTest, WhatExpiresComesOnceInAllShards) {
  EdgeStore& store = Store();
  Sides early;
  for (int i = 0; i < 200; ++i) early.Client(i, i);
  early.Through(&store);
  clock_.Advance(1);
  Sides().Client(1000, 1000).Through(&store);
  clock_.Advance(kWait - 2);
  EXPECT_THAT(Expired(), IsEmpty());
  clock_.Advance(1);
  const std::vector<std::string> expired = Expired();
  EXPECT_EQ(expired.size(), 200);
  EXPECT_EQ(std::set<std::string>(expired.begin(), expired.end()).size(), 200);
  EXPECT_THAT(Expired(), IsEmpty());
  EXPECT_EQ(store.waiting(), 1);
  clock_.Advance(1);
  EXPECT_THAT(Expired(), ElementsAre("s1000"));
}

TEST_P(EdgeStoreTest, ExpiryComesInBatchesBetweenWhichOthersAreServed) {
  EdgeStore& store = Store();
  Sides sides;
  for (int i = 0; i < 500; ++i) sides.Client(1, i);
  sides.Through(&store);
  clock_.Advance(kWait);
  size_t batches = 0;
  store.Expire([&](std::span<const HalfEdgePtr> expired) {
    EXPECT_LE(expired.size(), 64);
    // Would wait for ever if the shard were locked.
    Sides().Add(1, 1000 + static_cast<int>(batches), kSpanKindClient).Through(&store);
    ++batches;
  });
  EXPECT_EQ(batches, 8);
  EXPECT_EQ(store.waiting(), 8);
}

TEST_P(EdgeStoreTest, MarksDropTheOtherSideWhileTheyLive) {
  EdgeStore& store = Store();
  Sides().Server(1, 1).Client(1, 2).Through(&store);
  Sides()
      .Add(1, 1, kSpanKindClient, Action::kDrop)
      .Add(1, 2, kSpanKindClient, Action::kDrop)
      .Add(1, 3, kSpanKindClient, Action::kDrop)
      .Through(&store);
  EXPECT_EQ(counters_->dropped, 1);
  EXPECT_EQ(store.waiting(), 1);
  EXPECT_EQ(store.marks(), 3);
  EXPECT_THAT(Sides().Server(1, 3).Client(1, 3).Server(1, 2).Through(&store), IsEmpty());
  EXPECT_EQ(counters_->dropped, 3);
  EXPECT_EQ(store.waiting(), 2);
  clock_.Advance(kWait);
  // Too old, though it has not been removed yet; the client before it is still waiting.
  EXPECT_THAT(Positions(Sides().Server(1, 3).Through(&store)), ElementsAre(0));
  EXPECT_EQ(Expired().size(), 1);
  EXPECT_EQ(store.marks(), 0);
}

TEST_P(EdgeStoreTest, BothSidesOfARequestMayBeMarked) {
  EdgeStore& store = Store();
  Sides()
      .Add(1, 1, kSpanKindClient, Action::kDrop)
      .Add(1, 1, kSpanKindConsumer, Action::kDrop)
      .Through(&store);
  EXPECT_EQ(store.marks(), 2);
  Sides().Server(1, 1).Client(1, 1).Through(&store);
  EXPECT_EQ(counters_->dropped, 2);
  EXPECT_EQ(store.waiting(), 0);
}

TEST_P(EdgeStoreTest, ARepeatedMarkIsYoungAgain) {
  EdgeStore& store = Store(2);
  const auto mark = [&](int n) {
    Sides().Add(n, n, kSpanKindServer, Action::kDrop).Through(&store);
  };
  mark(1);
  mark(2);
  mark(1);
  mark(3);
  EXPECT_EQ(counters_->marks_evicted, 1);
  EXPECT_EQ(store.marks(), 2);
  Sides().Client(1, 1).Client(2, 2).Client(3, 3).Through(&store);
  EXPECT_EQ(counters_->dropped, 2);
  EXPECT_EQ(store.waiting(), 1);
  // What is too old to be of use is not missed.
  clock_.Advance(kWait);
  mark(4);
  EXPECT_EQ(counters_->marks_evicted, 1);
}

TEST_P(EdgeStoreTest, ASideWithTooLongTextsIsRefusedUnlessItsOtherOneWaits) {
  EdgeStore& store = Store();
  const std::string huge = TextsOf(std::string(EdgeStore::kMaxTextBytes, 'x'));
  Sides().Client(1, 1, huge).Server(1, 2).Client(1, 3).Through(&store);
  EXPECT_EQ(counters_->too_large, 1);
  EXPECT_EQ(store.waiting(), 2);
  EXPECT_THAT(Positions(Sides().Client(1, 2, huge).Through(&store)), ElementsAre(0));
  // A repetition that would become too long leaves the earlier one as it is.
  Sides().Client(1, 3, huge).Through(&store);
  EXPECT_EQ(counters_->too_large, 2);
  const std::vector<Sides::Complete> matches = Sides().Server(1, 3).Through(&store);
  ASSERT_EQ(matches.size(), 1);
  EXPECT_EQ(matches[0].half->texts(), TextsOf("client"));
}

TEST_P(EdgeStoreTest, LongTextsMakeTheOldestGoBeforeThereAreTooMany) {
  constexpr uint64_t kItems = 1000;
  EdgeStore& store = Store(kItems);
  const std::string large = TextsOf(std::string(100'000, 'x'));
  for (int i = 0; i < 100; ++i) Sides().Client(i, i, large).Through(&store);
  constexpr size_t kMost = kItems * EdgeStore::kBytesPerItem + EdgeStore::kMaxTextBytes;
  // 12 fit.
  EXPECT_EQ(store.waiting(), kMost / (large.size() + sizeof(HalfEdge)));
  EXPECT_EQ(counters_->evicted, 100 - store.waiting());
  // Nor do sides grow beyond it that were small when they came.
  for (int i = 200; i < 300; ++i) Sides().Client(i, i).Through(&store);
  for (int i = 200; i < 300; ++i) Sides().Client(i, i, large).Through(&store);
  EXPECT_EQ(store.waiting(), kMost / (large.size() + sizeof(HalfEdge)));
  EXPECT_THAT(Positions(Sides().Server(299, 299).Server(200, 200).Through(&store)), ElementsAre(0));
}

TEST_P(EdgeStoreTest, WhatWaitsInTheEndCountsAsEvicted) {
  Sides().Client(1, 1).Client(2, 2).Through(&Store());
  store_.reset();
  EXPECT_EQ(counters_->evicted, 2);
}

TEST_P(EdgeStoreTest, LowerLimitsHoldAtOnce) {
  EdgeStore& store = Store();
  Sides()
      .Client(1, 1)
      .Client(2, 2)
      .Client(3, 3)
      .Add(4, 4, kSpanKindServer, Action::kDrop)
      .Add(5, 5, kSpanKindServer, Action::kDrop)
      .Through(&store);
  store.SetLimits({kNanosPerSecond, 1});
  EXPECT_EQ(store.waiting(), 1);
  EXPECT_EQ(store.marks(), 1);
  EXPECT_EQ(counters_->evicted, 2);
  EXPECT_EQ(counters_->marks_evicted, 1);
  clock_.Advance(kNanosPerSecond);
  EXPECT_THAT(Expired(), ElementsAre("s3"));
}

// The header's figure: what a waiting side takes with all that belongs to it. Sanitizers bring a
// malloc of their own, which cannot be asked.
TEST(EdgeStoreMemoryTest, AWaitingSideTakesAsMuchAsTheHeaderSays) {
  if (kSanitized) GTEST_SKIP();
  // What is on the heap and what malloc has mapped apart from it, because it is large.
  const auto allocated = [] {
    const auto info = mallinfo2();
    return info.uordblks + info.hblkhd;
  };
  const FakeClock clock;
  for (const int items : {60'000, 98'000, 100'000, 200'000}) {
    const size_t before = allocated();
    EdgeStore store({kWait, 1'000'000}, &clock, std::make_shared<EdgeCounters>());
    const std::string texts = TextsOf("twenty-characters-xx");
    for (int i = 0; i < items; ++i) Sides().Client(i, i, texts).Through(&store);
    const double bytes = static_cast<double>(allocated() - before) / items;
    RecordProperty("bytes_per_side_of_" + std::to_string(items), std::to_string(bytes));
    EXPECT_GT(bytes, 145) << items;
    EXPECT_LT(bytes, 178) << items;
    EXPECT_LT(static_cast<double>(store.SizeInBytes()) / items, bytes);
  }
}

}  // namespace
}  // namespace spanmeter
