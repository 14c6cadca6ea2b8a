#include "app/state_keeper.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "generator/send_spans.h"
#include "processors/span_builder.h"
#include "support/collecting_sink.h"
#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using testing::SendSpans;
using testing::TestSpan;

// A process, as far as it is about its state.
struct Process {
  Process(const std::string& directory, const Clock* clock, const Logger* logger)
      : tenants(MakeOptions(), clock, logger, &metrics),
        keeper(directory, clock, logger, &metrics) {}

  static Options MakeOptions() {
    Options options;
    options.generator.ingestion_time_range_slack = 0;
    return options;
  }

  void Send() {
    SendSpans(tenants.Find({}).generator.get(), {{{{"service.name", "s"}}, {TestSpan()}}});
  }
  double Calls() {
    CollectingSink sink;
    tenants.Visit(&sink);
    const auto calls = sink.metrics().find("traces_spanmetrics_calls_total");
    return calls == sink.metrics().end() ? 0 : calls->second.begin()->second.value;
  }
  // What is counted about the start.
  std::string Result() {
    std::string result;
    for (const auto& family : metrics.Collect()) {
      if (family.name != "spanmeter_state_restores_total") continue;
      for (const auto& metric : family.metric) {
        if (metric.counter.value == 1) result += metric.label.at(0).value;
      }
    }
    return result;
  }

  SelfMetrics metrics;
  Tenants tenants;
  StateKeeper keeper;
};

class StateKeeperTest : public ::testing::Test {
 protected:
  StateKeeperTest() : logger_(ErrorsOnly(), &clock_) {
    std::string name = ::testing::TempDir() + "state_keeper_XXXXXX";
    top_ = mkdtemp(name.data());
    directory_ = top_ / "made" / "by it";
  }
  ~StateKeeperTest() override { std::filesystem::remove_all(top_); }

  static LogOptions ErrorsOnly() {
    LogOptions options;
    options.level = LogLevel::kError;
    return options;
  }

  std::unique_ptr<Process> Start() {
    auto process = std::make_unique<Process>(directory_.string(), &clock_, &logger_);
    process->keeper.Restore(&process->tenants);
    return process;
  }
  // Starts, counts a span, and stops.
  void Run() {
    auto process = Start();
    process->keeper.Forget();
    process->Send();
    process->keeper.Save(process->tenants);
  }
  std::set<std::string> Files() const {
    std::set<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
      files.insert(entry.path().filename());
    }
    return files;
  }
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(directory_ / name, std::ios::binary) << content;
  }

  FakeClock clock_;
  const Logger logger_;
  std::filesystem::path top_;
  std::filesystem::path directory_;
};

TEST_F(StateKeeperTest, CountersGoOnFromProcessToProcess) {
  EXPECT_EQ("none", Start()->Result());
  Run();
  EXPECT_THAT(Files(), ElementsAre("state", "state.lock"));
  // Labels are nobody else's business.
  struct stat status = {};
  ASSERT_EQ(0, stat((directory_ / "state").c_str(), &status));
  EXPECT_EQ(0600u, status.st_mode & 07777);
  Run();
  Run();
  const auto process = Start();
  EXPECT_EQ("restored", process->Result());
  EXPECT_EQ(3, process->Calls());
}

TEST_F(StateKeeperTest, AStateIsValidForOneStart) {
  Run();
  auto process = Start();
  EXPECT_THAT(Files(), ElementsAre("state.lock", "state.taken"));
  process->keeper.Forget();
  EXPECT_THAT(Files(), ElementsAre("state.lock"));
  process.reset();  // without handing anything on
  process = Start();
  EXPECT_EQ("none", process->Result());
  EXPECT_EQ(0, process->Calls());
}

TEST_F(StateKeeperTest, AProcessThatDiesWhileItStartsHasUsedTheStateUp) {
  Run();
  Start().reset();
  EXPECT_THAT(Files(), ElementsAre("state.lock", "state.taken"));
  const auto process = Start();
  EXPECT_EQ("none", process->Result());
  EXPECT_EQ(0, process->Calls());
  EXPECT_THAT(Files(), ElementsAre("state.lock"));
}

TEST_F(StateKeeperTest, AStartThatFailsPutsTheStateBack) {
  Run();
  Start()->keeper.PutBack();
  EXPECT_THAT(Files(), ElementsAre("state", "state.lock"));
  EXPECT_EQ(1, Start()->Calls());
}

TEST_F(StateKeeperTest, WhatWasHalfWrittenIsRemoved) {
  Run();
  Write("state.tmp", "half");
  EXPECT_EQ(1, Start()->Calls());
  EXPECT_THAT(Files(), ElementsAre("state.lock", "state.taken"));
}

TEST_F(StateKeeperTest, ADamagedStateIsRemovedAndNothingOfItIsInForce) {
  Run();
  std::ifstream file(directory_ / "state", std::ios::binary);
  const std::string good(std::istreambuf_iterator<char>(file), {});
  ASSERT_GT(good.size(), 100u);
  // All positions of the file are tried with the stream; here only what the file adds.
  for (const std::string& bad :
       {std::string(), good.substr(0, good.size() / 2), good + '\0',
        good.substr(0, 50) + static_cast<char>(good[50] ^ 0x40) + good.substr(51)}) {
    Write("state", bad);
    auto process = Start();
    EXPECT_EQ("unusable", process->Result());
    EXPECT_EQ(0, process->Calls());
    EXPECT_THAT(Files(), ElementsAre("state.lock"));
    process->Send();
    EXPECT_EQ(1, process->Calls());
  }
}

TEST_F(StateKeeperTest, WhatIsNoFileIsNotTaken) {
  Run();
  std::filesystem::remove(directory_ / "state");
  std::filesystem::create_directory(directory_ / "state");
  EXPECT_EQ("unusable", Start()->Result());
}

TEST_F(StateKeeperTest, ADirectoryBelongsToOneProcess) {
  auto first = Start();
  first->Send();
  {
    const auto second = Start();
    EXPECT_EQ("unusable", second->Result());
    second->keeper.Save(second->tenants);
    EXPECT_THAT(Files(), ElementsAre("state.lock"));
  }
  first->keeper.Save(first->tenants);
  first.reset();
  EXPECT_EQ(1, Start()->Calls());
}

// As in an upgrade that starts the new process before the old one has ended.
TEST_F(StateKeeperTest, OfTwoProcessesTheLaterOneHandsItsStateOn) {
  auto first = Start();
  first->Send();
  auto second = Start();
  second->Send();
  second->Send();
  first->keeper.Save(first->tenants);
  first.reset();
  EXPECT_THAT(Files(), ElementsAre("state.lock", "state.void"));
  second->keeper.Save(second->tenants);
  second.reset();
  EXPECT_THAT(Files(), ElementsAre("state", "state.lock"));
  EXPECT_EQ(2, Start()->Calls());
}

TEST_F(StateKeeperTest, WhatTheEarlierOneHasLeftIsVoidWhenTheLaterOneDies) {
  Run();
  // It was written when the other process was just starting.
  Write("state.void", "");
  auto process = Start();
  EXPECT_EQ("unusable", process->Result());
  EXPECT_EQ(0, process->Calls());
  EXPECT_THAT(Files(), ElementsAre("state.lock"));
  process->keeper.Save(process->tenants);
  process.reset();
  EXPECT_EQ("restored", Start()->Result());
}

TEST_F(StateKeeperTest, AnotherStartThatFailsDoesNotMatter) {
  auto first = Start();
  first->Send();
  Start()->keeper.PutBack();
  first->keeper.Save(first->tenants);
  first.reset();
  EXPECT_EQ(1, Start()->Calls());
}

TEST_F(StateKeeperTest, WithoutADirectoryNothingIsKept) {
  directory_.clear();
  const auto process = Start();
  EXPECT_EQ("none", process->Result());
  process->keeper.Forget();
  process->keeper.Save(process->tenants);
  EXPECT_TRUE(std::filesystem::is_empty(top_));
}

TEST_F(StateKeeperTest, AFailingDiskLeavesNoState) {
  const auto process = Start();
  std::filesystem::create_directory(directory_ / "state.tmp");  // so that it cannot be written
  process->keeper.Save(process->tenants);
  EXPECT_THAT(Files(), ElementsAre("state.lock", "state.tmp"));
}

}  // namespace
}  // namespace spanmeter
