#include "http/access.h"

#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

TEST(Access, KnowsLoopbackAddresses) {
  for (const char* address : {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1",
                              "0:0:0:0:0:0:0:1", "::ffff:7f01:203"}) {
    EXPECT_TRUE(IsLoopback(address)) << address;
  }
  for (const char* address : {"", "128.0.0.1", "10.0.0.1", "0.0.0.0", "1.127.0.0", "::", "::2",
                              "fe80::1", "fe80::1%lo", "::127.0.0.1", "::ffff:10.0.0.1",
                              "64:ff9b::127.0.0.1", "localhost", "127.1", "2130706433"}) {
    EXPECT_FALSE(IsLoopback(address)) << address;
  }
}

TEST(Access, KnowsHostsThatNobodyElseCanLeadHere) {
  for (const char* host :
       {"localhost", "LocalHost:9797", "localhost.", "localhost.:80", "a.localhost", "127.0.0.1",
        "127.0.0.1:9797", "10.1.2.3:80", "[::1]", "[::1]:9797", "[2001:db8::1]:1",
        "spanmeter.example.com", "SPANMETER.example.com:9797", "spanmeter.example.com."}) {
    EXPECT_TRUE(IsSafeHost(host, "spanmeter.example.com")) << host;
  }
  for (const char* host :
       {"", ":9797", ".", "evil.example", "evil.example:9797", "localhost.evil.example",
        "evillocalhost", ".localhost", "127.0.0.1.evil.example", "127.0.0.1,evil.example",
        "localhost,evil.example", "evil.example,localhost", "localhost:80:80", "[evil.example]",
        "[::1", "::1]", "127.0.0.1@evil.example", "localhost:80@evil.example",
        "x.spanmeter.example.com"}) {
    EXPECT_FALSE(IsSafeHost(host, "spanmeter.example.com")) << host;
  }
  // Where the address to listen at is no name, no name is safe by it.
  EXPECT_FALSE(IsSafeHost("", ""));
}

}  // namespace
}  // namespace spanmeter
