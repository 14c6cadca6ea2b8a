#include "config/url.h"

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

constexpr std::array<std::string_view, 2> kSchemes = {"http", "https"};

Url Parse(std::string_view text) {
  std::string error;
  const std::optional<Url> url = ParseUrl(text, kSchemes, &error);
  EXPECT_TRUE(url) << text << " " << error;
  return url.value_or(Url());
}

bool IsUrl(std::string_view text) {
  std::string error;
  const bool is_url = ParseUrl(text, kSchemes, &error).has_value();
  EXPECT_EQ(error.empty(), is_url) << text;
  return is_url;
}

std::string Name(std::string_view text) { return NameFromUrl(Parse(text)); }

TEST(Url, IsTakenApart) {
  const Url whole = Parse("https://me:pass@word@a-host.example_1:65535/x/y?z/@?:");
  EXPECT_EQ(whole.scheme, "https");
  EXPECT_TRUE(whole.has_user);
  EXPECT_EQ(whole.host, "a-host.example_1");
  EXPECT_EQ(whole.port, "65535");
  EXPECT_EQ(whole.path, "/x/y");
  EXPECT_EQ(whole.query, "?z/@?:");

  const Url shortest = Parse("http://h");
  EXPECT_EQ(shortest.scheme, "http");
  EXPECT_FALSE(shortest.has_user);
  EXPECT_EQ(shortest.host, "h");
  EXPECT_EQ(shortest.port + shortest.path + shortest.query, "");

  const Url query = Parse("http://h?a@b");
  EXPECT_FALSE(query.has_user);
  EXPECT_EQ(query.host, "h");
  EXPECT_EQ(query.query, "?a@b");
}

TEST(Url, MayNameTheHostByAddress) {
  EXPECT_EQ(Parse("http://127.0.0.1:80").host, "127.0.0.1");
  EXPECT_EQ(Parse("http://[::1]").host, "::1");
  EXPECT_EQ(Parse("http://a:b@[fe80::1]:8080/x").port, "8080");
  for (const char* text : {"http://127.0.0", "http://[127.0.0.1]", "http://::1", "http://[::1",
                           "http://[::1]x", "http://[::1]8080", "http://]"}) {
    EXPECT_FALSE(IsUrl(text)) << text;
  }
}

TEST(Url, NeedsASchemeOfTheList) {
  for (const char* text : {"", "h", "//h", "://h", "ftp://h", "HTTP://h", "http:/h", "http:h",
                           " http://h", "xhttp://h"}) {
    EXPECT_FALSE(IsUrl(text)) << text;
  }
}

TEST(Url, NeedsAHost) {
  for (const char* text : {"http://", "http:///x", "http://:80", "http://a@", "http://a@:80/",
                           "http://?x", "http://a b", "http://a,b", "http://a:b:c@d:1:2"}) {
    EXPECT_FALSE(IsUrl(text)) << text;
  }
}

TEST(Url, NeedsAPortBehindAColon) {
  EXPECT_TRUE(IsUrl("http://h:1"));
  for (const char* text : {"http://h:", "http://h:0", "http://h:65536", "http://h:x", "http://h:+1",
                           "http://h:1x/", "http://h:99999999999999999999"}) {
    EXPECT_FALSE(IsUrl(text)) << text;
  }
}

TEST(Url, HasNoFragmentAndNoIllegalCharacter) {
  EXPECT_TRUE(IsUrl("http://h/%20%aF?<>'\"|^`{}"));
  for (const char* text :
       {"http://h#", "http://h/#x", "http://a#b@h", "http://h/ x", "http://h/\t", "http://h/\x7F",
        "http://h/\\", "http://h/\xC3\xA9", "http://h/%", "http://h/%2", "http://h/%2g"}) {
    EXPECT_FALSE(IsUrl(text)) << text;
  }
  EXPECT_FALSE(IsUrl(std::string_view("http://h/\0", 10)));
}

TEST(HidePassword, LeavesEverythingElse) {
  EXPECT_EQ(HidePassword("http://me:x@h:1/p?q"), "http://me:<secret>@h:1/p?q");
  EXPECT_EQ(HidePassword("http://me:x:y@z@h"), "http://me:<secret>@h");
  EXPECT_EQ(HidePassword("http://:x@[::1]:1"), "http://:<secret>@[::1]:1");
  EXPECT_EQ(HidePassword("http://me:<secret>@h"), "http://me:<secret>@h");
  for (const char* text : {"", "http://h", "http://h:1/a:b@c", "http://h?a:b@c", "http://me@h:1",
                           "http://me:@h", "http://@h:1"}) {
    EXPECT_EQ(HidePassword(text), text);
  }
}

TEST(NameFromUrl, IsHostPortAndPath) {
  EXPECT_EQ(Name("http://h"), "h");
  EXPECT_EQ(Name("http://h/"), "h");
  EXPECT_EQ(Name("https://me:hunter2@h:9090/api/v1/write?token=hunter2"), "h:9090/api/v1/write");
  EXPECT_EQ(Name("https://[::1]:1/x-y_z.w"), "::1:1/x-y_z.w");
}

TEST(NameFromUrl, MakesUpForWhatDoesNotFitByAHash) {
  // Written down, because what waits in a storage is found by it.
  EXPECT_EQ(Name("http://h/~a"), "h/_a-2875463c");
  EXPECT_EQ(Name("http://h/%7ea"), "h/_7ea-0e8176c6");
  const std::string path(98, 'x');
  EXPECT_EQ(Name("http://h/" + path), "h/" + path);
  EXPECT_EQ(Name("http://h/" + path + "x"), "h/" + path.substr(9) + "-a45ae4d8");
  EXPECT_EQ(Name("http://h/" + path + "y").size(), 100u);
  EXPECT_NE(Name("http://h/" + path + "x"), Name("http://h/" + path + "y"));
}

}  // namespace
}  // namespace spanmeter
