#include "registry/label_text.h"

#include <array>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

constexpr std::array<std::string_view, 2> kNames = {"ZERO", "ONE"};

std::string Render(const std::vector<FamilyLabel>& labels, bool own,
                   const std::map<std::string, std::string>& external, UpdateBatch* batch) {
  batch->Add(0);
  return LabelRenderer(labels, own, external).Render(batch->KeyOf(batch->updates().back()));
}

TEST(LabelTextTest, LabelsAreSortedByNameAndEmptyOnesAreAbsent) {
  UpdateBatch batch;
  batch.BeginKey();
  batch.AppendText("last");
  batch.AppendText("");
  batch.AppendText("first");
  EXPECT_EQ(Render({{"z", {}}, {"m", {}}, {"a", {}}}, false, {}, &batch), R"(a="first",z="last")");
}

TEST(LabelTextTest, NumbersPrintAsNamesOrAsDecimals) {
  UpdateBatch batch;
  batch.BeginKey();
  batch.AppendEnum(1);
  batch.AppendEnum(99);
  batch.AppendEnum(-1);
  batch.AppendEnum(std::numeric_limits<int32_t>::min());
  EXPECT_EQ(Render({{"a", kNames}, {"b", kNames}, {"c", kNames}, {"d", kNames}}, false, {}, &batch),
            R"(a="ONE",b="99",c="-1",d="-2147483648")");
}

TEST(LabelTextTest, SpecialCharactersAreEscapedAndOthersKept) {
  UpdateBatch batch;
  batch.BeginKey();
  batch.AppendText(std::string_view("a\\b\"c\nd\0e\xc3\xa9", 11));
  EXPECT_EQ(Render({{"l", {}}}, false, {}, &batch),
            std::string("l=\"a\\\\b\\\"c\\nd\0e\xc3\xa9\"", 18));
}

TEST(LabelTextTest, ExternalLabelsStandInOrderAndEmptyOnesAreAbsent) {
  UpdateBatch batch;
  batch.BeginKey();
  batch.AppendText("v");
  EXPECT_EQ(Render({{"m", {}}}, false, {{"a", "x"}, {"n", ""}, {"z", "\""}}, &batch),
            R"(a="x",m="v",z="\"")");
}

TEST(LabelTextTest, OwnLabelsMergeWithExternalOnes) {
  UpdateBatch batch;
  batch.BeginKey();
  for (const char* text : {"b", "1", "d", "2"}) batch.AppendText(text);
  EXPECT_EQ(Render({}, true, {{"a", "x"}, {"c", "y"}, {"e", "z"}}, &batch),
            R"(a="x",b="1",c="y",d="2",e="z")");
}

TEST(LabelTextTest, OverflowHasItsLabelAmongTheExternalOnes) {
  EXPECT_EQ(LabelRenderer({}, false, {}).RenderOverflow(), R"(metric_overflow="true")");
  EXPECT_EQ(LabelRenderer({{"q", {}}}, false, {{"a", "x"}, {"z", "y"}}).RenderOverflow(),
            R"(a="x",metric_overflow="true",z="y")");
}

}  // namespace
}  // namespace spanmeter
