// A process that is killed at any moment has lost nothing of what it was told is kept.

#include <csignal>
#include <cstdlib>
#include <random>
#include <string>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>
#include <sys/wait.h>

#include "spanmeter/clock.h"

#include "queue/queue_fixture.h"

namespace spanmeter {
namespace {

constexpr int kBlocksInACollection = 5;

class QueueCrashTest : public QueueFixture {};

// Appends collections of numbered blocks and reports each that is kept, until it is killed.
[[noreturn]] void AppendForever(const StorageOptions& options, int first, int report_fd,
                                int log_fd) {
  const SystemClock clock;
  const Logger logger(LogOptions(), &clock, log_fd);
  QueueStorage storage(options, kTestUse, &clock, &logger);
  const std::shared_ptr<BlockQueue> queues[] = {storage.Open("one", QueueLimits(), nullptr),
                                                storage.Open("two", QueueLimits(), nullptr)};
  for (int collection = first;; ++collection) {
    std::vector<QueueStorage::Share> shares;
    for (const std::shared_ptr<BlockQueue>& queue : queues) {
      QueueStorage::Share& share = shares.emplace_back();
      share.queue = queue.get();
      for (int i = 0; i < kBlocksInACollection; ++i) {
        Block block = MakeBlock(std::to_string(collection) + " " + std::to_string(i) +
                                std::string(static_cast<size_t>(collection % 7) * 3000, '.'));
        block.newest_ms = clock.WallNanos() / kNanosPerMilli;
        share.blocks.push_back(std::move(block));
      }
    }
    storage.Append("tenant", collection, std::move(shares));
    if (write(report_fd, &collection, sizeof collection) != sizeof collection) _exit(1);
    if (collection % 3 == 0) storage.Maintain();
  }
}

// The first of the two numbers of a body, or the second.
int Number(const std::string& body, bool second) {
  return std::stoi(second ? body.substr(body.find(' ')) : body);
}

TEST_F(QueueCrashTest, KilledProcessLosesNothingThatWasKeptAndSplitsNoCollection) {
  const SystemClock clock;
  std::mt19937 random(7);
  int next = 0;
  for (int round = 0; round < 25; ++round) {
    int report[2] = {};
    ASSERT_EQ(pipe(report), 0);
    const int first = next;
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) AppendForever(options_, first, report[1], log_.fd());
    close(report[1]);
    // At a random moment after some were kept: the child goes on while this one waits.
    int kept = first - 1;
    const int wait_for = first + static_cast<int>(random() % 20);
    while (kept < wait_for && read(report[0], &kept, sizeof kept) == sizeof kept) {
    }
    usleep(static_cast<useconds_t>(random() % 3000));
    kill(child, SIGKILL);
    while (read(report[0], &kept, sizeof kept) == sizeof kept) {
    }
    close(report[0]);
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << log_.text();
    ASSERT_GE(kept, wait_for);

    QueueStorage storage(options_, kTestUse, &clock, &logger_);
    const int stamp = static_cast<int>(storage.LastStampMs("tenant").value_or(-1));
    for (const char* name : {"one", "two"}) {
      const std::shared_ptr<BlockQueue> queue = storage.Open(name, QueueLimits(), nullptr);
      const std::vector<std::string> bodies = Drain(queue.get());
      ASSERT_EQ(bodies.size() % kBlocksInACollection, 0U);
      const int collections = static_cast<int>(bodies.size()) / kBlocksInACollection;
      ASSERT_GE(collections, kept - first + 1);
      // One that was written but not reported may be there.
      ASSERT_LE(collections, kept - first + 2);
      for (size_t i = 0; i < bodies.size(); ++i) {
        ASSERT_EQ(Number(bodies[i], false), first + static_cast<int>(i) / kBlocksInACollection);
        ASSERT_EQ(Number(bodies[i], true), static_cast<int>(i) % kBlocksInACollection);
      }
      ASSERT_EQ(stamp, first + collections - 1);
      next = first + collections;
    }
    ASSERT_EQ(storage.status().files_set_aside, 0U);
  }
}

}  // namespace
}  // namespace spanmeter
