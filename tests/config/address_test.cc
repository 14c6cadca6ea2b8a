#include "config/address.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::HasSubstr;

std::string Error(std::string_view text) {
  std::string error;
  EXPECT_EQ(ParseListenAddress(text, &error), std::nullopt) << text;
  return error;
}

TEST(ListenAddress, ReadsNamesAndAddresses) {
  std::string error;
  for (const auto& [text, host, port] :
       {std::tuple("0.0.0.0:4317", "0.0.0.0", 4317), std::tuple("localhost:0", "localhost", 0),
        std::tuple("[::]:65535", "::", 65535), std::tuple("[fe80::1]:80", "fe80::1", 80),
        std::tuple("my-host.example:1", "my-host.example", 1)}) {
    const auto address = ParseListenAddress(text, &error);
    ASSERT_TRUE(address) << text << ": " << error;
    EXPECT_EQ(address->host, host);
    EXPECT_EQ(address->port, port);
  }
}

TEST(ListenAddress, KnowsWhichStandForAllAddresses) {
  std::string error;
  EXPECT_TRUE(ParseListenAddress("0.0.0.0:1", &error)->IsWildcard());
  EXPECT_TRUE(ParseListenAddress("[::]:1", &error)->IsWildcard());
  EXPECT_FALSE(ParseListenAddress("127.0.0.1:1", &error)->IsWildcard());
}

TEST(ListenAddress, SaysWhatIsWrong) {
  EXPECT_THAT(Error("localhost"), HasSubstr("no port: write host:port"));
  EXPECT_THAT(Error(""), HasSubstr("no port"));
  for (const char* text : {"a:", "a:65536", "a:-1", "a:+1", "a:http", "a: 1", "a:1 ", "a:0x1"}) {
    EXPECT_THAT(Error(text), HasSubstr("no port between 0 and 65535")) << text;
  }
  EXPECT_THAT(Error(":9797"), HasSubstr("write \"0.0.0.0:9797\""));
  EXPECT_THAT(Error("::1:80"), HasSubstr("write \"[::]:4317\""));
  EXPECT_THAT(Error("[::g]:80"), HasSubstr("no IPv6 address between the brackets"));
  EXPECT_THAT(Error("[127.0.0.1]:80"), HasSubstr("no IPv6 address between the brackets"));
  // A zero byte ends no address.
  EXPECT_THAT(Error(std::string_view("[::1\0]:80", 9)), HasSubstr("no IPv6 address"));
  EXPECT_THAT(Error(std::string_view("1.2.3.4\0.5:80", 13)), HasSubstr("no valid host"));
  for (const char* text : {"256.0.0.1:80", "1.2.3:80", "a b:80", "http//a:80", "a/b:80"}) {
    EXPECT_THAT(Error(text), HasSubstr("no valid host")) << text;
  }
}

}  // namespace
}  // namespace spanmeter
