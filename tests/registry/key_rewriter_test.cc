#include "registry/key_rewriter.h"

#include <atomic>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "registry/key_codec.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using Action = RelabelRule::Action;
using Pairs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view kKinds[] = {"UNSPECIFIED", "INTERNAL", "SERVER"};

RelabelRule Replace(const std::string& source, const std::string& regex, const std::string& target,
                    const std::string& replacement) {
  RelabelRule rule;
  rule.source_labels = {source};
  rule.regex = regex;
  rule.target_label = target;
  rule.replacement = replacement;
  return rule;
}
RelabelRule Drop(const std::string& source, const std::string& regex) {
  RelabelRule rule = Replace(source, regex, "", "$1");
  rule.action = Action::kDrop;
  return rule;
}

std::unique_ptr<Relabeler> Compile(const std::vector<RelabelRule>& rules) {
  std::vector<OptionProblem> problems;
  auto relabeler = std::make_unique<Relabeler>(rules, "relabel", kLabelsOfTheRegistry, &problems);
  EXPECT_THAT(problems, IsEmpty());
  return relabeler;
}

// A key of the labels service, kind and name.
std::string Key(std::string_view service, int32_t kind, std::string_view name) {
  UpdateBatch batch;
  batch.BeginKey();
  batch.AppendText(service);
  batch.AppendEnum(kind);
  batch.AppendText(name);
  return std::string(batch.EncodedKey());
}
std::vector<FamilyLabel> Labels() { return {{"service", {}}, {"kind", kKinds}, {"name", {}}}; }

Pairs Decode(std::string_view key) {
  Pairs labels;
  KeyReader reader(key);
  while (!reader.done()) {
    std::string name(reader.ReadText());
    labels.emplace_back(std::move(name), reader.ReadText());
  }
  return labels;
}

TEST(KeyRewriterTest, FromPositionsToNamesAndValuesInTheOrderOfTheNames) {
  const auto relabeler = Compile({Replace("name", "GET (.*)", "aroute", "$1")});
  KeyRewriter rewriter(relabeler.get(), Labels(), false, {}, 0, 1);
  for (int i = 0; i < 3; ++i) {
    std::string out;
    ASSERT_TRUE(rewriter.Rewrite(Key("shop", 2, "GET /x"), &out));
    EXPECT_THAT(Decode(out), ElementsAre(Pair("aroute", "/x"), Pair("kind", "SERVER"),
                                         Pair("name", "GET /x"), Pair("service", "shop")));
  }
}

TEST(KeyRewriterTest, AppendsToWhatIsThere) {
  const auto relabeler = Compile({});
  KeyRewriter rewriter(relabeler.get(), {{"a", {}}}, false, {}, 0, 1);
  std::string out = "before";
  ASSERT_TRUE(rewriter.Rewrite("\x01x", &out));
  EXPECT_EQ(
      "before\x01"
      "a\x01x",
      out);
}

TEST(KeyRewriterTest, EmptyValuesAreNoLabelsAndUnknownNumbersAreDecimals) {
  const auto relabeler = Compile({});
  KeyRewriter rewriter(relabeler.get(), Labels(), false, {}, 0, 1);
  std::string out;
  ASSERT_TRUE(rewriter.Rewrite(Key("", -7, ""), &out));
  EXPECT_THAT(Decode(out), ElementsAre(Pair("kind", "-7")));
}

TEST(KeyRewriterTest, DroppedKeysStayDropped) {
  const auto relabeler = Compile({Drop("service", "noise")});
  KeyRewriter rewriter(relabeler.get(), Labels(), false, {}, 0, 1);
  std::string out;
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(rewriter.Rewrite(Key("noise", 1, "x"), &out));
    EXPECT_EQ("", out);
  }
  EXPECT_TRUE(rewriter.Rewrite(Key("noises", 1, "x"), &out));
}

TEST(KeyRewriterTest, KeysWithLabelNamesOfTheirOwn) {
  const auto relabeler = Compile({Replace("b", "(.*)", "z", "$1")});
  KeyRewriter rewriter(relabeler.get(), {}, true, {}, 0, 1);
  std::string out;
  ASSERT_TRUE(
      rewriter.Rewrite("\x01"
                       "a\x01"
                       "1\x01"
                       "b\x01"
                       "2",
                       &out));
  EXPECT_THAT(Decode(out), ElementsAre(Pair("a", "1"), Pair("b", "2"), Pair("z", "2")));
  out.clear();
  ASSERT_TRUE(rewriter.Rewrite("", &out));
  EXPECT_EQ("", out);
}

TEST(KeyRewriterTest, ExternalLabelsAreLeftOut) {
  const auto relabeler =
      Compile({Replace("name", "(.*)", "cluster", "$1"), Replace("name", "(.*)", "c", "$1")});
  KeyRewriter rewriter(relabeler.get(), Labels(), false, {"zone", "cluster"}, 0, 1);
  std::string out;
  ASSERT_TRUE(rewriter.Rewrite(Key("", 1, "x"), &out));
  EXPECT_THAT(Decode(out),
              ElementsAre(Pair("c", "x"), Pair("kind", "INTERNAL"), Pair("name", "x")));
}

TEST(KeyRewriterTest, ValuesAreCutBetweenCharacters) {
  const auto relabeler = Compile({Replace("name", "(.*)", "long", "$1$1")});
  KeyRewriter rewriter(relabeler.get(), {{"name", {}}}, false, {}, 4, 1);
  std::string out;
  ASSERT_TRUE(
      rewriter.Rewrite("\x03"
                       "x\u00e9",
                       &out));
  EXPECT_THAT(Decode(out), ElementsAre(Pair("long", "x\u00e9x"), Pair("name", "x\u00e9")));
  out.clear();
  // Nothing is left of a character that is longer than the limit.
  KeyRewriter narrow(relabeler.get(), {{"name", {}}}, false, {}, 1, 1);
  ASSERT_TRUE(narrow.Rewrite("\x02\u00e9", &out));
  EXPECT_THAT(Decode(out), IsEmpty());
}

TEST(KeyRewriterTest, WhatIsForgottenComesOutTheSame) {
  const auto relabeler = Compile({Replace("name", "(.*)(.)", "last", "$2"), Drop("last", "7")});
  KeyRewriterLimits limits;
  limits.max_entries = 100;
  limits.max_bytes = 20'000;
  KeyRewriter rewriter(relabeler.get(), Labels(), false, {}, 0, 1, limits);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 1000; ++i) {
      const std::string name = std::to_string(i);
      std::string out;
      ASSERT_EQ(i % 10 != 7, rewriter.Rewrite(Key("s", 1, name), &out));
      if (i % 10 == 7) continue;
      ASSERT_THAT(Decode(out),
                  ElementsAre(Pair("kind", "INTERNAL"), Pair("last", name.substr(name.size() - 1)),
                              Pair("name", name), Pair("service", "s")));
    }
  }
}

TEST(KeyRewriterThreadsTest, ThreadsGetTheSameResults) {
  const auto relabeler = Compile({Replace("name", "(.*)", "copy", "$1"), Drop("copy", ".*3")});
  KeyRewriterLimits limits;
  limits.max_entries = 300;
  KeyRewriter rewriter(relabeler.get(), Labels(), false, {}, 0, 1, limits);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&rewriter, &wrong, t] {
      for (int i = 0; i < 3000; ++i) {
        const std::string name = std::to_string((i * (t + 1)) % 500);
        std::string out;
        const bool kept = rewriter.Rewrite(Key("s", 1, name), &out);
        if (kept == name.ends_with("3")) ++wrong;
        if (kept && Decode(out).front() != std::pair<std::string, std::string>("copy", name)) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(0, wrong);
}

TEST(TwoGenerationMapTest, KeepsWhatIsUsedAndForgetsTheRestWithinItsBounds) {
  TwoGenerationMap<int> map(20, 1 << 20);
  int forgotten = 0;
  const auto count = [&forgotten](int&) { ++forgotten; };
  map.Insert(1, "hot", 1, 0, count);
  for (int i = 0; i < 1000; ++i) {
    map.Insert(static_cast<uint64_t>(i) + 100, "cold" + std::to_string(i), i, 0, count);
    ASSERT_LE(map.size(), 20U);
    const int* const hot = map.Find(1, "hot");
    ASSERT_TRUE(hot != nullptr) << i;
    ASSERT_EQ(1, *hot);
  }
  EXPECT_EQ(1001U, static_cast<size_t>(forgotten) + map.size());
  EXPECT_EQ(nullptr, map.Find(100, "cold0"));
}

TEST(TwoGenerationMapTest, BytesAreBounded) {
  TwoGenerationMap<int> map(1'000'000, 10'000);
  for (int i = 0; i < 1000; ++i) {
    const std::string key = std::to_string(i) + std::string(100, 'x');
    map.Insert(static_cast<uint64_t>(i), key, i, 50, [](int&) {});
    ASSERT_LE(map.bytes(), 10'000U);
    ASSERT_NE(nullptr, map.Find(static_cast<uint64_t>(i), key));
    map.Find(static_cast<uint64_t>(i) / 2, std::to_string(i / 2) + std::string(100, 'x'));
  }
  int forgotten = 0;
  map.Insert(7, "large", 7, 6000, [&](int&) { ++forgotten; });
  EXPECT_EQ(1, forgotten);
  EXPECT_EQ(nullptr, map.Find(7, "large"));
}

TEST(TwoGenerationMapTest, EqualHashesOfDifferentKeysAreTwoEntries) {
  TwoGenerationMap<int> map(100, 1 << 20);
  map.Insert(5, "a", 1, 0, [](int&) {});
  map.Insert(5, "b", 2, 0, [](int&) {});
  EXPECT_EQ(1, *map.Find(5, "a"));
  EXPECT_EQ(2, *map.Find(5, "b"));
  EXPECT_EQ(nullptr, map.Find(5, "c"));
}

TEST(TwoGenerationMapTest, AnotherValueForAKeyReplacesTheFirst) {
  TwoGenerationMap<int> map(100, 1 << 20);
  int forgotten = 0;
  const auto sum = [&forgotten](int& value) { forgotten += value; };
  map.Insert(5, "a", 1, 10, sum);
  const size_t bytes = map.bytes();
  map.Insert(5, "a", 2, 10, sum);
  EXPECT_EQ(1, forgotten);
  EXPECT_EQ(2, *map.Find(5, "a"));
  EXPECT_EQ(1U, map.size());
  EXPECT_EQ(bytes, map.bytes());
}

}  // namespace
}  // namespace spanmeter
