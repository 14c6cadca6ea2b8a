#include "spanmeter/password_hash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using testing::HasSubstr;

// Made by Python's crypt module for "correct horse".
constexpr const char* kHash = "$2b$10$XMO329CrO3ouBrQlbDfj0epnAwxL4n/owP7jc6i9e4BQuJw0VXhdu";

TEST(PasswordHash, TellsRightFromWrong) {
  EXPECT_EQ(DescribeBadPasswordHash(kHash), "");
  EXPECT_TRUE(PasswordMatches("correct horse", kHash));
  EXPECT_FALSE(PasswordMatches("correct horsf", kHash));
  EXPECT_FALSE(PasswordMatches("", kHash));
}

TEST(PasswordHash, TakesWhatOtherProgramsCallIt) {
  std::string hash = kHash;
  for (const char variant : {'a', 'y'}) {
    hash[2] = variant;
    EXPECT_EQ(DescribeBadPasswordHash(hash), "");
    EXPECT_TRUE(PasswordMatches("correct horse", hash)) << variant;
  }
}

TEST(PasswordHash, NobodysHashIsOneWithTheCost) {
  for (int cost = kMinPasswordCost; cost <= kMaxPasswordCost; ++cost) {
    EXPECT_EQ(DescribeBadPasswordHash(NobodysPasswordHash(cost)), "");
    EXPECT_EQ(PasswordCost(NobodysPasswordHash(cost)), cost);
  }
  // It is one that takes the time, not one that fails at once.
  EXPECT_FALSE(PasswordMatches("", NobodysPasswordHash(kMinPasswordCost)));
}

TEST(PasswordHash, SaysWhatIsWrong) {
  const std::string hash = kHash;
  EXPECT_THAT(DescribeBadPasswordHash(""), HasSubstr("is empty"));
  EXPECT_THAT(DescribeBadPasswordHash("secret"), HasSubstr("perhaps the password itself"));
  for (const char* other : {"$1$salt$digest", "$6$salt$digest", "$y$j9T$salt$digest", "{SHA}x",
                            "$apr1$salt$digest", "$2x$10$", "$2$10$"}) {
    EXPECT_THAT(DescribeBadPasswordHash(other), HasSubstr("another kind than bcrypt")) << other;
  }
  EXPECT_THAT(DescribeBadPasswordHash(hash.substr(0, 59)), HasSubstr("60 characters"));
  EXPECT_THAT(DescribeBadPasswordHash(hash + "u"), HasSubstr("60 characters"));
  EXPECT_THAT(DescribeBadPasswordHash(hash.substr(0, 59) + ":"), HasSubstr("60 characters"));
  EXPECT_THAT(DescribeBadPasswordHash("$2b$09$" + hash.substr(7)), HasSubstr("a cost of 9"));
  EXPECT_THAT(DescribeBadPasswordHash("$2b$17$" + hash.substr(7)), HasSubstr("a cost of 17"));
}

}  // namespace
}  // namespace spanmeter
