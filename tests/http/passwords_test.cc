// With a hash function that counts and waits instead of working.

#include "http/passwords.h"

#include <atomic>
#include <chrono>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "spanmeter/password_hash.h"

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

using Outcome = Passwords::Outcome;
using testing::HasSubstr;
using testing::Not;

// Longer than anything takes that works.
constexpr std::chrono::seconds kWait(20);

std::string Hash(int cost, char filling) {
  return "$2b$" + std::to_string(cost) + "$" + std::string(53, filling);
}

class PasswordsTest : public testing::Test {
 protected:
  PasswordsTest() : fd_(open("/dev/null", O_WRONLY | O_CLOEXEC)), logger_({}, &clock_, fd_) {}
  ~PasswordsTest() override { close(fd_); }

  std::unique_ptr<Passwords> Make(const std::vector<HttpUserOptions>& users) {
    auto passwords = std::make_unique<Passwords>(
        users,
        [this](const std::string& password, const std::string& hash) {
          ++runs_;
          work_ += 1 << PasswordCost(hash);
          hold_();
          // A password is right when it is the hash's last character, repeated or not.
          return !password.empty() && password[0] == hash.back();
        },
        &clock_, &logger_);
    std::string error;
    EXPECT_TRUE(passwords->Load(&error)) << error;
    return passwords;
  }
  Outcome Check(Passwords* passwords, const std::string& name, const std::string& password) {
    return passwords->Check(name, password).outcome;
  }

  FakeClock clock_;
  const int fd_;
  const Logger logger_;
  std::atomic<int> runs_{0};
  std::atomic<int64_t> work_{0};
  std::function<void()> hold_ = [] {};
  const std::vector<HttpUserOptions> users_ = {{"a", {Hash(10, 'a'), ""}, HttpRole::kScrape},
                                               {"b", {Hash(10, 'b'), ""}, HttpRole::kAdmin}};
};

TEST_F(PasswordsTest, TellsRightFromWrongAndWhoIsWhat) {
  const auto passwords = Make(users_);
  EXPECT_EQ(Check(passwords.get(), "a", "a"), Outcome::kRight);
  EXPECT_EQ(passwords->Check("a", "a").role, HttpRole::kScrape);
  EXPECT_EQ(Check(passwords.get(), "b", "b"), Outcome::kRight);
  EXPECT_EQ(passwords->Check("b", "b").role, HttpRole::kAdmin);
  EXPECT_EQ(Check(passwords.get(), "b", "a"), Outcome::kWrong);
  EXPECT_EQ(Check(passwords.get(), "c", "a"), Outcome::kWrong);
  EXPECT_EQ(Check(passwords.get(), "", ""), Outcome::kWrong);
}

TEST_F(PasswordsTest, AUserWithNobodysHashIsNobody) {
  const auto passwords = Make(users_);
  // What this hash function takes for the password of an unknown user's hash.
  EXPECT_EQ(Check(passwords.get(), "c", "."), Outcome::kWrong);
  EXPECT_EQ(Check(passwords.get(), "c", "."), Outcome::kWrong);
}

TEST_F(PasswordsTest, RightPasswordsAreWorkedOnOnce) {
  const auto passwords = Make(users_);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Check(passwords.get(), "a", "a"), Outcome::kRight);
  EXPECT_EQ(runs_, 1);
  // Not so what differs in anything.
  EXPECT_EQ(Check(passwords.get(), "a", "ab"), Outcome::kRight);
  EXPECT_EQ(Check(passwords.get(), "b", "a"), Outcome::kWrong);
  EXPECT_EQ(runs_, 3);
}

TEST_F(PasswordsTest, RememberedPasswordsAreBounded) {
  const auto passwords = Make(users_);
  EXPECT_EQ(Check(passwords.get(), "a", "a"), Outcome::kRight);
  for (int i = 0; i < 64; ++i) Check(passwords.get(), "a", "a" + std::to_string(i));
  const int before = runs_;
  EXPECT_EQ(Check(passwords.get(), "a", "a63"), Outcome::kRight);
  EXPECT_EQ(runs_, before);
  EXPECT_EQ(Check(passwords.get(), "a", "a"), Outcome::kRight);
  EXPECT_EQ(runs_, before + 1);
}

TEST_F(PasswordsTest, UnknownUsersAndWrongPasswordsTakeTheSameWork) {
  const auto passwords = Make({{"a", {Hash(10, 'a'), ""}, HttpRole::kScrape},
                               {"b", {Hash(13, 'b'), ""}, HttpRole::kAdmin}});
  for (const char* name : {"a", "b", "c", ""}) {
    for (const char* password : {"", "x", "y"}) {
      work_ = 0;
      EXPECT_EQ(Check(passwords.get(), name, password), Outcome::kWrong);
      EXPECT_EQ(work_, 1 << 13) << name;
    }
  }
}

TEST_F(PasswordsTest, NullCharactersAreNoEndOfAPassword) {
  const auto passwords = Make(users_);
  EXPECT_EQ(Check(passwords.get(), "a", std::string("a\0x", 3)), Outcome::kWrong);
  EXPECT_EQ(Check(passwords.get(), "a", std::string("a\0", 2)), Outcome::kWrong);
  EXPECT_EQ(Check(passwords.get(), std::string("a\0", 2), "a"), Outcome::kWrong);
}

TEST_F(PasswordsTest, OnlyAFewWaitAndTheOthersAreTurnedAwayAtOnce) {
  std::latch working(1);
  std::latch go_on(1);
  std::atomic<int> at_work{0};
  std::atomic<int> most_at_work{0};
  hold_ = [&] {
    const int now = ++at_work;
    most_at_work = std::max<int>(most_at_work, now);
    if (runs_ == 1) working.count_down();
    go_on.wait();
    --at_work;
  };
  const auto passwords = Make(users_);
  std::vector<std::future<Outcome>> trying;
  trying.push_back(
      std::async(std::launch::async, [&] { return Check(passwords.get(), "a", "x"); }));
  working.wait();
  // Of these three may wait; the others are limited, so that this ends.
  std::atomic<int> limited{0};
  std::vector<std::future<void>> others;
  for (int i = 0; i < 10; ++i) {
    others.push_back(std::async(std::launch::async, [&, i] {
      if (Check(passwords.get(), "a", "wrong" + std::to_string(i)) == Outcome::kLimited) ++limited;
    }));
  }
  const auto deadline = std::chrono::steady_clock::now() + kWait;
  while (limited < 7 && std::chrono::steady_clock::now() < deadline) std::this_thread::yield();
  go_on.count_down();
  for (auto& other : others) other.get();
  EXPECT_EQ(trying[0].get(), Outcome::kWrong);
  EXPECT_EQ(limited, 7);
  EXPECT_EQ(most_at_work, 1);
  EXPECT_EQ(Check(passwords.get(), "a", "a"), Outcome::kRight);
}

TEST_F(PasswordsTest, RememberedPasswordsDoNotWaitForOthers) {
  const auto passwords = Make(users_);
  EXPECT_EQ(Check(passwords.get(), "a", "a"), Outcome::kRight);
  std::latch working(1);
  std::latch go_on(1);
  hold_ = [&] {
    if (runs_ == 2) working.count_down();
    go_on.wait();
  };
  auto wrong = std::async(std::launch::async, [&] { return Check(passwords.get(), "b", "x"); });
  working.wait();
  auto right = std::async(std::launch::async, [&] { return Check(passwords.get(), "a", "a"); });
  EXPECT_EQ(right.wait_for(kWait), std::future_status::ready);
  go_on.count_down();
  EXPECT_EQ(right.get(), Outcome::kRight);
  EXPECT_EQ(wrong.get(), Outcome::kWrong);
}

TEST_F(PasswordsTest, AChangedHashEndsWhatWasRemembered) {
  const std::string file = testing::TempDir() + std::to_string(getpid()) + "-hash";
  const auto write = [&file](const std::string& content) {
    std::ofstream(file + ".new") << content;
    std::filesystem::rename(file + ".new", file);
  };
  write(Hash(10, 'a') + "\n");
  const auto passwords = Make({{"a", {"", file}, HttpRole::kScrape}});
  EXPECT_EQ(Check(passwords.get(), "a", "a"), Outcome::kRight);
  write(Hash(11, 'b'));
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(Check(passwords.get(), "a", "a"), Outcome::kWrong);
  EXPECT_EQ(Check(passwords.get(), "a", "b"), Outcome::kRight);
  // What is no hash changes nothing.
  write("b");
  clock_.Advance(kNanosPerSecond);
  EXPECT_EQ(Check(passwords.get(), "a", "b"), Outcome::kRight);
  EXPECT_EQ(Check(passwords.get(), "a", "c"), Outcome::kWrong);
  std::filesystem::remove(file);
}

TEST_F(PasswordsTest, FilesWithoutAHashAreErrorsThatDoNotRepeatThem) {
  const std::string file = testing::TempDir() + std::to_string(getpid()) + "-nohash";
  std::ofstream(file) << "hunter2";
  Passwords passwords({{"a", {"", file}, HttpRole::kScrape}}, PasswordMatches, &clock_, &logger_);
  std::string error;
  EXPECT_FALSE(passwords.Load(&error));
  EXPECT_THAT(error, HasSubstr("the user a: what " + file + " holds is no hash"));
  EXPECT_THAT(error, Not(HasSubstr("hunter2")));
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace spanmeter
