// Disks that are full, read-only or gone.

#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "queue/queue_fixture.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class QueueDiskTest : public QueueFixture {
 protected:
  // Numbered blocks of 16 KiB.
  void AppendSome(int count) {
    std::vector<Block> blocks;
    for (int i = 0; i < count; ++i) {
      blocks.push_back(MakeBlock(std::to_string(appended_++) + std::string(16 << 10, '.')));
    }
    Append(std::move(blocks));
  }
  // Numbers of everything that comes out.
  std::vector<int> DrainNumbers() {
    std::vector<int> numbers;
    for (const std::string& body : Drain()) numbers.push_back(std::stoi(body));
    return numbers;
  }
  static std::vector<int> Numbers(int from, int to) {
    std::vector<int> numbers;
    for (int i = from; i < to; ++i) numbers.push_back(i);
    return numbers;
  }

  int appended_ = 0;
};

// A file system in memory, which goes with the test even if that fails.
class MountedTmpfs {
 public:
  MountedTmpfs(std::filesystem::path path, unsigned long flags) : path_(std::move(path)) {
    std::filesystem::create_directories(path_);
    mounted_ = mount("tmpfs", path_.c_str(), "tmpfs", flags, kSize) == 0;
  }
  ~MountedTmpfs() {
    if (mounted_) umount2(path_.c_str(), MNT_DETACH);
  }
  MountedTmpfs(const MountedTmpfs&) = delete;
  MountedTmpfs& operator=(const MountedTmpfs&) = delete;

  bool mounted() const { return mounted_; }
  bool MakeWritable() const { return mount("", path_.c_str(), "", MS_REMOUNT, kSize) == 0; }

 private:
  static constexpr char kSize[] = "size=4m";

  const std::filesystem::path path_;
  bool mounted_ = false;
};

TEST_F(QueueDiskTest, WhatTheDiskDoesNotTakeStaysInMemoryAndGoesThereInOrderLater) {
  Reopen();
  AppendSome(10);
  {
    const FileSizeLimit limit(400 << 10);
    AppendSome(30);
    EXPECT_EQ(queue_->stats().blocks, 40U);
    EXPECT_GT(queue_->stats().memory_bytes, 30U * (16 << 10));
    EXPECT_FALSE(storage_->status().disk_ok);
    EXPECT_NE(storage_->status().error, "");
    AppendSome(1);
    Advance(6);
    AppendSome(1);
    EXPECT_EQ(log_.Count("cannot keep what waits"), 1) << "one line for one outage";
    // What is on disk can be sent meanwhile.
    const BlockQueue::Lease first = Take(1);
    ASSERT_EQ(first.blocks.size(), 1U);
    EXPECT_EQ(std::stoi(first.blocks[0].body), 0);
    queue_->Settle(first);
  }
  storage_->Maintain();
  EXPECT_GT(queue_->stats().memory_bytes, 0U) << "the disk is left alone for a while";
  Advance(6);
  storage_->Maintain();
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  EXPECT_TRUE(storage_->status().disk_ok);
  EXPECT_EQ(storage_->status().error, "");
  EXPECT_EQ(log_.Count("kept on disk again"), 1);
  AppendSome(3);
  Reopen();
  EXPECT_EQ(DrainNumbers(), Numbers(1, 45));
  EXPECT_EQ(drops_.all_samples(), 0U);
}

TEST_F(QueueDiskTest, MemoryIsBoundedWhileTheDiskTakesNothing) {
  options_.max_memory = 10 * (17 << 10);
  Reopen();
  AppendSome(5);
  {
    const FileSizeLimit limit(400 << 10);
    AppendSome(30);
    EXPECT_LE(queue_->stats().memory_bytes, options_.max_memory);
    EXPECT_EQ(queue_->stats().blocks, 15U);
    EXPECT_EQ(drops_.samples(DropReason::kQueueFull), 20U);
  }
  std::vector<int> expected = Numbers(0, 5);
  for (const int number : Numbers(25, 35)) expected.push_back(number);
  EXPECT_EQ(DrainNumbers(), expected) << "the oldest of those in memory went";
}

TEST_F(QueueDiskTest, WhatWasSentFromMemoryIsNotWrittenLater) {
  Reopen();
  {
    const FileSizeLimit limit(64 << 10);
    AppendSome(10);
    EXPECT_EQ(queue_->stats().memory_bytes, queue_->stats().bytes);
    queue_->Settle(Take(5));
  }
  Advance(6);
  storage_->Maintain();
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  Reopen();
  EXPECT_EQ(DrainNumbers(), Numbers(5, 10));
}

TEST_F(QueueDiskTest, LeaseOfMemoryBlocksThatMoveToDiskMeanwhileIsSettledThere) {
  Reopen();
  BlockQueue::Lease lease;
  {
    const FileSizeLimit limit(64 << 10);
    AppendSome(10);
    lease = Take(5);
  }
  Advance(6);
  storage_->Maintain();
  queue_->Settle(lease);
  Reopen();
  EXPECT_EQ(DrainNumbers(), Numbers(5, 10));
}

TEST_F(QueueDiskTest, LastTryAtTheEndWritesWhatIsInMemory) {
  Reopen();
  {
    const FileSizeLimit limit(64 << 10);
    AppendSome(10);
  }
  storage_->DropMemory();
  EXPECT_EQ(drops_.all_samples(), 0U);
  Reopen();
  EXPECT_EQ(DrainNumbers(), Numbers(0, 10));
}

TEST_F(QueueDiskTest, WhatTheDiskDoesNotTakeAtTheEndIsCounted) {
  Reopen();
  const FileSizeLimit limit(64 << 10);
  AppendSome(10);
  storage_->DropMemory();
  EXPECT_EQ(drops_.samples(DropReason::kShutdown), 10U);
  EXPECT_EQ(queue_->stats().blocks, 0U);
}

TEST_F(QueueDiskTest, FullFileSystemIsDrainedAndTakesBlocksAgain) {
  const std::filesystem::path mount_point = directory_.path() / "mount";
  const MountedTmpfs tmpfs(mount_point, 0);
  if (!tmpfs.mounted()) GTEST_SKIP() << "mounting takes root";
  options_.path = (mount_point / "data").string();
  Reopen();
  while (queue_->stats().memory_bytes == 0 && appended_ < 1000) AppendSome(10);
  EXPECT_LT(appended_, 300) << "16 KiB each";
  EXPECT_GT(appended_, 50);
  EXPECT_THAT(storage_->status().error, HasSubstr("full"));
  AppendSome(10);
  const int all = appended_;
  // A restart finds it full.
  Advance(6);
  const uint64_t on_disk = queue_->stats().blocks - queue_->stats().memory_bytes / (16 << 10);
  Reopen();
  EXPECT_EQ(queue_->stats().blocks, on_disk);
  AppendSome(5);
  // The queue is emptied, though nothing can be written.
  std::vector<int> expected = Numbers(0, static_cast<int>(on_disk));
  for (const int number : Numbers(all, all + 5)) expected.push_back(number);
  EXPECT_EQ(DrainNumbers(), expected);
  for (int i = 0; i < 5; ++i) {
    Advance(6);
    storage_->Append("tenant", kStartMs + i, {});
    storage_->Maintain();
  }
  EXPECT_TRUE(storage_->status().disk_ok) << storage_->status().error;
  AppendSome(10);
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  Reopen();
  EXPECT_EQ(DrainNumbers(), Numbers(all + 5, all + 15));
}

TEST_F(QueueDiskTest, ReadOnlyFileSystemKeepsItInMemoryUntilItCanBeWritten) {
  const std::filesystem::path mount_point = directory_.path() / "mount";
  const MountedTmpfs tmpfs(mount_point, MS_RDONLY);
  if (!tmpfs.mounted()) GTEST_SKIP() << "mounting takes root";
  options_.path = (mount_point / "data").string();
  Reopen();
  EXPECT_THAT(log_.text(), HasSubstr("cannot open"));
  AppendSome(3);
  EXPECT_EQ(queue_->stats().blocks, 3U);
  ASSERT_TRUE(tmpfs.MakeWritable());
  Advance(6);
  storage_->Maintain();
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  Reopen();
  EXPECT_EQ(DrainNumbers(), Numbers(0, 3));
}

TEST_F(QueueDiskTest, DirectoryThatCannotBeMadeIsTriedAgain) {
  options_.path = (directory_.path() / "file" / "data").string();
  std::ofstream(directory_.path() / "file") << "in the way";
  Reopen();
  EXPECT_FALSE(storage_->status().disk_ok);
  EXPECT_THAT(storage_->status().error, HasSubstr("Not a directory"));
  AppendBodies({"a"});
  EXPECT_EQ(queue_->stats().memory_bytes, 1U);
  std::filesystem::remove(directory_.path() / "file");
  storage_->Maintain();
  EXPECT_FALSE(storage_->status().disk_ok) << "not at once";
  Advance(6);
  storage_->Maintain();
  EXPECT_TRUE(storage_->status().disk_ok);
  Reopen();
  EXPECT_THAT(Drain(), ElementsAre("a"));
}

TEST_F(QueueDiskTest, DirectoryThatIsMovedAwayAndBackLosesNothing) {
  Reopen();
  AppendBodies({"a", "b"});
  std::filesystem::rename(options_.path, options_.path + "2");
  std::ofstream(directory_.path() / "data") << "in the way";
  AppendBodies({"c"});
  Advance(6);
  AppendBodies({"d"});
  EXPECT_FALSE(storage_->status().disk_ok);
  EXPECT_THAT(Bodies(Take(1)), ElementsAre("a")) << "the file can still be read";
  std::filesystem::remove(directory_.path() / "data");
  std::filesystem::rename(options_.path + "2", options_.path);
  Advance(6);
  AppendBodies({"e"});
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  EXPECT_EQ(drops_.all_samples(), 0U);
  Reopen();
  EXPECT_THAT(Drain(), ElementsAre("a", "b", "c", "d", "e"));
}

}  // namespace
}  // namespace spanmeter
