#include <string>

#include <gtest/gtest.h>

#include "spanmeter/registry.h"

#include "registry/key_codec.h"

namespace spanmeter {
namespace {

TEST(UpdateBatchTest, KeysReadBackAsTheyWereWritten) {
  UpdateBatch batch;
  const std::string long_text(300, 'x');
  batch.BeginKey();
  batch.AppendText("");
  batch.AppendText(long_text);
  batch.AppendEnum(2);
  batch.AppendEnum(-1);
  batch.AppendEnum(1'000'000);
  const Update& update = batch.Add(3);
  EXPECT_EQ(update.family, 3);

  KeyReader reader(batch.KeyOf(batch.updates()[0]));
  EXPECT_EQ(reader.ReadText(), "");
  EXPECT_EQ(reader.ReadText(), long_text);
  EXPECT_EQ(reader.ReadNumber(), 2u);
  EXPECT_EQ(static_cast<int32_t>(reader.ReadNumber()), -1);
  EXPECT_EQ(reader.ReadNumber(), 1'000'000u);
  EXPECT_TRUE(reader.done());
}

TEST(UpdateBatchTest, KeysOfDifferentSplitsDiffer) {
  UpdateBatch batch;
  batch.BeginKey();
  batch.AppendText("ab");
  batch.AppendText("c");
  batch.Add(0);
  batch.BeginKey();
  batch.AppendText("a");
  batch.AppendText("bc");
  batch.Add(0);
  EXPECT_NE(batch.KeyOf(batch.updates()[0]), batch.KeyOf(batch.updates()[1]));
}

TEST(UpdateBatchTest, EncodedPrefixIsTheSameAsWritingItAgain) {
  UpdateBatch batch;
  batch.BeginKey();
  batch.AppendText("service");
  const std::string prefix(batch.EncodedKey());
  batch.AppendText("name");
  batch.Add(0);
  batch.BeginKey();
  batch.AppendEncoded(prefix);
  batch.AppendText("name");
  batch.Add(0);
  EXPECT_EQ(batch.KeyOf(batch.updates()[0]), batch.KeyOf(batch.updates()[1]));
}

TEST(UpdateBatchTest, ClearForgetsEverythingAndGivesExcessMemoryBack) {
  UpdateBatch batch;
  for (int i = 0; i < 40'000; ++i) {
    batch.BeginKey();
    batch.AppendText(std::string(200, 'x'));
    batch.Add(0);
  }
  EXPECT_GT(batch.SizeInBytes(), size_t{8} << 20);
  batch.Clear();
  EXPECT_TRUE(batch.empty());
  EXPECT_EQ(batch.SizeInBytes(), 0u);
  EXPECT_LT(batch.updates().capacity(), 40'000u);
}

TEST(UpdateBatchTest, AnUpdateMayGetAnotherKeyMadeOfItsOwn) {
  UpdateBatch batch;
  for (const char* text : {"first", "second"}) {
    batch.BeginKey();
    batch.AppendText(text);
    batch.AppendText("rest");
    batch.Add(0);
  }
  // Often enough for the memory to move.
  for (int i = 0; i < 100; ++i) {
    batch.BeginKey();
    batch.AppendText("third");
    batch.AppendEncoded(batch.KeyOf(batch.updates()[0]).substr(6));
    batch.SetKey(0);
  }
  EXPECT_EQ("\x05third\x04rest", batch.KeyOf(batch.updates()[0]));
  EXPECT_EQ("\x06second\x04rest", batch.KeyOf(batch.updates()[1]));
  EXPECT_EQ(2U, batch.updates().size());
}

}  // namespace
}  // namespace spanmeter
