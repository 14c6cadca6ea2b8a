#include "spanmeter/block_index.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kEnd = std::numeric_limits<uint64_t>::max();

class BlockIndexTest : public ::testing::Test {
 protected:
  void Append(uint64_t id, uint64_t first_hash, uint64_t last_hash, const std::string& tenant = "a",
              uint32_t samples = 1) {
    BlockIndex::Entry block;
    block.id = id;
    block.first_hash = first_hash;
    block.last_hash = last_hash;
    block.samples = samples;
    block.nanos = now_;
    index_.Append(block, tenant);
  }
  std::vector<uint64_t> Take(const TakeOptions& options) {
    std::vector<uint64_t> ids;
    for (const BlockIndex::Entry* block : index_.Take(options, now_, &next_)) {
      ids.push_back(block->id);
    }
    return ids;
  }
  // One block at a time.
  std::vector<uint64_t> TakeOne() { return Take({.max_points = 1}); }
  std::vector<uint64_t> TakeUpTo(uint64_t points) { return Take({.max_points = points}); }
  void Settle(const std::vector<uint64_t>& ids) {
    for (const uint64_t id : ids) index_.Remove(index_.Find(id));
    index_.CountSettled();
  }
  void Return(const std::vector<uint64_t>& ids, int64_t not_before) {
    std::vector<BlockIndex::Entry*> blocks;
    for (const uint64_t id : ids) blocks.push_back(index_.Find(id));
    index_.Return(blocks, not_before);
  }

  BlockIndex index_;
  int64_t now_ = 100;
  int64_t next_ = 0;
};

TEST_F(BlockIndexTest, HasNothingToGiveWhenEmpty) {
  EXPECT_THAT(TakeOne(), IsEmpty());
  EXPECT_EQ(next_, kNeverNanos);
}

TEST_F(BlockIndexTest, OverlappingBlocksOfATenantFollowOneAfterTheOther) {
  Append(1, 0, 10);
  Append(2, 10, 20);
  Append(3, 21, 30);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  EXPECT_THAT(TakeOne(), ElementsAre(3)) << "nothing earlier that is not settled touches it";
  Settle({3});
  EXPECT_THAT(TakeOne(), IsEmpty());
  EXPECT_EQ(next_, kNeverNanos);
  Settle({1});
  EXPECT_THAT(TakeOne(), ElementsAre(2));
}

TEST_F(BlockIndexTest, ThirdBlockWaitsForTheSecondThatWaitsForTheFirst) {
  Append(1, 0, 10);
  Append(2, 10, 20);
  Append(3, 15, 30);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  EXPECT_THAT(TakeOne(), IsEmpty());
}

TEST_F(BlockIndexTest, BlocksOfDifferentTenantsNeverWaitForEachOther) {
  Append(1, 0, kEnd, "a");
  Append(2, 0, kEnd, "b");
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  EXPECT_THAT(TakeOne(), ElementsAre(2));
}

TEST_F(BlockIndexTest, RangesReachToBothEndsOfTheHashes) {
  Append(1, 0, 0);
  Append(2, kEnd, kEnd);
  Append(3, 0, kEnd);
  Append(4, kEnd, kEnd);
  Append(5, 0, 0);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  EXPECT_THAT(TakeOne(), ElementsAre(2));
  EXPECT_THAT(TakeOne(), IsEmpty());
  Settle({1});
  EXPECT_THAT(TakeOne(), IsEmpty());
  Settle({2});
  EXPECT_THAT(TakeOne(), ElementsAre(3));
  EXPECT_THAT(TakeOne(), IsEmpty());
  Settle({3});
  EXPECT_THAT(TakeOne(), ElementsAre(4));
  EXPECT_THAT(TakeOne(), ElementsAre(5));
}

TEST_F(BlockIndexTest, LeaseTakesConsecutiveBlocksThatOverlapInOrder) {
  Append(1, 0, 10);
  Append(2, 0, 10);
  Append(3, 5, 20);
  Append(4, 30, 40);
  EXPECT_THAT(TakeUpTo(4), ElementsAre(1, 2, 3, 4));
}

TEST_F(BlockIndexTest, LeaseLeavesOutWhatWaitsForABlockOutsideOfIt) {
  Append(1, 0, 10);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  Append(2, 20, 30);
  Append(3, 5, 25);
  Append(4, 28, 35);
  EXPECT_THAT(TakeUpTo(10), ElementsAre(2, 4));
}

TEST_F(BlockIndexTest, LeaseHasAtMostSoManyPoints) {
  Append(1, 0, 0, "a", 4);
  Append(2, 1, 1, "a", 5);
  Append(3, 2, 2, "a", 2);
  EXPECT_THAT(TakeUpTo(10), ElementsAre(1, 2));
  EXPECT_THAT(TakeUpTo(10), ElementsAre(3));
}

TEST_F(BlockIndexTest, BlockWithAllPointsOrMoreGoesAlone) {
  Append(1, 0, 0, "a", 10);
  Append(2, 1, 1, "a", 30);
  Append(3, 2, 2, "a", 1);
  EXPECT_THAT(TakeUpTo(10), ElementsAre(1));
  EXPECT_THAT(TakeUpTo(10), ElementsAre(2));
  EXPECT_THAT(TakeUpTo(10), ElementsAre(3));
}

TEST_F(BlockIndexTest, BlocksWithoutPointsDoNotGoTogetherWithoutEnd) {
  for (uint64_t id = 1; id <= 5; ++id) Append(id, id, id, "a", 0);
  EXPECT_THAT(TakeUpTo(3), ElementsAre(1, 2, 3));
}

TEST_F(BlockIndexTest, TenantsGoTogetherOnlyWhenRequestsDoNotNameThem) {
  Append(1, 0, kEnd, "a");
  Append(2, 0, kEnd, "b");
  Append(3, 0, kEnd, "a");
  EXPECT_THAT(Take({.max_points = 10, .by_tenant = true}), ElementsAre(1, 3));
  EXPECT_THAT(Take({.max_points = 10, .by_tenant = true}), ElementsAre(2));
  Settle({1, 2, 3});
  Append(4, 0, kEnd, "a");
  Append(5, 0, kEnd, "b");
  Append(6, 0, kEnd, "a");
  EXPECT_THAT(TakeUpTo(10), ElementsAre(4, 5, 6));
}

TEST_F(BlockIndexTest, LeaseThatIsNotFullWaitsForMore) {
  Append(1, 0, kEnd);
  const TakeOptions options = {.max_points = 3, .max_wait_nanos = 50};
  now_ = 120;
  EXPECT_THAT(Take(options), IsEmpty());
  EXPECT_EQ(next_, 150);
  Append(2, 0, kEnd);
  EXPECT_THAT(Take(options), IsEmpty());
  EXPECT_EQ(next_, 150) << "the oldest counts";
  now_ = 149;
  EXPECT_THAT(Take(options), IsEmpty());
  now_ = 150;
  EXPECT_THAT(Take(options), ElementsAre(1, 2));
}

TEST_F(BlockIndexTest, FullLeaseDoesNotWait) {
  const TakeOptions options = {.max_points = 3, .max_wait_nanos = 50};
  Append(1, 0, kEnd);
  Append(2, 0, kEnd);
  EXPECT_THAT(Take(options), IsEmpty());
  Append(3, 0, kEnd);
  EXPECT_THAT(Take(options), ElementsAre(1, 2, 3));
}

TEST_F(BlockIndexTest, LeaseThatTheNextBlockDoesNotFitInDoesNotWait) {
  const TakeOptions options = {.max_points = 3, .max_wait_nanos = 50};
  Append(1, 0, kEnd);
  Append(2, 0, kEnd, "a", 3);
  EXPECT_THAT(Take(options), ElementsAre(1));
}

TEST_F(BlockIndexTest, TenantThatWaitsForMoreLetsOthersPass) {
  const TakeOptions options = {.max_points = 2, .max_wait_nanos = 50, .by_tenant = true};
  Append(1, 0, kEnd, "a");
  now_ = 110;
  Append(2, 0, kEnd, "b");
  Append(3, 0, kEnd, "b");
  Append(4, 0, kEnd, "c");
  EXPECT_THAT(Take(options), ElementsAre(2, 3));
  EXPECT_THAT(Take(options), IsEmpty());
  EXPECT_EQ(next_, 150);
  now_ = 150;
  EXPECT_THAT(Take(options), ElementsAre(1));
  EXPECT_THAT(Take(options), IsEmpty());
  EXPECT_EQ(next_, 160);
}

TEST_F(BlockIndexTest, ReturnedBlockBlocksItsRangeUntilItIsSettled) {
  Append(1, 0, 10);
  Append(2, 5, 15);
  Append(3, 20, 30);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  Return({1}, 200);
  EXPECT_THAT(TakeOne(), ElementsAre(3));
  EXPECT_THAT(TakeOne(), IsEmpty());
  EXPECT_EQ(next_, 200);
  now_ = 199;
  EXPECT_THAT(TakeOne(), IsEmpty());
  now_ = 200;
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  EXPECT_THAT(TakeOne(), IsEmpty());
  Settle({1});
  EXPECT_THAT(TakeOne(), ElementsAre(2));
}

TEST_F(BlockIndexTest, RetryDoesNotWaitForMore) {
  const TakeOptions options = {.max_points = 3, .max_wait_nanos = 1000};
  Append(1, 0, kEnd, "a", 3);
  EXPECT_THAT(Take(options), ElementsAre(1));
  Return({1}, 110);
  now_ = 110;
  EXPECT_THAT(Take(options), ElementsAre(1));
}

TEST_F(BlockIndexTest, RetriedLeaseStaysTogetherWhileNothingSucceeds) {
  Append(1, 0, kEnd);
  Append(2, 0, kEnd);
  Append(3, 0, kEnd);
  EXPECT_THAT(TakeUpTo(2), ElementsAre(1, 2));
  Return({1, 2}, 110);
  now_ = 110;
  EXPECT_THAT(TakeUpTo(2), ElementsAre(1, 2));
}

TEST_F(BlockIndexTest, LeaseThatFailsWhileOthersSucceedIsTakenApart) {
  Append(1, 0, 0);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  Append(2, 2, 2);
  Append(3, 3, 3);
  EXPECT_THAT(TakeUpTo(2), ElementsAre(2, 3));
  Settle({1});
  Return({2, 3}, 110);
  now_ = 110;
  EXPECT_THAT(TakeUpTo(2), ElementsAre(2));
  EXPECT_THAT(TakeUpTo(2), ElementsAre(3));
}

TEST_F(BlockIndexTest, SettledReceiverGetsTheRetryFirst) {
  Append(1, 0, 0);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  Return({1}, 110);
  Append(2, 2, 2);
  Append(3, 3, 3);
  EXPECT_THAT(TakeOne(), ElementsAre(2));
  Settle({2});
  now_ = 110;
  EXPECT_THAT(TakeOne(), ElementsAre(1));
}

TEST_F(BlockIndexTest, AfterAFailureSomethingElseHasATry) {
  Append(1, 0, 0);
  Append(2, 2, 2);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  Return({1}, 100);
  EXPECT_THAT(TakeOne(), ElementsAre(2));
}

TEST_F(BlockIndexTest, WhileNothingSucceedsOnlyEveryEighthTryIsSomethingNew) {
  for (uint64_t id = 1; id <= 100; ++id) Append(id, id, id);
  std::vector<uint64_t> tried;
  for (int i = 0; i < 18; ++i) {
    const std::vector<uint64_t> taken = TakeOne();
    ASSERT_EQ(taken.size(), 1U);
    tried.push_back(taken[0]);
    ++now_;
    Return(taken, now_);
  }
  EXPECT_THAT(tried, ElementsAre(1, 2, 1, 2, 1, 2, 1, 2, 1, 3, 2, 1, 3, 2, 1, 3, 2, 4));
}

TEST_F(BlockIndexTest, BlockThatNeverArrivesDoesNotKeepOthersFromArriving) {
  for (uint64_t id = 1; id <= 20; ++id) Append(id, id, id);
  std::vector<uint64_t> arrived;
  for (int i = 0; i < 100 && arrived.size() < 15; ++i) {
    const std::vector<uint64_t> taken = TakeUpTo(4);
    ++now_;
    bool poison = false;
    for (const uint64_t id : taken) poison = poison || id <= 5;
    if (poison) {
      Return(taken, now_);
    } else {
      Settle(taken);
      arrived.insert(arrived.end(), taken.begin(), taken.end());
    }
  }
  std::sort(arrived.begin(), arrived.end());
  EXPECT_THAT(arrived, ElementsAre(6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20));
}

TEST_F(BlockIndexTest, DroppedBlockLeavesItsFollowersBehindWhatCameBeforeIt) {
  Append(1, 0, 10);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  Append(2, 5, 30);
  Append(3, 8, 9);
  Append(4, 20, 25);
  index_.Remove(index_.Find(2));
  EXPECT_THAT(TakeOne(), ElementsAre(4)) << "it waited only for what is gone";
  Append(5, 10, 10);
  EXPECT_THAT(TakeOne(), IsEmpty()) << "what was dropped no longer stands between 1 and 5";
  Settle({1});
  EXPECT_THAT(TakeOne(), ElementsAre(3));
  EXPECT_THAT(TakeOne(), ElementsAre(5));
}

TEST_F(BlockIndexTest, BlockThatCouldNotBeGivenOutIsNoFailure) {
  Append(1, 0, 0);
  Append(2, 2, 2);
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  index_.PutBack({index_.Find(1)}, 110);
  EXPECT_THAT(TakeOne(), ElementsAre(2));
  Settle({2});
  Append(3, 3, 3);
  now_ = 110;
  EXPECT_THAT(TakeUpTo(2), ElementsAre(1)) << "retries come first";
}

TEST_F(BlockIndexTest, StateSurvivesAnotherIndex) {
  Append(2, 0, 10);
  Append(3, 20, 30);
  Append(4, 40, 50);
  EXPECT_THAT(TakeOne(), ElementsAre(2));
  EXPECT_THAT(TakeOne(), ElementsAre(3));
  Return({3}, 150);
  BlockIndex other;
  BlockIndex::Entry earlier;
  earlier.id = 1;
  earlier.first_hash = 25;
  earlier.last_hash = 45;
  earlier.samples = 1;
  other.Append(earlier, "a");
  for (const auto& [id, block] : index_.entries()) other.AppendWithState(block, "a");
  index_ = std::move(other);
  now_ = 150;
  EXPECT_THAT(TakeOne(), ElementsAre(1));
  EXPECT_THAT(TakeOne(), IsEmpty()) << "2 is out; 3 and 4 wait for 1";
  Settle({1});
  EXPECT_THAT(TakeOne(), ElementsAre(3));
  EXPECT_THAT(TakeOne(), ElementsAre(4));
  Settle({2, 3, 4});
  EXPECT_TRUE(index_.entries().empty());
}

}  // namespace
}  // namespace spanmeter
