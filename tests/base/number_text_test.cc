#include "spanmeter/number_text.h"

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

std::string Number(double value) {
  char buffer[kMaxNumberChars];
  return {buffer, WriteNumber(value, buffer)};
}

std::string Seconds(int64_t milliseconds) {
  char buffer[kMaxNumberChars];
  return {buffer, WriteSeconds(milliseconds, buffer)};
}

TEST(WriteNumber, IntegersHaveNoFraction) {
  EXPECT_EQ(Number(0), "0");
  EXPECT_EQ(Number(7), "7");
  EXPECT_EQ(Number(-3), "-3");
  EXPECT_EQ(Number(1e6), "1000000");
  EXPECT_EQ(Number(999999999999999), "999999999999999");
}

TEST(WriteNumber, FractionsAreAsShortAsTheyCanBe) {
  EXPECT_EQ(Number(0.1), "0.1");
  EXPECT_EQ(Number(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(Number(1e-9), "1e-09");
  EXPECT_EQ(Number(1e22), "1e+22");
}

TEST(WriteNumber, SpecialValues) {
  const double infinity = std::numeric_limits<double>::infinity();
  EXPECT_EQ(Number(infinity), "+Inf");
  EXPECT_EQ(Number(-infinity), "-Inf");
  EXPECT_EQ(Number(std::numeric_limits<double>::quiet_NaN()), "NaN");
  EXPECT_EQ(Number(-0.0), "-0");
}

TEST(WriteNumber, ReadsBackAsTheSameDouble) {
  std::mt19937_64 random(42);
  for (int i = 0; i < 100'000; ++i) {
    const uint64_t bits = random();
    double value;
    static_assert(sizeof value == sizeof bits);
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(std::strtod(Number(value).c_str(), nullptr), value) << bits;
  }
  for (const double value : {9007199254740993.0, 1e15, 1e15 - 0.5, 72057594037927936.0,
                             std::numeric_limits<double>::max(),
                             std::numeric_limits<double>::denorm_min(), 4294967296.5}) {
    EXPECT_EQ(std::strtod(Number(value).c_str(), nullptr), value);
    EXPECT_EQ(std::strtod(Number(-value).c_str(), nullptr), -value);
  }
}

TEST(WriteSeconds, KeepsMilliseconds) {
  EXPECT_EQ(Seconds(1'700'000'000'123), "1700000000.123");
  EXPECT_EQ(Seconds(1'700'000'000'000), "1700000000.000");
  EXPECT_EQ(Seconds(7), "0.007");
  EXPECT_EQ(Seconds(-1'050), "-1.050");
  EXPECT_EQ(Seconds(std::numeric_limits<int64_t>::min()), "-9223372036854775.808");
}

// The notations are those of Go's strconv.FormatFloat(v, 'g', -1, 64).
TEST(BoundText, IsWrittenAsOtherPrometheusClientsDo) {
  const struct {
    double bound;
    const char* plain;
    const char* canonical;
  } cases[] = {
      {1, "1", "1.0"},
      {0, "0", "0.0"},
      {-5, "-5", "-5.0"},
      {0.002, "0.002", "0.002"},
      {16.384, "16.384", "16.384"},
      {0.0001, "0.0001", "0.0001"},
      {0.00001, "1e-05", "1e-05"},
      {100000, "100000", "100000.0"},
      {123456, "123456", "123456.0"},
      {1000000, "1e+06", "1e+06"},
      {1234567, "1.234567e+06", "1.234567e+06"},
      {1e100, "1e+100", "1e+100"},
      {std::numeric_limits<double>::infinity(), "+Inf", "+Inf"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(BoundText(c.bound, false), c.plain);
    EXPECT_EQ(BoundText(c.bound, true), c.canonical);
  }
}

}  // namespace
}  // namespace spanmeter
