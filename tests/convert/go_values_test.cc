#include "convert/go_values.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <variant>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

constexpr int64_t kMaxInteger = std::numeric_limits<int64_t>::max();
constexpr int64_t kSecond = 1'000'000'000;

TEST(GoDuration, ReadsGoNotation) {
  EXPECT_EQ(ReadGoDuration("0"), 0);
  EXPECT_EQ(ReadGoDuration("0s"), 0);
  EXPECT_EQ(ReadGoDuration("15s"), 15 * kSecond);
  EXPECT_EQ(ReadGoDuration("5m30s"), 330 * kSecond);
  EXPECT_EQ(ReadGoDuration("1h0m0s"), 3600 * kSecond);
  EXPECT_EQ(ReadGoDuration("1h15m30.918s"), 4530 * kSecond + 918'000'000);
  EXPECT_EQ(ReadGoDuration("1.5h"), 5400 * kSecond);
  EXPECT_EQ(ReadGoDuration(".5s"), kSecond / 2);
  EXPECT_EQ(ReadGoDuration("5.s"), 5 * kSecond);
  EXPECT_EQ(ReadGoDuration("+1s"), kSecond);
  EXPECT_EQ(ReadGoDuration("10ns"), 10);
  EXPECT_EQ(ReadGoDuration("10us"), 10'000);
  EXPECT_EQ(ReadGoDuration("10\u00b5s"), 10'000);
  EXPECT_EQ(ReadGoDuration("10\u03bcs"), 10'000);
  EXPECT_EQ(ReadGoDuration("10ms"), 10'000'000);
  EXPECT_EQ(ReadGoDuration("30s5m"), 330 * kSecond);
  EXPECT_EQ(ReadGoDuration("2562047h47m16.854775807s"), kMaxInteger);
}

TEST(GoDuration, ForgetsWhatIsBelowANanosecond) {
  EXPECT_EQ(ReadGoDuration("1.9ns"), 1);
  EXPECT_EQ(ReadGoDuration("0.0000000019s"), 1);
  EXPECT_EQ(ReadGoDuration("1.123456789123456789s"), 1'123'456'789);
}

TEST(GoDuration, ReadsPrometheusNotation) {
  EXPECT_EQ(ReadGoDuration("1d"), 86'400 * kSecond);
  EXPECT_EQ(ReadGoDuration("1w2d"), 9 * 86'400 * kSecond);
  EXPECT_EQ(ReadGoDuration("1d12h"), 129'600 * kSecond);
}

TEST(GoDuration, ReadsPlainNumbersAsNanoseconds) {
  EXPECT_EQ(ReadGoDuration("30000000000"), 30 * kSecond);
}

TEST(GoDuration, RefusesEverythingElse) {
  for (const char* const text :
       {"", "s", "-1s", "abc", "1x", "1s2", ".s", "1 s", "1.5d", "3ss", "9223372036854775808ns",
        "2562047h47m16.854775808s", "99999999999999999999h", "${WAIT}", "+", "1h-5m", "-5"}) {
    EXPECT_EQ(ReadGoDuration(text), std::nullopt) << text;
  }
}

TEST(GoInteger, ReadsAllNotations) {
  EXPECT_EQ(ReadGoInteger("0"), 0);
  EXPECT_EQ(ReadGoInteger("42"), 42);
  EXPECT_EQ(ReadGoInteger("-42"), -42);
  EXPECT_EQ(ReadGoInteger("+42"), 42);
  EXPECT_EQ(ReadGoInteger("1_000_000"), 1'000'000);
  EXPECT_EQ(ReadGoInteger("0x80"), 128);
  EXPECT_EQ(ReadGoInteger("0o17"), 15);
  EXPECT_EQ(ReadGoInteger("017"), 15);
  EXPECT_EQ(ReadGoInteger("0b101"), 5);
  EXPECT_EQ(ReadGoInteger("9223372036854775807"), kMaxInteger);
}

TEST(GoInteger, RefusesEverythingElse) {
  for (const char* const text : {"", "-", "1.0", "1e3", "abc", "0x", "0xg", "08", "--1", "0x-1",
                                 "9223372036854775808", "1 ", "_1"}) {
    EXPECT_EQ(ReadGoInteger(text), std::nullopt) << text;
  }
}

TEST(GoNumber, ReadsIntegersFractionsAndInfinity) {
  EXPECT_EQ(ReadGoNumber("1"), 1.0);
  EXPECT_EQ(ReadGoNumber("0.25"), 0.25);
  EXPECT_EQ(ReadGoNumber("-1e3"), -1000.0);
  EXPECT_EQ(ReadGoNumber("+2.5E-1"), 0.25);
  EXPECT_EQ(ReadGoNumber(".5"), 0.5);
  EXPECT_EQ(ReadGoNumber(".inf"), std::numeric_limits<double>::infinity());
  for (const char* const text : {"", "nan", "inf", "infinity", "1e", "1.2.3", "1e999", "0x1.8p1"}) {
    EXPECT_EQ(ReadGoNumber(text), std::nullopt) << text;
  }
}

TEST(GoBool, ReadsTheWordsOfYaml) {
  for (const char* const text : {"true", "True", "yes", "on", "y", "ON"}) {
    EXPECT_EQ(ReadGoBool(text), true) << text;
  }
  for (const char* const text : {"false", "FALSE", "no", "off", "n"}) {
    EXPECT_EQ(ReadGoBool(text), false) << text;
  }
  for (const char* const text : {"", "1", "0", "tRUE", "enabled"}) {
    EXPECT_EQ(ReadGoBool(text), std::nullopt) << text;
  }
}

TEST(GoValue, HasTheTypeThatItsTextSuggests) {
  EXPECT_EQ(ResolveGoValue("true"), GoValue(true));
  EXPECT_EQ(ResolveGoValue("200"), GoValue(int64_t{200}));
  EXPECT_EQ(ResolveGoValue("0.5"), GoValue(0.5));
  EXPECT_EQ(ResolveGoValue("SPAN_KIND_SERVER"), GoValue(std::monostate()));
  EXPECT_EQ(ResolveGoValue("1.2.3"), GoValue(std::monostate()));
}

}  // namespace
}  // namespace spanmeter
