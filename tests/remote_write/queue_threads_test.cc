// Several threads append, take, settle, return and maintain at the same time.

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "remote_write/queue_fixture.h"

namespace spanmeter {
namespace {

class QueueThreadsTest : public QueueFixture, public ::testing::WithParamInterface<bool> {};

TEST_P(QueueThreadsTest, EveryBlockArrivesOnceAndInOrder) {
  constexpr int kTenants = 3;
  constexpr int kCollections = 60;
  constexpr int kRanges = 4;
  if (!GetParam()) options_.path.clear();
  Reopen();
  std::atomic<int> appending = kTenants;
  std::mutex mutex;
  // By tenant and range, what arrived.
  std::map<std::string, std::vector<int>> arrived;

  std::vector<std::thread> threads;
  for (int tenant = 0; tenant < kTenants; ++tenant) {
    threads.emplace_back([&, tenant] {
      const std::string name = std::to_string(tenant);
      for (int i = 0; i < kCollections; ++i) {
        std::vector<Block> blocks;
        for (uint64_t range = 0; range < kRanges; ++range) {
          blocks.push_back(MakeBlock(std::to_string(i), 1, range * 10, range * 10 + 9));
        }
        AppendTo(queue_.get(), name, std::move(blocks));
      }
      appending.fetch_sub(1);
    });
  }
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&, i] {
      for (int step = i;; ++step) {
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
          std::lock_guard<std::mutex> lock(mutex);
          for (const Block& block : lease.blocks) {
            arrived[block.tenant + " " + std::to_string(block.first_hash)].push_back(
                std::stoi(block.body));
          }
          // Only afterwards may what follows be given out.
          queue_->Settle(lease);
        }
      }
    });
  }
  threads.emplace_back([&] {
    while (appending.load() > 0) {
      storage_->Maintain();
      queue_->EnforceBounds();
      storage_->status();
      storage_->LastStampMs("0");
      OpenQueue("other");
      clock_.Advance(kNanosPerMilli);
    }
  });
  for (std::thread& thread : threads) thread.join();

  std::vector<int> all;
  for (int i = 0; i < kCollections; ++i) all.push_back(i);
  EXPECT_EQ(arrived.size(), size_t{kTenants * kRanges});
  for (const auto& [series, numbers] : arrived) EXPECT_EQ(numbers, all) << series;
  EXPECT_EQ(drops_.all_samples(), 0U);
  EXPECT_EQ(queue_->stats().bytes, 0U);
}

INSTANTIATE_TEST_SUITE_P(DiskAndMemory, QueueThreadsTest, ::testing::Bool(),
                         [](const auto& on_disk) { return on_disk.param ? "Disk" : "Memory"; });

}  // namespace
}  // namespace spanmeter
