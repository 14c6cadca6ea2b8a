#include "spanmeter/units.h"

#include <cstdint>
#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace spanmeter {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

std::string SizeError(std::string_view text) {
  std::string error;
  EXPECT_EQ(ParseByteSize(text, &error), std::nullopt) << text;
  return error;
}

std::string DurationError(std::string_view text) {
  std::string error;
  EXPECT_EQ(ParseDuration(text, &error), std::nullopt) << text;
  return error;
}

TEST(ByteSize, ReadsEveryUnit) {
  std::string error;
  EXPECT_THAT(ParseByteSize("0", &error), Optional(0));
  EXPECT_THAT(ParseByteSize("7B", &error), Optional(7));
  EXPECT_THAT(ParseByteSize("16KiB", &error), Optional(16'384));
  EXPECT_THAT(ParseByteSize("16MiB", &error), Optional(16'777'216));
  EXPECT_THAT(ParseByteSize("2GiB", &error), Optional(2'147'483'648));
  EXPECT_THAT(ParseByteSize("1TiB", &error), Optional(1'099'511'627'776));
  EXPECT_THAT(ParseByteSize("5KB", &error), Optional(5'000));
  EXPECT_THAT(ParseByteSize("5MB", &error), Optional(5'000'000));
  EXPECT_THAT(ParseByteSize("5GB", &error), Optional(5'000'000'000));
  EXPECT_THAT(ParseByteSize("5TB", &error), Optional(5'000'000'000'000));
}

TEST(ByteSize, RefusesWhatIsNotANumberWithAUnit) {
  for (const char* text : {"", "16", "MiB", "16 MiB", "16mib", "16Mib", "1.5GiB", "-1MiB", "+1MiB",
                           "1MiB2KiB", "16MiB ", " 16MiB", "0x10B", "16M", "1e3B"}) {
    EXPECT_THAT(SizeError(text), HasSubstr("like \"16MiB\"")) << text;
  }
}

TEST(ByteSize, RefusesMoreThan64Bits) {
  std::string error;
  EXPECT_THAT(ParseByteSize("18446744073709551615B", &error),
              Optional(std::numeric_limits<uint64_t>::max()));
  EXPECT_EQ(SizeError("18446744073709551616B"), "is too large");
  EXPECT_EQ(SizeError("16777216TiB"), "is too large");
  EXPECT_EQ(SizeError("99999999999999999999999999B"), "is too large");
}

TEST(ByteSize, PrintsTheLargestUnitThatIsExact) {
  EXPECT_EQ(FormatByteSize(0), "0B");
  EXPECT_EQ(FormatByteSize(1'023), "1023B");
  EXPECT_EQ(FormatByteSize(1'024), "1KiB");
  EXPECT_EQ(FormatByteSize(1'025), "1025B");
  EXPECT_EQ(FormatByteSize(64 << 20), "64MiB");
  EXPECT_EQ(FormatByteSize(uint64_t{3} << 40), "3TiB");
}

TEST(ByteSize, ReadsBackWhatItPrinted) {
  std::string error;
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{1}, uint64_t{1'500}, uint64_t{1} << 50,
                               std::numeric_limits<uint64_t>::max()}) {
    EXPECT_THAT(ParseByteSize(FormatByteSize(bytes), &error), Optional(bytes));
  }
}

TEST(Duration, ReadsEveryUnit) {
  constexpr int64_t kSecond = 1'000'000'000;
  std::string error;
  EXPECT_THAT(ParseDuration("0", &error), Optional(0));
  EXPECT_THAT(ParseDuration("0s", &error), Optional(0));
  EXPECT_THAT(ParseDuration("3ns", &error), Optional(3));
  EXPECT_THAT(ParseDuration("3us", &error), Optional(3'000));
  EXPECT_THAT(ParseDuration("3ms", &error), Optional(3'000'000));
  EXPECT_THAT(ParseDuration("3s", &error), Optional(3 * kSecond));
  EXPECT_THAT(ParseDuration("3m", &error), Optional(180 * kSecond));
  EXPECT_THAT(ParseDuration("3h", &error), Optional(10'800 * kSecond));
  EXPECT_THAT(ParseDuration("3d", &error), Optional(259'200 * kSecond));
  EXPECT_THAT(ParseDuration("3w", &error), Optional(1'814'400 * kSecond));
  EXPECT_THAT(ParseDuration("3y", &error), Optional(94'608'000 * kSecond));
}

TEST(Duration, AddsUpPartsFromLargeToSmall) {
  constexpr int64_t kSecond = 1'000'000'000;
  std::string error;
  EXPECT_THAT(ParseDuration("1h30m", &error), Optional(5'400 * kSecond));
  EXPECT_THAT(ParseDuration("90m", &error), Optional(5'400 * kSecond));
  EXPECT_THAT(ParseDuration("1d1ms", &error), Optional(86'400 * kSecond + 1'000'000));
}

TEST(Duration, RefusesWhatIsNotNumbersWithUnits) {
  for (const char* text : {"", "15", "s", "15 s", "1.5h", "-15s", "30m1h", "1m1m", "15S", "1h 30m",
                           "5min", "15sec", "1h30", "0x5s"}) {
    EXPECT_THAT(DurationError(text), HasSubstr("like \"15s\" or \"1h30m\"")) << text;
  }
}

TEST(Duration, RefusesMoreThan63BitsOfNanoseconds) {
  std::string error;
  EXPECT_THAT(ParseDuration("9223372036854775807ns", &error),
              Optional(std::numeric_limits<int64_t>::max()));
  for (const char* text : {"9223372036854775808ns", "293y", "99999999999999999999s",
                           "9223372036s854ms775us808ns", "400000000y"}) {
    EXPECT_THAT(DurationError(text), HasSubstr("is too long")) << text;
  }
}

TEST(Duration, PrintsWhatPeopleWouldWrite) {
  constexpr int64_t kSecond = 1'000'000'000;
  EXPECT_EQ(FormatDuration(0), "0s");
  EXPECT_EQ(FormatDuration(15 * 60 * kSecond), "15m");
  EXPECT_EQ(FormatDuration(5'400 * kSecond), "1h30m");
  EXPECT_EQ(FormatDuration(90 * kSecond), "1m30s");
  EXPECT_EQ(FormatDuration(400 * 86'400 * kSecond), "400d");
  EXPECT_EQ(FormatDuration(1'500'000), "1ms500us");
}

TEST(Duration, ReadsBackWhatItPrinted) {
  std::string error;
  for (const int64_t nanos :
       {int64_t{0}, int64_t{1}, int64_t{999'999'999'999}, std::numeric_limits<int64_t>::max()}) {
    EXPECT_THAT(ParseDuration(FormatDuration(nanos), &error), Optional(nanos));
  }
}

}  // namespace
}  // namespace spanmeter
