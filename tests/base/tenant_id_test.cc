#include "spanmeter/tenant_id.h"

#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

TEST(TenantId, TakesUpTo150LettersDigitsAndAFewSigns) {
  for (const std::string& id : {std::string("a"), std::string("Z9!._*'()-"), std::string(150, 'x'),
                                std::string("..."), std::string(kSingleTenant)}) {
    EXPECT_EQ(DescribeInvalidTenantId(id), "") << id;
  }
}

TEST(TenantId, SaysWhyANameIsNone) {
  EXPECT_EQ(DescribeInvalidTenantId(""), "it is empty");
  EXPECT_EQ(DescribeInvalidTenantId("."), "a dot or two are no name");
  EXPECT_EQ(DescribeInvalidTenantId(".."), "a dot or two are no name");
  EXPECT_EQ(DescribeInvalidTenantId(std::string(151, 'x')),
            "it has 151 bytes, at most 150 are allowed");
  for (const char* id : {"a/b", "a\\b", "a b", "a\n", "a|b", "\xc3\xa9", "a:b", "a,b"}) {
    EXPECT_EQ(DescribeInvalidTenantId(id), "it must consist of letters, digits and !._*'()-") << id;
  }
}

}  // namespace
}  // namespace spanmeter
