// Fuzzes the files in which remote write keeps what waits. The input is a list of changes to the
// files of a queue with known blocks in it: whatever becomes of them, the storage opens, no
// block comes out that did not go in, none twice, each that was there at the opening comes out or
// is counted, and the storage takes new ones.

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "spanmeter/queue_storage.h"

#include "fuzz/fuzz_input.h"
#include "fuzz/null_file.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::Check;
using testing::FuzzInput;

constexpr size_t kPageBytes = 4096;
constexpr size_t kMaxChanges = 16;
constexpr size_t kMaxFileBytes = 64 * kPageBytes;
constexpr std::string_view kNames[] = {"one", "two"};

// A directory that goes with the input; in memory where there is such a file system.
class Directory {
 public:
  Directory() {
    std::error_code error;
    std::filesystem::path parent = "/dev/shm";
    if (!std::filesystem::is_directory(parent, error)) {
      parent = std::filesystem::temp_directory_path();
    }
    std::string name = (parent / "queue_fuzz_XXXXXX").string();
    Check(mkdtemp(name.data()) != nullptr, "cannot make a directory");
    path_ = name;
  }
  ~Directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  std::filesystem::path database() const { return path_ / "remote_write.db"; }
  std::filesystem::path log() const { return path_ / "remote_write.db-wal"; }
  std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void Write(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  Check(file.good(), "cannot write");
}

std::string Described(std::string_view queue, std::string_view tenant, std::string_view body) {
  return std::string(queue).append("/").append(tenant).append("/").append(body);
}

// Opened storage with its queues.
class Process {
 public:
  Process(const Directory& directory, FakeClock* clock)
      : clock_(clock),
        logger_({}, clock, null_.fd()),
        storage_(OptionsAt(directory), {"remote_write", "remote write", "samples"}, clock,
                 &logger_) {
    for (const std::string_view name : kNames) {
      queues_.push_back(storage_.Open(std::string(name), {},
                                      [this](DropReason /*reason*/, const DroppedBlocks& dropped) {
                                        dropped_ += dropped.counts.points();
                                      }));
    }
  }

  void Append(size_t queue, const std::string& tenant, const std::vector<std::string>& bodies) {
    std::vector<Block> blocks;
    for (const std::string& body : bodies) {
      Block& block = blocks.emplace_back();
      block.tenant = tenant;
      block.counts.samples = 1;
      block.oldest_ms = block.newest_ms = clock_->WallNanos() / kNanosPerMilli;
      block.body = body;
    }
    storage_.Append(tenant, clock_->WallNanos() / kNanosPerMilli,
                    {{queues_[queue].get(), std::move(blocks)}});
  }

  // All that can be had, as Described(), settled.
  std::vector<std::string> Drain() {
    std::vector<std::string> blocks;
    for (int i = 0; i < 3; ++i) {
      for (const auto& queue : queues_) {
        int64_t next_nanos = 0;
        while (true) {
          const BlockQueue::Lease lease = queue->Take({.max_points = 3}, &next_nanos);
          if (lease.empty()) break;
          Check(lease.ids.size() == lease.blocks.size(), "a lease has other ids");
          for (const Block& block : lease.blocks) {
            blocks.push_back(Described(queue->name(), block.tenant, block.body));
            given_ += block.counts.points();
          }
          queue->Settle(lease);
        }
      }
      clock_->Advance(6 * kNanosPerSecond);
      storage_.Maintain();
    }
    return blocks;
  }

  uint64_t Waiting() const {
    uint64_t waiting = 0;
    for (const auto& queue : queues_) waiting += queue->stats().counts.points();
    return waiting;
  }
  uint64_t Blocks() const {
    uint64_t blocks = 0;
    for (const auto& queue : queues_) blocks += queue->stats().blocks;
    return blocks;
  }
  // Samples that were given out and dropped since the opening.
  uint64_t given() const { return given_; }
  uint64_t dropped() const { return dropped_; }
  QueueStorage::Status status() const { return storage_.status(); }

 private:
  static StorageOptions OptionsAt(const Directory& directory) {
    StorageOptions options;
    options.path = directory.path();
    options.max_age = std::numeric_limits<int64_t>::max() / 4;
    return options;
  }

  FakeClock* const clock_;
  // What was damaged is told each time.
  const testing::NullFile null_;
  Logger logger_;
  uint64_t given_ = 0;
  uint64_t dropped_ = 0;
  QueueStorage storage_;
  std::vector<std::shared_ptr<BlockQueue>> queues_;
};

// The files of a storage, and what is in them.
struct Files {
  std::string database;
  std::string log;
};

std::string BodyOf(int i) {
  // Most fit into a page, some do not.
  return "body " + std::to_string(i) + " " +
         std::string(i % 5 == 0 ? 5000 : 100, static_cast<char>('a' + i % 26));
}
constexpr int kBodies = 40;

size_t QueueOf(int i) { return static_cast<size_t>(i % 2); }
// Long names, so that the table of blocks has several pages.
std::string TenantOf(int i) {
  return i % 3 == 0 ? "tenant" + std::string(140, 't') : std::string(150, 'o');
}

void Fill(Process* process) {
  for (int i = 0; i < kBodies; ++i) process->Append(QueueOf(i), TenantOf(i), {BodyOf(i)});
}

// As they are when the process has ended, or while it runs, which is what a crash leaves.
Files MakeFiles(bool ended) {
  const Directory directory;
  FakeClock clock;
  auto process = std::make_unique<Process>(directory, &clock);
  Fill(process.get());
  if (ended) process = nullptr;
  return {Read(directory.database()), Read(directory.log())};
}

void Change(FuzzInput* input, Files* files) {
  std::string& bytes = !files->log.empty() && input->Choose(2) == 1 ? files->log : files->database;
  if (bytes.empty()) return;
  const auto offset = [&] {
    const size_t page = input->Choose(256);
    return (page * kPageBytes + input->Choose(16) * 256 + input->Choose(256)) % bytes.size();
  };
  switch (input->Choose(7)) {
    case 0: {  // anything, anywhere
      const size_t at = offset();
      const std::string_view text = input->Text(64);
      const size_t size = std::min(text.size(), bytes.size() - at);
      bytes.replace(at, size, text.substr(0, size));
      break;
    }
    case 1:
      bytes[offset()] ^= static_cast<char>(1 << input->Choose(8));
      break;
    case 2:
      bytes.resize(offset());
      break;
    case 3: {  // one page in the place of another
      const size_t pages = std::max<size_t>(bytes.size() / kPageBytes, 1);
      const std::string page = bytes.substr(input->Choose(256) % pages * kPageBytes, kPageBytes);
      bytes.replace(input->Choose(256) % pages * kPageBytes, page.size(), page);
      break;
    }
    case 4: {  // zeros
      const size_t at = offset();
      const size_t size = std::min(input->Choose(16) * 256 + 1, bytes.size() - at);
      bytes.replace(at, size, size, '\0');
      break;
    }
    case 5:  // a number within a page's header
      bytes[(input->Choose(256) * kPageBytes + input->Choose(16)) % bytes.size()] =
          static_cast<char>(input->Choose(256));
      break;
    case 6:
      if (bytes.size() < kMaxFileBytes) bytes += bytes.substr(offset(), kPageBytes);
      break;
  }
}

void Run(FuzzInput* input) {
  static const auto* const kFiles =
      new Files[2]{MakeFiles(/*ended=*/true), MakeFiles(/*ended=*/false)};
  Files files = kFiles[input->Choose(2)];
  size_t changes = 0;
  for (; changes < kMaxChanges && !input->done(); ++changes) Change(input, &files);

  const Directory directory;
  Write(directory.database(), files.database);
  if (!files.log.empty()) Write(directory.log(), files.log);
  std::set<std::string> allowed;
  for (int i = 0; i < kBodies; ++i) {
    allowed.insert(Described(kNames[QueueOf(i)], TenantOf(i), BodyOf(i)));
  }
  const std::string fresh = Described(kNames[0], "tenant", "fresh");

  FakeClock clock;
  clock.Advance(60 * kNanosPerSecond);
  {
    Process process(directory, &clock);
    // A stamp that was changed may make a block too old as soon as its queue is opened.
    const uint64_t waiting = process.Waiting() + process.dropped();
    Check(process.Blocks() <= kBodies, "there are more blocks than went in");
    for (const std::string& block : process.Drain()) {
      Check(allowed.erase(block) == 1, "a block came out that did not go in, or twice: " + block);
    }
    Check(changes != 0 || allowed.empty(), "a block was lost in files that nobody has touched");
    Check(process.Blocks() == 0, "a block stays for ever");
    Check(process.given() + process.dropped() == waiting, "a block is neither sent nor counted");
    process.Append(0, "tenant", {"fresh"});
    Check(process.Blocks() == 1, "the storage takes nothing any more");
    if (process.status().disk_ok) {
      allowed = {fresh};
    } else {
      Check(process.Drain() == std::vector{fresh}, "a block in memory was lost");
    }
  }
  Process next(directory, &clock);
  for (const std::string& block : next.Drain()) {
    Check(allowed.erase(block) == 1, "a settled block came out again: " + block);
  }
  // It was written next to damage that nothing had led to yet: then that is said.
  const bool is_told = changes != 0 && (next.dropped() > 0 || next.status().files_set_aside > 0);
  Check(is_told || allowed != std::set{fresh}, "a new block was lost");
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::testing::FuzzInput input(data, size);
  spanmeter::Run(&input);
  return 0;
}
