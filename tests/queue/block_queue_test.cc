// A queue by itself: what it gives out, and its bounds. In memory where nothing else is said.

#include "spanmeter/block_queue.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "queue/queue_fixture.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kHour = int64_t{3600} * kNanosPerSecond;

class BlockQueueTest : public QueueFixture {
 protected:
  BlockQueueTest() {
    options_.path.clear();
    Reopen();
  }
};

// The same on disk and in memory.
class BlockQueueOnBothTest : public QueueFixture, public ::testing::WithParamInterface<bool> {
 protected:
  BlockQueueOnBothTest() {
    if (!GetParam()) options_.path.clear();
    Reopen();
  }
};

TEST_P(BlockQueueOnBothTest, GivesOutBlocksAsTheyWereAppended) {
  Block block = MakeBlock(std::string("a\0b\xFF", 4), 7, 3, kAllHashes - 1);
  block.protocol = Protocol::k1;
  block.counts = {.samples = 7, .histograms = 8, .exemplars = 9};
  block.oldest_ms = -5;
  block.newest_ms = kStartMs + 1;
  Block other = MakeBlock("", 1, kAllHashes, kAllHashes);
  Append({block, other});
  const BlockQueue::Lease lease = Take();
  EXPECT_EQ(lease.ids.size(), 2U);
  EXPECT_THAT(lease.blocks, ElementsAre(block, other));
}

TEST_P(BlockQueueOnBothTest, SettledBlocksAreGoneAndReturnedOnesComeAgain) {
  AppendBodies({"a", "b"});
  const BlockQueue::Lease a = Take(1);
  EXPECT_THAT(Bodies(a), ElementsAre("a"));
  EXPECT_TRUE(Take(1).empty());
  queue_->Return(a, clock_.MonotonicNanos() + 100);
  int64_t next_nanos = 0;
  EXPECT_TRUE(queue_->Take({.max_points = 1}, &next_nanos).empty());
  EXPECT_EQ(next_nanos, clock_.MonotonicNanos() + 100);
  clock_.Advance(100);
  const BlockQueue::Lease again = Take(1);
  EXPECT_THAT(Bodies(again), ElementsAre("a"));
  queue_->Settle(again);
  EXPECT_THAT(Drain(), ElementsAre("b"));
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

TEST_P(BlockQueueOnBothTest, SaysWhatWaits) {
  EXPECT_EQ(queue_->stats().oldest_ms, 0);
  Block first = MakeBlock("12345", 2);
  first.counts.histograms = 3;
  first.oldest_ms = kStartMs - 10;
  Append({first, MakeBlock("123", 4)});
  QueueStats stats = queue_->stats();
  EXPECT_EQ(stats.blocks, 2U);
  EXPECT_EQ(stats.bytes, 8U);
  EXPECT_EQ(stats.memory_bytes, GetParam() ? 0U : 8U);
  EXPECT_EQ(stats.counts, (SampleCounts{.samples = 6, .histograms = 3}));
  EXPECT_EQ(stats.oldest_ms, kStartMs - 10);
  queue_->Settle(Take(5));
  stats = queue_->stats();
  EXPECT_EQ(stats.blocks, 1U);
  EXPECT_EQ(stats.bytes, 3U);
  EXPECT_EQ(stats.memory_bytes, GetParam() ? 0U : 3U);
  EXPECT_EQ(stats.counts, (SampleCounts{.samples = 4}));
  EXPECT_EQ(stats.oldest_ms, kStartMs);
  Drain();
  stats = queue_->stats();
  EXPECT_EQ(stats.blocks + stats.bytes + stats.memory_bytes, 0U);
  EXPECT_EQ(stats.counts, SampleCounts());
}

TEST_P(BlockQueueOnBothTest, OldestGoesWhenThereIsTooMuch) {
  options_.max_size = 10'000;
  Reopen();
  for (const char c : {'a', 'b', 'c', 'd'}) Append({MakeBlock(std::string(4000, c), 10)});
  EXPECT_EQ(queue_->stats().bytes, 8000U);
  EXPECT_EQ(drops_.samples(DropReason::kQueueFull), 20U);
  EXPECT_EQ(drops_.all_samples(), 20U);
  EXPECT_THAT(Drain(), ElementsAre(std::string(4000, 'c'), std::string(4000, 'd')));
}

TEST_P(BlockQueueOnBothTest, OneBlockBeyondTheBoundGoesItself) {
  options_.max_size = 10'000;
  Reopen();
  Append({MakeBlock(std::string(10'001, 'a'), 10)});
  EXPECT_EQ(drops_.samples(DropReason::kQueueFull), 10U);
  Append({MakeBlock(std::string(10'000, 'b'))});
  EXPECT_THAT(Drain(), ElementsAre(std::string(10'000, 'b')));
}

TEST_P(BlockQueueOnBothTest, SmallBlockCountsAsOneKibibyte) {
  options_.max_size = 4096;
  Reopen();
  AppendBodies({"a", "b", "c", "d", "e", "f"});
  EXPECT_EQ(drops_.samples(DropReason::kQueueFull), 2U);
  EXPECT_THAT(Drain(), ElementsAre("c", "d", "e", "f"));
}

TEST_P(BlockQueueOnBothTest, WhatIsGivenOutIsNotDropped) {
  options_.max_size = 2048;
  Reopen();
  AppendBodies({"a", "b"});
  const BlockQueue::Lease a = Take(1);
  AppendBodies({"c"});
  EXPECT_EQ(drops_.samples(DropReason::kQueueFull), 1U) << "b";
  Advance(25 * 3600);
  queue_->EnforceBounds();
  EXPECT_EQ(drops_.samples(DropReason::kTooOld), 1U) << "c";
  EXPECT_EQ(queue_->stats().blocks, 1U);
  queue_->Return(a, 0);
  queue_->EnforceBounds();
  EXPECT_EQ(drops_.samples(DropReason::kTooOld), 2U) << "a";
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

TEST_P(BlockQueueOnBothTest, WhatIsOlderThanTheStoragesMaximumGoes) {
  options_.max_age = kHour;
  Reopen();
  AppendBodies({"a"});
  Advance(1);
  Block later = MakeBlock("b");
  later.newest_ms = kStartMs + 1000;
  Append({later});
  Advance(3599);
  queue_->EnforceBounds();
  EXPECT_EQ(drops_.all_samples(), 0U) << "exactly an hour is not older";
  clock_.Advance(kNanosPerMilli);
  queue_->EnforceBounds();
  EXPECT_EQ(drops_.samples(DropReason::kTooOld), 1U);
  EXPECT_THAT(Drain(), ElementsAre("b"));
}

INSTANTIATE_TEST_SUITE_P(DiskAndMemory, BlockQueueOnBothTest, ::testing::Bool(),
                         [](const auto& on_disk) { return on_disk.param ? "Disk" : "Memory"; });

TEST_F(BlockQueueTest, LowerOfTheTwoAgeLimitsHolds) {
  options_.max_age = kHour;
  queue_limits_.max_age = kHour / 2;
  Reopen();
  AppendBodies({"a"});
  Advance(1801);
  queue_->EnforceBounds();
  EXPECT_EQ(drops_.samples(DropReason::kTooOld), 1U);
  queue_limits_.max_age = 2 * kHour;
  Reopen();
  Block block = MakeBlock("b");
  block.newest_ms += 1801'000;
  Append({block});
  Advance(3601);
  queue_->EnforceBounds();
  EXPECT_EQ(drops_.samples(DropReason::kTooOld), 2U);
}

TEST_F(BlockQueueTest, WhatTheWallClocksJumpHidBehindYoungerBlocksGoesWithinAMinute) {
  options_.max_age = kHour;
  Reopen();
  Block early = MakeBlock("future");
  early.newest_ms = kStartMs + 24 * 3600 * 1000;
  Append({early, MakeBlock("a")});
  Advance(3601);
  queue_->EnforceBounds();
  EXPECT_EQ(drops_.samples(DropReason::kTooOld), 1U);
  EXPECT_THAT(Drain(), ElementsAre("future"));
}

TEST_F(BlockQueueTest, WithoutADirectoryTheBoundIsTheMemorys) {
  options_.max_memory = 4096;
  Reopen();
  AppendBodies({std::string(2000, 'a'), std::string(2000, 'b'), std::string(2000, 'c')});
  EXPECT_EQ(drops_.samples(DropReason::kQueueFull), 1U);
  EXPECT_EQ(queue_->stats().memory_bytes, 4000U);
  EXPECT_THAT(Drain(), ElementsAre(std::string(2000, 'b'), std::string(2000, 'c')));
}

TEST_F(BlockQueueTest, LogsWhatIsDroppedOnceAMinuteAtMost) {
  options_.max_memory = 1024;
  Reopen();
  for (int i = 0; i < 5; ++i) AppendBodies({"a"});
  EXPECT_EQ(log_.Count("dropped samples that waited"), 1);
  EXPECT_THAT(log_.text(), HasSubstr("remote_name=receiver reason=queue_full samples=1"));
  Advance(61);
  AppendBodies({"a"});
  EXPECT_EQ(log_.Count("dropped samples that waited"), 2);
  EXPECT_THAT(log_.text(), HasSubstr("times_since_last_line=4"));
}

TEST_F(BlockQueueTest, QueuesOfOneStorageHaveBoundsOfTheirOwn) {
  options_.max_memory = 1024;
  Reopen();
  const std::shared_ptr<BlockQueue> other = OpenQueue("other");
  AppendBodies({"a"});
  AppendTo(other.get(), "tenant", {MakeBlock("b")});
  EXPECT_EQ(drops_.all_samples(), 0U);
  EXPECT_THAT(Drain(), ElementsAre("a"));
  EXPECT_THAT(Drain(other.get()), ElementsAre("b"));
}

TEST_F(BlockQueueTest, QueueOfANameIsSharedByAllWhoOpenIt) {
  AppendBodies({"a"});
  const std::shared_ptr<BlockQueue> again = OpenQueue("receiver");
  EXPECT_EQ(again, queue_);
  queue_ = nullptr;
  EXPECT_THAT(Drain(again.get()), ElementsAre("a"));
}

TEST_F(BlockQueueTest, QueueThatNobodyHasKeepsItsBlocksButTellsNobodyOfDrops) {
  AppendBodies({"a"});
  queue_ = nullptr;
  storage_->Maintain();
  EXPECT_EQ(storage_->status().unclaimed_blocks, 1U);
  queue_ = OpenQueue("receiver");
  EXPECT_THAT(Drain(), ElementsAre("a"));
  AppendBodies({"b"});
  queue_ = nullptr;
  Advance(25 * 3600);
  storage_->Maintain();
  EXPECT_EQ(drops_.all_samples(), 0U);
  EXPECT_EQ(storage_->status().unclaimed_blocks, 0U);
  queue_ = OpenQueue("receiver");
  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(BlockQueueTest, WhatIsInMemoryAtTheEndIsDroppedAsShutdown) {
  AppendBodies({"a", "b"});
  storage_->DropMemory();
  EXPECT_EQ(drops_.samples(DropReason::kShutdown), 2U);
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

TEST_F(BlockQueueTest, SettlingWhatWasDroppedInTheMeantimeDoesNothing) {
  AppendBodies({"a"});
  const BlockQueue::Lease lease = Take();
  storage_->DropMemory();
  queue_->Settle(lease);
  queue_->Return(lease, 0);
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

}  // namespace
}  // namespace spanmeter
