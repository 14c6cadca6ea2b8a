#include "spanmeter/token_set.h"

#include <filesystem>
#include <fstream>
#include <string>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kToken = "0123456789abcdef";
constexpr const char* kOther = "fedcba9876543210";

class TokenSetTest : public testing::Test {
 protected:
  TokenSetTest() : fd_(memfd_create("log", MFD_CLOEXEC)), logger_({}, &clock_, fd_) {}
  ~TokenSetTest() override {
    for (const std::string& file : files_) std::filesystem::remove(file);
    close(fd_);
  }
  // The path of a new file.
  std::string File(const std::string& content) {
    files_.push_back(testing::TempDir() + std::to_string(getpid()) + "-token-" +
                     std::to_string(files_.size()));
    Write(files_.back(), content);
    return files_.back();
  }
  static void Write(const std::string& file, const std::string& content) {
    std::ofstream(file + ".new", std::ios::binary) << content;
    std::filesystem::rename(file + ".new", file);
  }
  std::string Log() const {
    std::string log(static_cast<size_t>(lseek(fd_, 0, SEEK_END)), '\0');
    log.resize(static_cast<size_t>(pread(fd_, log.data(), log.size(), 0)));
    return log;
  }

  FakeClock clock_;
  const int fd_;
  const Logger logger_;
  std::vector<std::string> files_;
  std::string error_;
};

TEST_F(TokenSetTest, FindsTheFilesThatHoldAToken) {
  TokenSet set({File(kToken), File(std::string(kOther) + "\n"), File(kToken)}, &clock_, &logger_);
  ASSERT_TRUE(set.Load(&error_)) << error_;
  EXPECT_THAT(set.Find(kToken), ElementsAre(0, 2));
  EXPECT_THAT(set.Find(kOther), ElementsAre(1));
  EXPECT_THAT(set.Find("0123456789abcdeg"), IsEmpty());
  EXPECT_THAT(set.Find(std::string(kOther) + "\n"), IsEmpty());
  EXPECT_THAT(set.Find(""), IsEmpty());
}

TEST_F(TokenSetTest, ANewTokenReplacesTheOldOneWithinASecond) {
  TokenSet set({File(kToken)}, &clock_, &logger_);
  ASSERT_TRUE(set.Load(&error_)) << error_;
  Write(files_[0], kOther);
  EXPECT_THAT(set.Find(kToken), ElementsAre(0));
  clock_.Advance(kNanosPerSecond);
  EXPECT_THAT(set.Find(kToken), IsEmpty());
  EXPECT_THAT(set.Find(kOther), ElementsAre(0));
}

TEST_F(TokenSetTest, TheLastTokenCountsWhileAFileHoldsNone) {
  TokenSet set({File(kToken)}, &clock_, &logger_);
  ASSERT_TRUE(set.Load(&error_)) << error_;
  Write(files_[0], "half-a-token");
  clock_.Advance(kNanosPerSecond);
  EXPECT_THAT(set.Find(kToken), ElementsAre(0));
  EXPECT_THAT(set.Find("half-a-token"), IsEmpty());
  EXPECT_THAT(Log(), HasSubstr("its last token still counts"));
  EXPECT_THAT(Log(), HasSubstr(files_[0]));
  EXPECT_THAT(Log(), Not(HasSubstr("half-a")));
  std::filesystem::remove(files_[0]);
  clock_.Advance(kNanosPerSecond);
  EXPECT_THAT(set.Find(kToken), ElementsAre(0));
}

TEST_F(TokenSetTest, FilesWithoutATokenAreErrorsThatDoNotRepeatThem) {
  for (const char* content :
       {"", "short", "sixteen and more, with blanks", "two\nlines-of-tokens"}) {
    TokenSet set({File(kToken), File(content)}, &clock_, &logger_);
    EXPECT_FALSE(set.Load(&error_)) << content;
    EXPECT_THAT(error_, HasSubstr("cannot use the token file " + files_.back()));
    if (*content == '\0') continue;
    EXPECT_THAT(error_, Not(HasSubstr(content)));
  }
  TokenSet set({"/nonexistent/token"}, &clock_, &logger_);
  EXPECT_FALSE(set.Load(&error_));
  EXPECT_THAT(error_, HasSubstr("No such file or directory"));
}

TEST_F(TokenSetTest, TakesTheTokenOfAHeader) {
  EXPECT_EQ(BearerToken("Bearer abc-._~+/=1"), "abc-._~+/=1");
  EXPECT_EQ(BearerToken("bEARER   abc"), "abc");
  for (const char* none : {"", "Bearer", "Bearer ", "Bearer   ", "Bearerabc", "Basic abc",
                           "Bearer abc,Bearer def", "Bearer a b", "Bearer a\"", " Bearer abc"}) {
    EXPECT_EQ(BearerToken(none), std::nullopt) << none;
  }
}

}  // namespace
}  // namespace spanmeter
