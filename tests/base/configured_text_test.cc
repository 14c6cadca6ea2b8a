#include "spanmeter/configured_text.h"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

class ConfiguredTextTest : public testing::Test {
 protected:
  ConfiguredTextTest()
      : fd_(open("/dev/null", O_WRONLY | O_CLOEXEC)),
        logger_({}, &clock_, fd_),
        path_(testing::TempDir() + std::to_string(getpid()) + "-text") {}
  ~ConfiguredTextTest() override {
    std::filesystem::remove(path_);
    close(fd_);
  }
  void Write(const std::string& content) const {
    std::ofstream(path_ + ".new", std::ios::binary) << content;
    std::filesystem::rename(path_ + ".new", path_);
  }

  FakeClock clock_;
  const int fd_;
  const Logger logger_;
  const std::string path_;
  std::string error_;
};

TEST_F(ConfiguredTextTest, ATextIsItself) {
  ConfiguredText text({" a\n", ""}, &clock_, &logger_);
  EXPECT_EQ(text.Get(&error_), " a\n");
}

TEST_F(ConfiguredTextTest, AFileIsItsLineWithoutWhiteSpaceAtItsEnd) {
  Write(" one two \t\r\n\n");
  ConfiguredText text({"", path_}, &clock_, &logger_);
  EXPECT_EQ(text.Get(&error_), " one two");
}

TEST_F(ConfiguredTextTest, AFileIsReadAgainWhenASecondHasPassed) {
  Write("one");
  ConfiguredText text({"", path_}, &clock_, &logger_);
  EXPECT_EQ(text.Get(&error_), "one");
  Write("two");
  EXPECT_EQ(text.Get(&error_), "one");
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(text.Get(&error_), "two");
}

TEST_F(ConfiguredTextTest, TheLastTextCountsWhileAFileCannotBeRead) {
  Write("one");
  ConfiguredText text({"", path_}, &clock_, &logger_);
  EXPECT_EQ(text.Get(&error_), "one");
  std::filesystem::remove(path_);
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(text.Get(&error_), "one");
  Write("two lines\nare none");
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(text.Get(&error_), "one");
  Write("two");
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(text.Get(&error_), "two");
}

TEST_F(ConfiguredTextTest, WhatWasNeverReadIsAnErrorThatSaysWhy) {
  ConfiguredText text({"", path_}, &clock_, &logger_);
  EXPECT_EQ(text.Get(&error_), std::nullopt);
  EXPECT_EQ(error_, "cannot read " + path_ + ": No such file or directory");
}

TEST_F(ConfiguredTextTest, WhatIsNoLineIsRefused) {
  std::string text = "kept";
  Write("a\nb\n");
  EXPECT_EQ(ReadOneLine(path_, &text), "it has more than one line");
  Write(std::string("a\0b", 3));
  EXPECT_EQ(ReadOneLine(path_, &text), "it has more than one line");
  Write(std::string((64 << 10) + 1, 'x'));
  EXPECT_EQ(ReadOneLine(path_, &text), "it has more than 64 KiB");
  EXPECT_EQ(text, "kept");
  Write(std::string(64 << 10, 'x'));
  EXPECT_EQ(ReadOneLine(path_, &text), "");
  EXPECT_EQ(text.size(), size_t{64} << 10);
}

TEST_F(ConfiguredTextTest, ManyThreadsSeeWholeTexts) {
  Write("aaaaaaaa");
  ConfiguredText text({"", path_}, &clock_, &logger_);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      std::string error;
      for (int j = 0; j < 2000; ++j) {
        const std::optional<std::string> seen = text.Get(&error);
        EXPECT_TRUE(seen == "aaaaaaaa" || seen == "bbbb") << *seen;
      }
    });
  }
  for (int j = 0; j < 100; ++j) {
    Write(j % 2 == 0 ? "bbbb" : "aaaaaaaa");
    clock_.Advance(kNanosPerSecond);
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace spanmeter
