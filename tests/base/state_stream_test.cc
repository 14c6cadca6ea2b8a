#include "spanmeter/state_stream.h"

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include "support/fake_clock.h"
#include "support/state_bytes.h"

namespace spanmeter {
namespace {

using testing::ReadFrom;
using testing::StateBytes;

class StateStreamTest : public ::testing::Test {
 protected:
  // Two records.
  std::string Sample() {
    return StateBytes(clock_, [](StateWriter* writer) {
      writer->Begin(StateRecord::kTenant);
      writer->Bytes("a");
      writer->Number(300);
      writer->End();
      writer->Begin(StateRecord::kLabel);
      writer->Double(0.5);
      writer->End();
    });
  }
  std::string Check(const std::string& bytes) { return CheckState(&clock_, ReadFrom(bytes)); }

  FakeClock clock_;
};

TEST_F(StateStreamTest, ValuesComeBackAsTheyWere) {
  const std::string long_text(100'000, 'x');
  const std::string bytes = StateBytes(clock_, [&](StateWriter* writer) {
    writer->Begin(StateRecord::kTenant);
    writer->Number(0);
    writer->Number(std::numeric_limits<uint64_t>::max());
    writer->Signed(-1);
    writer->Signed(std::numeric_limits<int64_t>::min());
    writer->Signed(std::numeric_limits<int64_t>::max());
    writer->Double(-0.0);
    writer->Double(0.1);
    writer->Bytes("");
    writer->Bytes(std::string_view("a\0b", 3));
    writer->End();
    writer->Begin(StateRecord::kLabelSet);
    writer->Bytes(long_text);
    writer->End();
  });
  // However the bytes come.
  for (const size_t at_a_time : {size_t{1}, size_t{7}, SIZE_MAX}) {
    StateReader reader(&clock_, ReadFrom(bytes, at_a_time));
    ASSERT_EQ(StateRecord::kTenant, reader.kind());
    EXPECT_EQ(0u, reader.Number());
    EXPECT_EQ(std::numeric_limits<uint64_t>::max(), reader.Number());
    EXPECT_EQ(-1, reader.Signed());
    EXPECT_EQ(std::numeric_limits<int64_t>::min(), reader.Signed());
    EXPECT_EQ(std::numeric_limits<int64_t>::max(), reader.Signed());
    EXPECT_TRUE(std::signbit(reader.Double()));
    EXPECT_EQ(0.1, reader.Double());
    EXPECT_EQ("", reader.Bytes());
    EXPECT_EQ(std::string_view("a\0b", 3), reader.Bytes());
    EXPECT_TRUE(reader.EndRecord());
    reader.Next();
    ASSERT_EQ(StateRecord::kLabelSet, reader.kind());
    EXPECT_EQ(long_text, reader.Bytes());
    EXPECT_TRUE(reader.EndRecord());
    reader.Next();
    EXPECT_EQ(StateRecord::kEnd, reader.kind());
    EXPECT_TRUE(reader.ok()) << reader.error();
    reader.Next();
    EXPECT_EQ(StateRecord::kEnd, reader.kind());
  }
}

TEST_F(StateStreamTest, TimesArePutOffByThePauseBetweenTheProcesses) {
  const int64_t now = clock_.MonotonicNanos();
  const std::string bytes = StateBytes(clock_, [&](StateWriter* writer) {
    writer->Begin(StateRecord::kLabel);
    writer->Time(now - 5);
    writer->Time(now - 5);
    writer->Time(now + 7);  // nothing is yet to come
    writer->End();
  });
  // A machine that was started again: its monotonic clock begins anew.
  FakeClock later(clock_.WallNanos() + 100);
  StateReader reader(&later, ReadFrom(bytes));
  EXPECT_EQ(100, reader.downtime_nanos());
  EXPECT_EQ(later.MonotonicNanos() - 105, reader.Time());
  EXPECT_EQ(later.MonotonicNanos() - 5, reader.TimeWithoutPause());
  EXPECT_EQ(later.MonotonicNanos() - 100, reader.Time());
}

TEST_F(StateStreamTest, NoTimeHasPassedWhenTheWallClockWasSetBack) {
  const int64_t now = clock_.MonotonicNanos();
  const std::string bytes = StateBytes(clock_, [&](StateWriter* writer) {
    writer->Begin(StateRecord::kLabel);
    writer->Time(now - 5);
    writer->End();
  });
  clock_.SetWallNanos(clock_.WallNanos() - kNanosPerSecond);
  StateReader reader(&clock_, ReadFrom(bytes));
  EXPECT_EQ(now - 5, reader.Time());
}

TEST_F(StateStreamTest, AWholeStreamIsRight) { EXPECT_EQ("", Check(Sample())); }

TEST_F(StateStreamTest, EveryTruncationIsFound) {
  const std::string bytes = Sample();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE("", Check(bytes.substr(0, size))) << size << " of " << bytes.size() << " bytes";
  }
}

TEST_F(StateStreamTest, EveryFlippedBitIsFound) {
  const std::string bytes = Sample();
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    std::string damaged = bytes;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ 1 << i % 8);
    EXPECT_NE("", Check(damaged)) << "bit " << i;
  }
}

TEST_F(StateStreamTest, WhatFollowsTheEndIsFound) {
  EXPECT_EQ("it is damaged: it goes on behind its end", Check(Sample() + "x"));
}

TEST_F(StateStreamTest, AnotherVersionIsNotRead) {
  std::string bytes = Sample();
  ++bytes[8];
  EXPECT_EQ("its format has version 2, this program reads 1", Check(bytes));
}

TEST_F(StateStreamTest, SomethingElseIsNotRead) {
  EXPECT_EQ("it is no state file", Check("SQLite format 3"));
  EXPECT_EQ("it is no state file", Check(""));
}

TEST_F(StateStreamTest, ALongRecordIsNeitherWrittenNorRead) {
  const std::string text(kMaxStateRecordBytes, 'x');
  StateWriter writer(&clock_, [](std::string_view) { return true; });
  writer.Begin(StateRecord::kLabel);
  writer.Bytes(text);
  writer.End();
  EXPECT_FALSE(writer.Finish());

  // Sixteen bytes that promise a record of four GiB.
  std::string bytes = Sample().substr(0, 20);
  bytes += std::string("\x07\xff\xff\xff\xff\x0f", 6);
  EXPECT_EQ("it is damaged: a record of 4294967295 bytes", Check(bytes));
}

TEST_F(StateStreamTest, ARecordThatHoldsTooMuchOrTooLittleIsFound) {
  const std::string bytes = Sample();
  StateReader too_much(&clock_, ReadFrom(bytes));
  too_much.Bytes();
  EXPECT_FALSE(too_much.EndRecord());
  EXPECT_EQ(StateRecord::kEnd, too_much.kind());
  StateReader too_little(&clock_, ReadFrom(bytes));
  too_little.Bytes();
  too_little.Number();
  too_little.Number();
  EXPECT_FALSE(too_little.EndRecord());
}

TEST_F(StateStreamTest, AFailingDiskIsTold) {
  StateWriter writer(&clock_, [](std::string_view) { return false; });
  EXPECT_FALSE(writer.Finish());
}

}  // namespace
}  // namespace spanmeter
