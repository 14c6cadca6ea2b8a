#include "spanmeter/digest.h"

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

TEST(Digest, Sha256IsThatOfTheStandard) {
  // FIPS 180-4's example "abc".
  const Digest expected = {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                           0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                           0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
  EXPECT_EQ(Sha256("abc"), expected);
}

TEST(Digest, IsTheSameForTheSameTextAndDigesterOnly) {
  const SecretDigester digester;
  const SecretDigester other;
  EXPECT_TRUE(DigestsEqual(digester.Of("a"), digester.Of("a")));
  EXPECT_FALSE(DigestsEqual(digester.Of("a"), digester.Of("b")));
  EXPECT_FALSE(DigestsEqual(digester.Of(""), digester.Of("a")));
  EXPECT_FALSE(DigestsEqual(digester.Of("a"), other.Of("a")));
}

TEST(Digest, WipingLeavesNothing) {
  std::string secret = "a long secret that is not stored in place";
  const char* const bytes = secret.data();
  Wipe(&secret);
  EXPECT_TRUE(secret.empty());
  EXPECT_EQ(bytes[7], '\0');
}

}  // namespace
}  // namespace spanmeter
