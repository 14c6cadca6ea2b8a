// What the tests of the queue share: a storage in a directory of the test's own, with a clock that
// is moved by hand and a log that can be read.

#ifndef SPANMETER_TESTS_QUEUE_QUEUE_FIXTURE_H_
#define SPANMETER_TESTS_QUEUE_QUEUE_FIXTURE_H_

#include <array>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "spanmeter/log.h"
#include "spanmeter/queue_storage.h"

#include "support/fake_clock.h"
#include "support/log_file.h"

namespace spanmeter {

inline constexpr int64_t kStartMs = FakeClock::kStartWallNanos / kNanosPerMilli;
inline const StorageUse kTestUse = {"remote_write", "remote write", "samples"};
inline constexpr uint64_t kAllHashes = std::numeric_limits<uint64_t>::max();

// A directory that goes with the test.
class TestDirectory {
 public:
  TestDirectory() {
    std::string name = ::testing::TempDir() + "spanmeter_queue_XXXXXX";
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TestDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestDirectory(const TestDirectory&) = delete;
  TestDirectory& operator=(const TestDirectory&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// Counts what is dropped. Thread-safe.
class DropCounts {
 public:
  BlockQueue::DropCallback callback() {
    return [this](DropReason reason, const DroppedBlocks& dropped) {
      std::lock_guard<std::mutex> lock(mutex_);
      counts_[static_cast<size_t>(reason)] += dropped.counts;
    };
  }
  uint64_t samples(DropReason reason) const {
    std::lock_guard<std::mutex> lock(mutex_);
    return counts_[static_cast<size_t>(reason)].samples;
  }
  uint64_t all_samples() const {
    std::lock_guard<std::mutex> lock(mutex_);
    uint64_t sum = 0;
    for (const SampleCounts& counts : counts_) sum += counts.samples;
    return sum;
  }

 private:
  mutable std::mutex mutex_;
  std::array<SampleCounts, kDropReasonNames.size()> counts_;
};

// No file of this process can be longer, which is like a full disk and needs no privileges.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_ = {};
  void (*const handler_)(int);
};

inline Block MakeBlock(std::string body, uint64_t samples = 1, uint64_t first_hash = 0,
                       uint64_t last_hash = kAllHashes) {
  Block block;
  block.tenant = "tenant";
  block.first_hash = first_hash;
  block.last_hash = last_hash;
  block.counts.samples = samples;
  block.oldest_ms = kStartMs;
  block.newest_ms = kStartMs;
  block.body = std::move(body);
  return block;
}

inline std::vector<std::string> Bodies(const BlockQueue::Lease& lease) {
  std::vector<std::string> bodies;
  for (const Block& block : lease.blocks) bodies.push_back(block.body);
  return bodies;
}

class QueueFixture : public ::testing::Test {
 protected:
  QueueFixture() { options_.path = (directory_.path() / "data").string(); }

  std::filesystem::path DatabasePath() const {
    return std::filesystem::path(options_.path) / "remote_write.db";
  }

  // Opens the storage anew, as a new process would.
  void Reopen() {
    queue_ = nullptr;
    storage_ = nullptr;
    storage_ = std::make_unique<QueueStorage>(options_, kTestUse, &clock_, &logger_);
    queue_ = OpenQueue("receiver");
  }
  std::shared_ptr<BlockQueue> OpenQueue(const std::string& name) {
    return storage_->Open(name, queue_limits_, drops_.callback());
  }

  void Append(std::vector<Block> blocks) { AppendTo(queue_.get(), "tenant", std::move(blocks)); }
  void AppendTo(BlockQueue* queue, const std::string& tenant, std::vector<Block> blocks) {
    for (Block& block : blocks) block.tenant = tenant;
    std::vector<QueueStorage::Share> shares;
    shares.push_back({queue, std::move(blocks)});
    storage_->Append(tenant, clock_.WallNanos() / kNanosPerMilli, std::move(shares));
  }
  // One body a block, each of one sample and over all hashes.
  void AppendBodies(const std::vector<std::string>& bodies) {
    std::vector<Block> blocks;
    for (const std::string& body : bodies) blocks.push_back(MakeBlock(body));
    Append(std::move(blocks));
  }

  BlockQueue::Lease Take(uint64_t max_points = 1000) {
    int64_t next_nanos = 0;
    return queue_->Take({.max_points = max_points}, &next_nanos);
  }
  // Everything in order, settled.
  std::vector<std::string> Drain() { return Drain(queue_.get()); }
  static std::vector<std::string> Drain(BlockQueue* queue) {
    std::vector<std::string> bodies;
    int64_t next_nanos = 0;
    while (true) {
      const BlockQueue::Lease lease = queue->Take({.max_points = 1000}, &next_nanos);
      if (lease.empty()) return bodies;
      for (const Block& block : lease.blocks) bodies.push_back(block.body);
      queue->Settle(lease);
    }
  }
  void Advance(int64_t seconds) { clock_.Advance(seconds * kNanosPerSecond); }

  TestDirectory directory_;
  FakeClock clock_;
  LogFile log_;
  Logger logger_{LogOptions(), &clock_, log_.fd()};
  DropCounts drops_;
  StorageOptions options_;
  QueueLimits queue_limits_;
  std::unique_ptr<QueueStorage> storage_;
  std::shared_ptr<BlockQueue> queue_;
};

}  // namespace spanmeter

#endif  // SPANMETER_TESTS_QUEUE_QUEUE_FIXTURE_H_
