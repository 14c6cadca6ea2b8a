// Damaged files: never a refusal to start, never a wrong block, everything counted.

#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "queue/queue_fixture.h"
#include "queue/sqlite.h"

namespace spanmeter {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr size_t kPageBytes = 4096;

class QueueDamageTest : public QueueFixture {
 protected:
  std::filesystem::path CorruptPath() const { return DatabasePath().string() + ".corrupt"; }

  // A file with 40 blocks of 20 KB, closed.
  void MakeFile() {
    Reopen();
    std::vector<Block> blocks;
    for (int i = 0; i < 40; ++i) blocks.push_back(MakeBlock(Body(i)));
    Append(std::move(blocks));
    Close();
  }
  static std::string Body(int i) {
    return std::to_string(i) + std::string(20'000, static_cast<char>('a' + i % 26));
  }
  void Close() {
    queue_ = nullptr;
    storage_ = nullptr;
  }
  std::string Read() const {
    std::ifstream file(DatabasePath(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  // In place, as a disk would.
  void Overwrite(size_t offset, const std::string& bytes) const {
    std::fstream file(DatabasePath(), std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    ASSERT_TRUE(file.good());
  }
  void Replace(const std::string& bytes) const {
    std::filesystem::create_directories(options_.path);
    std::ofstream(DatabasePath(), std::ios::binary | std::ios::trunc) << bytes;
  }
  void Execute(const char* sql) const {
    SqliteDatabase database;
    ASSERT_EQ(database.Open(DatabasePath()), SQLITE_OK);
    ASSERT_EQ(database.Execute(sql), SQLITE_OK) << database.error();
  }
  // The number of the table's first page.
  size_t RootPage(const std::string& table) const {
    const std::string sql = "SELECT rootpage FROM sqlite_schema WHERE name = '" + table + "'";
    int64_t root = 0;
    SqliteDatabase database;
    EXPECT_EQ(database.Open(DatabasePath()), SQLITE_OK);
    EXPECT_EQ(database.QueryInt(sql.c_str(), &root), SQLITE_OK);
    return static_cast<size_t>(root);
  }
  // Overwrites the first page of the table of bodies.
  void DestroyBodies() const {
    Overwrite((RootPage("bodies") - 1) * kPageBytes, std::string(kPageBytes, '\xFF'));
  }
  // Opens, and sees that the file was set aside and the new one works.
  // Whether each of these statements, about a file of its own, has the file set aside.
  void ExpectEachSetsAside(std::span<const char* const> changes) {
    for (const char* change : changes) {
      MakeFile();
      Execute(change);
      Reopen();
      EXPECT_EQ(storage_->status().files_set_aside, 1U) << change;
      ExpectWorks();
    }
  }

  void ExpectSetAside(const std::string& error) {
    Reopen();
    EXPECT_TRUE(std::filesystem::exists(CorruptPath()));
    EXPECT_EQ(storage_->status().files_set_aside, 1U);
    EXPECT_TRUE(storage_->status().disk_ok);
    EXPECT_EQ(log_.Count("was set aside"), 1);
    EXPECT_THAT(log_.text(), HasSubstr(error));
    ExpectWorks();
  }
  void ExpectWorks() {
    AppendBodies({"new"});
    EXPECT_EQ(queue_->stats().memory_bytes, 0U);
    Reopen();
    EXPECT_THAT(Drain(), ElementsAre("new"));
  }
};

TEST_F(QueueDamageTest, FileThatIsNoDatabaseIsSetAside) {
  Replace(
      "This is a text, and it is quite a bit longer than a hundred bytes so that nobody takes it"
      " for the beginning of something that was cut off.");
  ExpectSetAside("not a database");
}

TEST_F(QueueDamageTest, ShortTextIsSetAside) {
  Replace("hello");
  ExpectSetAside("not a database");
}

TEST_F(QueueDamageTest, GarbageIsSetAside) {
  std::string garbage;
  for (uint32_t i = 0, x = 1; i < 100'000; ++i) {
    x = x * 1'664'525 + 1'013'904'223;
    garbage.push_back(static_cast<char>(x >> 24));
  }
  Replace(garbage);
  ExpectSetAside("not a database");
}

TEST_F(QueueDamageTest, EmptyFileIsANewOne) {
  Replace("");
  Reopen();
  EXPECT_EQ(storage_->status().files_set_aside, 0U);
  ExpectWorks();
}

TEST_F(QueueDamageTest, DirectoryInItsPlaceIsSetAside) {
  std::filesystem::create_directories(DatabasePath() / "sub");
  ExpectSetAside("not a file");
}

TEST_F(QueueDamageTest, FormerDamagedFileIsReplacedEvenIfItIsADirectory) {
  Replace("hello");
  std::filesystem::create_directories(CorruptPath() / "sub");
  ExpectSetAside("not a database");
  EXPECT_TRUE(std::filesystem::is_regular_file(CorruptPath()));
}

TEST_F(QueueDamageTest, DatabaseOfSomebodyElseIsSetAside) {
  std::filesystem::create_directories(options_.path);
  Execute("CREATE TABLE t(x)");
  ExpectSetAside("not one of spanmeter");
}

TEST_F(QueueDamageTest, FileOfANewerVersionIsSetAside) {
  MakeFile();
  Execute("PRAGMA user_version = 3");
  ExpectSetAside("the file has version 3, this program knows version 2");
}

TEST_F(QueueDamageTest, FileWithoutOneOfItsTablesIsSetAside) {
  const char* const changes[] = {"DROP TABLE blocks", "DROP TABLE bodies", "DROP TABLE stamps"};
  ExpectEachSetsAside(changes);
}

TEST_F(QueueDamageTest, FileWithARowThatMakesNoSenseIsSetAside) {
  const char* const changes[] = {
      "UPDATE blocks SET protocol = 3",
      "UPDATE blocks SET samples = -1",
      "UPDATE blocks SET body_bytes = 5000000000",
      "UPDATE blocks SET first_hash = 1, last_hash = 0",
      "UPDATE blocks SET id = -id",
      "UPDATE blocks SET id = 9223372036854775807 WHERE id = (SELECT max(id) FROM blocks)",
  };
  ExpectEachSetsAside(changes);
}

TEST_F(QueueDamageTest, FileWithAChangedRowIsSetAside) {
  const char* const changes[] = {
      "UPDATE blocks SET tenant = 'tenanu' WHERE id = (SELECT max(id) FROM blocks)",
      "UPDATE blocks SET queue = 'receiver2', tenant = 'tenan'",
      "UPDATE blocks SET id = id + 1 WHERE id = (SELECT max(id) FROM blocks)",
      "UPDATE blocks SET protocol = 1",
      "UPDATE blocks SET first_hash = 1",
      "UPDATE blocks SET last_hash = last_hash - 1",
      "UPDATE blocks SET samples = 2",
      "UPDATE blocks SET histograms = 1",
      "UPDATE blocks SET exemplars = 1",
      "UPDATE blocks SET oldest_ms = oldest_ms - 1",
      "UPDATE blocks SET newest_ms = newest_ms + 1",
      "UPDATE blocks SET body_bytes = body_bytes + 1",
  };
  ExpectEachSetsAside(changes);
}

TEST_F(QueueDamageTest, FileInWhichRowsComeTwiceIsSetAside) {
  Reopen();
  std::vector<std::string> bodies(400);
  for (size_t i = 0; i < bodies.size(); ++i) bodies[i] = std::to_string(i);
  AppendBodies(bodies);
  Close();
  // The last pointer of the table's first page leads where its first one leads.
  const size_t root = RootPage("blocks");
  const std::string page = Read().substr((root - 1) * kPageBytes, kPageBytes);
  ASSERT_EQ(page[0], 5) << "a table of several pages begins with pointers";
  constexpr size_t kLastPointer = 8;
  constexpr size_t kFirstCell = 12;
  const size_t cell = static_cast<uint8_t>(page[kFirstCell]) * size_t{256} +
                      static_cast<uint8_t>(page[kFirstCell + 1]);
  Overwrite((root - 1) * kPageBytes + kLastPointer, page.substr(cell, 4));
  ExpectSetAside("makes no sense");
}

TEST_F(QueueDamageTest, TruncatedFileLosesNothingButWhatWasCutOff) {
  MakeFile();
  const size_t size = Read().size();
  for (const size_t left : {size - 1, size / 2, 3 * kPageBytes, kPageBytes, size_t{99}}) {
    std::filesystem::remove_all(options_.path);
    MakeFile();
    std::filesystem::resize_file(DatabasePath(), left);
    const uint64_t dropped_before = drops_.all_samples();
    Reopen();
    const uint64_t opened = queue_->stats().blocks;
    std::vector<std::string> bodies;
    for (int i = 0; i < 10; ++i) {
      const std::vector<std::string> some = Drain();
      bodies.insert(bodies.end(), some.begin(), some.end());
      Advance(6);
      storage_->Maintain();
    }
    // Each block that was there at the opening came out right, or was counted.
    EXPECT_EQ(bodies.size() + drops_.all_samples() - dropped_before, opened) << left;
    for (const std::string& body : bodies) EXPECT_EQ(body, Body(std::stoi(body)));
    ExpectWorks();
  }
}

TEST_F(QueueDamageTest, ZeroedPagesNeverMakeAWrongBlock) {
  MakeFile();
  const std::string file = Read();
  const size_t pages = file.size() / kPageBytes;
  ASSERT_GT(pages, 200U);
  for (size_t page = 0; page < pages; ++page) {
    SCOPED_TRACE("page " + std::to_string(page));
    Close();
    Replace(file);
    Overwrite(page * kPageBytes, std::string(kPageBytes, '\0'));
    const uint64_t dropped_before = drops_.all_samples();
    Reopen();
    const uint64_t opened = queue_->stats().blocks;
    std::vector<std::string> bodies;
    for (int i = 0; i < 3; ++i) {
      const std::vector<std::string> some = Drain();
      bodies.insert(bodies.end(), some.begin(), some.end());
      Advance(6);
      storage_->Maintain();
    }
    ASSERT_EQ(bodies.size() + drops_.all_samples() - dropped_before, opened);
    for (const std::string& body : bodies) ASSERT_EQ(body, Body(std::stoi(body)));
    AppendBodies({"new"});
    ASSERT_EQ(queue_->stats().memory_bytes, 0U);
    ASSERT_THAT(Drain(), Contains("new"));
  }
}

TEST_F(QueueDamageTest, ChangedBodyIsDroppedAndCountedAndTheOthersArrive) {
  MakeFile();
  const std::string file = Read();
  const size_t at = file.find(std::string(1000, 'd'));
  ASSERT_NE(at, std::string::npos);
  Overwrite(at, "X");
  Reopen();
  const std::vector<std::string> bodies = Drain();
  // 'd' is in the blocks 3 and 29.
  EXPECT_EQ(bodies.size(), 39U);
  EXPECT_EQ(drops_.samples(DropReason::kCorrupt), 1U);
  EXPECT_THAT(log_.text(), HasSubstr("reason=corrupt samples=1"));
  EXPECT_EQ(storage_->status().files_set_aside, 0U);
}

TEST_F(QueueDamageTest, BodyThatIsMissingIsDroppedAndCounted) {
  MakeFile();
  Execute("DELETE FROM bodies WHERE id = (SELECT min(id) FROM bodies)");
  Reopen();
  EXPECT_EQ(Drain().size(), 39U);
  EXPECT_EQ(drops_.samples(DropReason::kCorrupt), 1U);
}

TEST_F(QueueDamageTest, DamageFoundByReadingSetsTheFileAsideAndCountsWhatIsLost) {
  MakeFile();
  DestroyBodies();
  Reopen();
  EXPECT_EQ(queue_->stats().blocks, 40U);
  EXPECT_THAT(Drain(), IsEmpty());
  storage_->Maintain();
  EXPECT_EQ(storage_->status().files_set_aside, 1U);
  EXPECT_EQ(drops_.samples(DropReason::kCorrupt), 40U);
  EXPECT_EQ(queue_->stats().blocks, 0U);
  EXPECT_TRUE(storage_->status().disk_ok);
  ExpectWorks();
}

TEST_F(QueueDamageTest, DamageFoundByAnAppendLosesNothingOfWhatIsAppended) {
  MakeFile();
  DestroyBodies();
  Reopen();
  AppendBodies({"a"});
  EXPECT_EQ(queue_->stats().memory_bytes, 1U);
  EXPECT_FALSE(storage_->status().disk_ok);
  Advance(6);
  AppendBodies({"b"});
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  EXPECT_EQ(storage_->status().files_set_aside, 1U);
  EXPECT_EQ(drops_.samples(DropReason::kCorrupt), 40U);
  Reopen();
  EXPECT_THAT(Drain(), ElementsAre("a", "b"));
  EXPECT_EQ(storage_->LastStampMs("tenant"), kStartMs + 6000);
}

TEST_F(QueueDamageTest, RemovedFileIsMadeAnewAndWhatWasInItCounted) {
  Reopen();
  AppendBodies({"a", "b", "c"});
  const BlockQueue::Lease a = Take(1);
  std::filesystem::remove_all(options_.path);
  AppendBodies({"d"});
  EXPECT_EQ(queue_->stats().memory_bytes, 1U) << "kept until the file is made";
  EXPECT_THAT(log_.text(), HasSubstr("was removed or replaced"));
  EXPECT_EQ(storage_->LastStampMs("tenant"), kStartMs);
  Advance(6);
  AppendBodies({"e"});
  EXPECT_EQ(queue_->stats().memory_bytes, 0U);
  EXPECT_EQ(drops_.samples(DropReason::kCorrupt), 2U) << "b and c; a is given out";
  queue_->Settle(a);
  EXPECT_THAT(log_.text(), HasSubstr("kept on disk again"));
  Reopen();
  EXPECT_EQ(storage_->LastStampMs("tenant"), kStartMs + 6000);
  EXPECT_THAT(Drain(), ElementsAre("d", "e"));
}

}  // namespace
}  // namespace spanmeter
