// Several threads append, take, settle, return and maintain at the same time.

#include <atomic>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "queue/queue_fixture.h"

namespace spanmeter {
namespace {

constexpr int kTenants = 3;
constexpr int kCollections = 60;
constexpr int kRanges = 4;

class QueueThreadsTest : public QueueFixture {
 protected:
  // Threads append and others take, while one calls `meanwhile` again and again.
  void Run(const std::function<void()>& meanwhile) {
    std::atomic<int> appending = kTenants;
    std::atomic<bool> done = false;
    std::thread other([&] {
      while (!done.load()) meanwhile();
    });
    std::vector<std::thread> threads;
    for (int tenant = 0; tenant < kTenants; ++tenant) {
      threads.emplace_back([&, tenant] {
        AppendAll(std::to_string(tenant));
        appending.fetch_sub(1);
      });
    }
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&, i] { TakeAll(i, appending); });
    }
    for (std::thread& thread : threads) thread.join();
    done.store(true);
    other.join();

    std::vector<int> all;
    for (int i = 0; i < kCollections; ++i) all.push_back(i);
    EXPECT_EQ(arrived_.size(), size_t{kTenants * kRanges});
    for (const auto& [series, numbers] : arrived_) EXPECT_EQ(numbers, all) << series;
    EXPECT_EQ(drops_.all_samples(), 0U);
    EXPECT_EQ(queue_->stats().bytes, 0U);
    EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  }

 private:
  void AppendAll(const std::string& tenant) {
    for (int i = 0; i < kCollections; ++i) {
      std::vector<Block> blocks;
      for (uint64_t range = 0; range < kRanges; ++range) {
        blocks.push_back(MakeBlock(std::to_string(i), 1, range * 10, range * 10 + 9));
      }
      AppendTo(queue_.get(), tenant, std::move(blocks));
    }
  }

  void TakeAll(int first_step, const std::atomic<int>& appending) {
    for (int step = first_step;; ++step) {
      const bool last = appending.load() == 0;
      int64_t next_nanos = 0;
      const BlockQueue::Lease lease =
          queue_->Take({.max_points = 5, .by_tenant = step % 2 == 0}, &next_nanos);
      if (lease.empty()) {
        if (last && queue_->stats().blocks == 0) return;
        std::this_thread::yield();
      } else if (step % 5 == 0) {
        queue_->Return(lease, 0);
      } else {
        {
          std::lock_guard<std::mutex> lock(mutex_);
          for (const Block& block : lease.blocks) {
            arrived_[block.tenant + " " + std::to_string(block.first_hash)].push_back(
                std::stoi(block.body));
          }
        }
        // Only now may what follows be given out.
        queue_->Settle(lease);
      }
    }
  }

  std::mutex mutex_;
  // By tenant and range.
  std::map<std::string, std::vector<int>> arrived_;
};

class QueueThreadsOnBothTest : public QueueThreadsTest,
                               public ::testing::WithParamInterface<bool> {};

TEST_P(QueueThreadsOnBothTest, EveryBlockArrivesOnceAndInOrder) {
  if (!GetParam()) options_.path.clear();
  Reopen();
  Run([this] {
    storage_->Maintain();
    queue_->EnforceBounds();
    storage_->status();
    storage_->LastStampMs("0");
    OpenQueue("other");
    clock_.Advance(kNanosPerMilli);
  });
}

TEST_F(QueueThreadsTest, EveryBlockArrivesOnceThoughTheDiskComesAndGoes) {
  // The clock runs far ahead of the blocks.
  options_.max_age = std::numeric_limits<int64_t>::max() / 4;
  Reopen();
  Run([this] {
    {
      const FileSizeLimit limit(8 << 10);
      std::this_thread::yield();
      storage_->Maintain();
    }
    clock_.Advance(6 * kNanosPerSecond);
    storage_->Maintain();
  });
  // Nothing stayed on the disk that was moved there while it was settled.
  storage_->Maintain();
  Reopen();
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

INSTANTIATE_TEST_SUITE_P(DiskAndMemory, QueueThreadsOnBothTest, ::testing::Bool(),
                         [](const auto& on_disk) { return on_disk.param ? "Disk" : "Memory"; });

}  // namespace
}  // namespace spanmeter
