// What is kept over the end of a process.

#include "spanmeter/queue_storage.h"

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

class QueueStorageTest : public QueueFixture {
 protected:
  QueueStorageTest() { Reopen(); }

  // All files of the storage.
  uint64_t FileBytes() const {
    uint64_t bytes = 0;
    for (const auto& file : std::filesystem::directory_iterator(options_.path)) {
      bytes += file.file_size();
    }
    return bytes;
  }
};

TEST_F(QueueStorageTest, MakesItsDirectory) {
  options_.path = (directory_.path() / "some" / "where").string();
  Reopen();
  AppendBodies({"a"});
  EXPECT_TRUE(std::filesystem::exists(DatabasePath()));
  EXPECT_TRUE(storage_->status().has_disk);
  EXPECT_TRUE(storage_->status().disk_ok);
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
}

TEST_F(QueueStorageTest, WhatWaitsIsThereAfterARestartInOrderAndWhole) {
  Block block = MakeBlock(std::string("x\0y", 3), 7, 1, 2);
  block.protocol = Protocol::k1;
  block.counts = {.samples = 7, .histograms = 8, .exemplars = 9};
  block.newest_ms = kStartMs + 1;
  Block all = MakeBlock("all", 1);
  Append({block, all});
  AppendTo(queue_.get(), "other", {MakeBlock("other")});
  Reopen();
  EXPECT_EQ(queue_->stats().blocks, 3U);
  EXPECT_EQ(queue_->stats().bytes, 11U);
  EXPECT_EQ(queue_->stats().counts, (SampleCounts{.samples = 9, .histograms = 8, .exemplars = 9}));
  AppendBodies({"new"});
  const BlockQueue::Lease lease = Take();
  ASSERT_EQ(lease.blocks.size(), 4U);
  EXPECT_EQ(lease.blocks[0], block);
  EXPECT_EQ(lease.blocks[1], all);
  EXPECT_EQ(lease.blocks[2].tenant, "other");
  EXPECT_EQ(lease.blocks[2].body, "other");
  EXPECT_EQ(lease.blocks[3].body, "new");
}

TEST_F(QueueStorageTest, OrderWithinATenantHoldsOverARestart) {
  Append({MakeBlock("a", 1, 0, 10), MakeBlock("b", 1, 5, 15), MakeBlock("c", 1, 20, 30)});
  Reopen();
  Append({MakeBlock("d", 1, 30, 40)});
  EXPECT_THAT(Bodies(Take(1)), ElementsAre("a"));
  EXPECT_THAT(Bodies(Take(1)), ElementsAre("c"));
  EXPECT_TRUE(Take(1).empty());
}

TEST_F(QueueStorageTest, SettledBlocksStayAwayAfterARestart) {
  AppendBodies({"a", "b", "c"});
  queue_->Settle(Take(2));
  Reopen();
  EXPECT_THAT(Drain(), ElementsAre("c"));
  Reopen();
  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(QueueStorageTest, GivenOutAndReturnedBlocksAreThereAfterARestart) {
  AppendBodies({"a", "b", "c"});
  Take(1);
  queue_->Return(Take(1), std::numeric_limits<int64_t>::max());
  Reopen();
  EXPECT_THAT(Drain(), ElementsAre("a", "b", "c"));
}

TEST_F(QueueStorageTest, NothingWaitsForMoreAfterARestart) {
  AppendBodies({"a"});
  const BlockQueue::TakeOptions options = {.max_points = 10, .max_wait_nanos = kNanosPerSecond};
  int64_t next_nanos = 0;
  EXPECT_TRUE(queue_->Take(options, &next_nanos).empty());
  EXPECT_EQ(next_nanos, clock_.MonotonicNanos() + kNanosPerSecond);
  Reopen();
  EXPECT_THAT(Bodies(queue_->Take(options, &next_nanos)), ElementsAre("a"));
}

TEST_F(QueueStorageTest, IdsAscendOverRestartsThoughTheWallClockGoesBack) {
  AppendBodies({"a"});
  clock_.SetWallNanos(FakeClock::kStartWallNanos - 1000 * kNanosPerSecond);
  Reopen();
  AppendBodies({"b"});
  const BlockQueue::Lease lease = Take();
  ASSERT_THAT(Bodies(lease), ElementsAre("a", "b"));
  EXPECT_LT(lease.ids[0], lease.ids[1]);
}

TEST_F(QueueStorageTest, StampOfTheLastCollectionIsRemembered) {
  EXPECT_EQ(storage_->LastStampMs("tenant"), std::nullopt);
  AppendBodies({"a"});
  EXPECT_EQ(storage_->LastStampMs("tenant"), kStartMs);
  Advance(15);
  storage_->Append("tenant", kStartMs + 15'000, {});
  EXPECT_EQ(storage_->LastStampMs("tenant"), kStartMs + 15'000);
  storage_->Maintain();
  Reopen();
  EXPECT_EQ(storage_->LastStampMs("tenant"), kStartMs + 15'000);
  EXPECT_EQ(storage_->LastStampMs("other"), std::nullopt);
}

TEST_F(QueueStorageTest, StampsThatNobodyRenewsGoAfterADay) {
  AppendBodies({"a"});
  AppendTo(queue_.get(), "old", {MakeBlock("b")});
  Advance(24 * 3600);
  storage_->Maintain();
  EXPECT_EQ(storage_->LastStampMs("old"), kStartMs);
  AppendBodies({"c"});
  clock_.Advance(kNanosPerMilli);
  Drain();
  storage_->Maintain();
  EXPECT_EQ(storage_->LastStampMs("old"), std::nullopt);
  Reopen();
  EXPECT_EQ(storage_->LastStampMs("old"), std::nullopt);
  EXPECT_EQ(storage_->LastStampMs("tenant"), kStartMs + 24 * 3600 * 1000);
}

TEST_F(QueueStorageTest, OneCollectionGoesToAllQueues) {
  std::shared_ptr<BlockQueue> other = OpenQueue("other");
  std::vector<QueueStorage::Share> shares;
  shares.push_back({queue_.get(), {MakeBlock("a"), MakeBlock("b")}});
  shares.push_back({other.get(), {MakeBlock("c")}});
  storage_->Append("tenant", kStartMs, std::move(shares));
  other = nullptr;
  Reopen();
  EXPECT_THAT(Drain(), ElementsAre("a", "b"));
  EXPECT_THAT(Drain(OpenQueue("other").get()), ElementsAre("c"));
}

TEST_F(QueueStorageTest, BlocksOfAReceiverThatIsNotConfiguredWaitUntilTheyAreTooOld) {
  AppendBodies({"12345"});
  queue_ = nullptr;
  storage_ = nullptr;
  storage_ = std::make_unique<QueueStorage>(options_, kTestUse, &clock_, &logger_);
  const std::shared_ptr<BlockQueue> other = OpenQueue("other");
  storage_->LogUnclaimed();
  EXPECT_THAT(log_.text(), HasSubstr("not configured"));
  EXPECT_THAT(log_.text(), HasSubstr("remote_name=receiver bytes=5 samples=1"));
  storage_->Maintain();
  EXPECT_EQ(storage_->status().unclaimed_bytes, 5U);
  Advance(24 * 3600);
  storage_->Maintain();
  EXPECT_EQ(storage_->status().unclaimed_bytes, 5U);
  clock_.Advance(kNanosPerMilli);
  storage_->Maintain();
  EXPECT_EQ(storage_->status().unclaimed_bytes, 0U);
  EXPECT_THAT(log_.text(), HasSubstr("remote_name=receiver reason=too_old samples=1"));
  Reopen();
  EXPECT_THAT(Drain(), IsEmpty());
}

TEST_F(QueueStorageTest, ReceiverThatComesBackGetsWhatWaitedForIt) {
  AppendBodies({"a"});
  queue_ = nullptr;
  storage_ = nullptr;
  storage_ = std::make_unique<QueueStorage>(options_, kTestUse, &clock_, &logger_);
  queue_ = OpenQueue("receiver");
  storage_->LogUnclaimed();
  EXPECT_EQ(log_.Count("not configured"), 0);
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(QueueStorageTest, SecondProcessRunsFromMemoryUntilTheFirstEnds) {
  AppendBodies({"a"});
  // Ids come from the clock.
  Advance(1);
  QueueStorage second(options_, kTestUse, &clock_, &logger_);
  EXPECT_THAT(log_.text(), HasSubstr("another process uses it"));
  EXPECT_FALSE(second.status().disk_ok);
  EXPECT_EQ(second.status().error, "another process uses it");
  const std::shared_ptr<BlockQueue> queue = second.Open("receiver", QueueLimits(), nullptr);
  EXPECT_EQ(queue->stats().blocks, 0U);
  std::vector<QueueStorage::Share> shares;
  shares.push_back({queue.get(), {MakeBlock("b")}});
  second.Append("tenant", kStartMs + 1000, std::move(shares));
  EXPECT_EQ(queue->stats().memory_bytes, 1U);
  EXPECT_THAT(Bodies(Take()), ElementsAre("a")) << "the first one is not disturbed";

  queue_ = nullptr;
  storage_ = nullptr;
  Advance(10);
  second.Maintain();
  EXPECT_TRUE(second.status().disk_ok);
  EXPECT_THAT(log_.text(), HasSubstr("kept on disk again"));
  EXPECT_EQ(queue->stats().memory_bytes, 0U);
  EXPECT_EQ(queue->stats().blocks, 2U);
}

TEST_F(QueueStorageTest, WhatAFormerProcessLeftComesBeforeWhatWasAppendedWithoutTheDisk) {
  AppendBodies({"a", "b"});
  Advance(1);
  QueueStorage second(options_, kTestUse, &clock_, &logger_);
  const std::shared_ptr<BlockQueue> queue = second.Open("receiver", QueueLimits(), nullptr);
  const auto append = [&](const std::string& body) {
    std::vector<QueueStorage::Share> shares;
    shares.push_back({queue.get(), {MakeBlock(body)}});
    second.Append("tenant", kStartMs, std::move(shares));
  };
  append("c");
  append("d");
  int64_t next_nanos = 0;
  const BlockQueue::Lease c = queue->Take({.max_points = 1}, &next_nanos);
  EXPECT_THAT(Bodies(c), ElementsAre("c"));
  queue_ = nullptr;
  storage_ = nullptr;
  Advance(10);
  append("e");
  EXPECT_EQ(queue->stats().blocks, 5U);
  queue->Return(c, 0);
  EXPECT_THAT(Drain(queue.get()), ElementsAre("a", "b", "c", "d", "e"));
}

TEST_F(QueueStorageTest, BlockOfAFormerProcessWhoseIdIsTakenIsCounted) {
  AppendBodies({"a", "b"});
  // The clock stands still, so that the second process gives the same ids.
  QueueStorage second(options_, kTestUse, &clock_, &logger_);
  DropCounts drops;
  const std::shared_ptr<BlockQueue> queue =
      second.Open("receiver", QueueLimits(), drops.callback());
  std::vector<QueueStorage::Share> shares;
  shares.push_back({queue.get(), {MakeBlock("other", 3)}});
  second.Append("tenant", kStartMs, std::move(shares));
  queue_ = nullptr;
  storage_ = nullptr;
  Advance(10);
  second.Maintain();
  EXPECT_EQ(drops.samples(DropReason::kCorrupt), 1U);
  EXPECT_THAT(Drain(queue.get()), ElementsAre("other", "b"));
}

TEST_F(QueueStorageTest, FileStaysNearTheBoundAndShrinksWhenItIsEmptied) {
  options_.max_size = 8 << 20;
  Reopen();
  // Eight times what fits. What goes makes room for what comes at once.
  for (int i = 0; i < 16; ++i) {
    std::vector<Block> blocks;
    for (int j = 0; j < 128; ++j) blocks.push_back(MakeBlock(std::string(32 << 10, 'x')));
    Append(std::move(blocks));
    ASSERT_LT(std::filesystem::file_size(DatabasePath()), 11U << 20);
    // The log: the 16 MiB from where it is moved to the file, and one collection.
    ASSERT_LT(FileBytes(), (11U << 20) + (22U << 20));
  }
  EXPECT_GT(queue_->stats().bytes, 7U << 20);
  while (!Drain().empty()) {
  }
  for (int i = 0; i < 5; ++i) {
    Advance(1);
    storage_->Maintain();
  }
  EXPECT_LT(FileBytes(), 6U << 20);
  EXPECT_EQ(storage_->status().file_bytes, FileBytes());
  // It is still a good file.
  AppendBodies({"a"});
  Reopen();
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(QueueStorageTest, StorageWithoutPathIsInMemory) {
  options_.path.clear();
  Reopen();
  EXPECT_FALSE(storage_->status().has_disk);
  AppendBodies({"a"});
  storage_->Maintain();
  EXPECT_EQ(queue_->stats().memory_bytes, 1U);
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

// Queues whose blocks are in memory first.
class MemoryFirstTest : public QueueFixture {
 protected:
  static constexpr int64_t kMemoryNanos = kNanosPerSecond;

  void ReopenAs(StorageUse use) {
    queue_ = nullptr;
    storage_ = nullptr;
    storage_ = std::make_unique<QueueStorage>(options_, std::move(use), &clock_, &logger_);
    queue_ = OpenQueue("receiver");
  }
  void ReopenForward() { ReopenAs({"forward", "what is passed on", "spans", kMemoryNanos}); }
  void AppendShared(const std::string& body, uint64_t reserved = 0) {
    queue_->Append(MakeBlock(body, 1, hash_, hash_), std::make_shared<const std::string>(body),
                   reserved);
    ++hash_;
  }

  uint64_t hash_ = 0;
};

TEST_F(MemoryFirstTest, BlocksAreMovedToDiskOnlyWhenTheyHaveWaited) {
  ReopenForward();
  AppendShared("a");
  storage_->Maintain();
  EXPECT_EQ(queue_->stats().memory_bytes, 1U);
  Advance(1);
  AppendShared("b");
  storage_->Maintain();
  EXPECT_EQ(queue_->stats().memory_bytes, 1U);
  EXPECT_EQ(queue_->stats().bytes, 2U);
  Advance(1);
  storage_->Maintain();
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  EXPECT_TRUE(std::filesystem::exists(std::filesystem::path(options_.path) / "forward.db"));
  EXPECT_THAT(Drain(), ElementsAre("a", "b"));
}

TEST_F(MemoryFirstTest, WhatIsOnDiskSurvivesAndMemoryIsSavedAtTheEnd) {
  ReopenForward();
  AppendShared("a");
  Advance(1);
  storage_->Maintain();
  AppendShared("b");
  storage_->DropMemory();
  EXPECT_EQ(drops_.all_samples(), 0U);
  ReopenForward();
  EXPECT_THAT(Drain(), ElementsAre("a", "b"));
}

TEST_F(MemoryFirstTest, FailedBlocksHaveWaitedWhenTheyComeBack) {
  ReopenForward();
  AppendShared("a");
  const BlockQueue::Lease lease = Take();
  queue_->Return(lease, clock_.MonotonicNanos() + 60 * kNanosPerSecond);
  storage_->Maintain();
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
}

TEST_F(MemoryFirstTest, BlocksThatAreGivenOutMayMoveAndBeSettled) {
  ReopenForward();
  AppendShared("a");
  int64_t next_nanos = 0;
  const BlockQueue::Lease lease = queue_->TakeShared({.max_points = 1}, &next_nanos);
  ASSERT_EQ(lease.bodies.size(), 1U);
  Advance(1);
  storage_->Maintain();
  EXPECT_EQ(*lease.bodies.front(), "a");
  queue_->Settle(lease);
  ReopenForward();
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

TEST_F(MemoryFirstTest, SharedBodiesComeFromDiskToo) {
  ReopenForward();
  AppendShared("a");
  Advance(1);
  storage_->Maintain();
  AppendShared("b");
  int64_t next_nanos = 0;
  const BlockQueue::Lease lease = queue_->TakeShared({.max_points = 10}, &next_nanos);
  ASSERT_EQ(lease.bodies.size(), 2U);
  EXPECT_EQ(*lease.bodies[0], "a");
  EXPECT_EQ(*lease.bodies[1], "b");
  EXPECT_EQ(lease.blocks[0].body, "");
}

TEST_F(MemoryFirstTest, RoomIsKeptUntilItsBlockComes) {
  // The smallest block counts as 1 KiB.
  queue_limits_ = {4096, 4096, 0};
  options_.path.clear();
  ReopenForward();
  EXPECT_TRUE(queue_->Reserve(2048));
  EXPECT_TRUE(queue_->Reserve(2048));
  EXPECT_FALSE(queue_->Reserve(1));
  queue_->Unreserve(2048);
  EXPECT_TRUE(queue_->Reserve(1));
  AppendShared(std::string(2048, 'x'), 2048);
  EXPECT_EQ(queue_->stats().blocks, 1U);
  EXPECT_TRUE(queue_->Reserve(1));
  EXPECT_FALSE(queue_->Reserve(1));
  EXPECT_EQ(drops_.all_samples(), 0U);
}

TEST_F(MemoryFirstTest, LimitsOfAQueueHoldBesideThoseOfTheStorage) {
  queue_limits_ = {3 * 1024, 2 * 1024, 10 * kNanosPerSecond};
  ReopenForward();
  for (int i = 0; i < 3; ++i) AppendShared("x");
  EXPECT_EQ(drops_.samples(DropReason::kQueueFull), 1U);  // memory
  Advance(1);
  storage_->Maintain();
  AppendShared("y");
  AppendShared("z");
  EXPECT_EQ(drops_.samples(DropReason::kQueueFull), 2U);  // all
  Advance(11);
  queue_->EnforceBounds();
  EXPECT_EQ(drops_.samples(DropReason::kTooOld), 3U);
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

}  // namespace
}  // namespace spanmeter
