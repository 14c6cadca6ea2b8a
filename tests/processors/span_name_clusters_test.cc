#include "processors/span_name_clusters.h"

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/naive_drain.h"

namespace spanmeter {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kNow = 1'000'000;

// The results for names that come in one request.
std::vector<std::string> Sanitize(const std::vector<std::string>& names, SpanNameClusters* clusters,
                                  int64_t now_nanos = kNow) {
  SpanNameBatch batch;
  for (const std::string& name : names) batch.Add(name);
  clusters->Sanitize(&batch, now_nanos);
  std::vector<std::string> results;
  for (size_t i = 0; i < batch.size(); ++i) results.emplace_back(batch.Result(i));
  return results;
}
std::string SanitizeOne(const std::string& name, SpanNameClusters* clusters,
                        int64_t now_nanos = kNow) {
  return Sanitize({name}, clusters, now_nanos).front();
}

// What Grafana Tempo was seen to do with spans of these names, in this order.
const std::vector<std::pair<std::string, std::string>>& Recorded() {
  static const auto* const recorded = new std::vector<std::pair<std::string, std::string>>{
      {"GET /users/1", "GET /users/1"},
      {"GET /users/2", "GET /users/<_>"},
      {"GET /users/3", "GET /users/<_>"},
      {"GET /users/1/settings", "GET /users/1/settings"},
      {"GET /users/2/settings", "GET /users/<_>/settings"},
      {"POST /users/4", "POST /users/4"},
      {"POST /users/5", "POST /users/<_>"},
      {"ping", "ping"},
      {"ping", "ping"},
      {"a b", "a b"},
      {"a c", "a c"},
      {"a d", "a d"},
      {"SELECT * FROM t1 WHERE id = 5", "SELECT * FROM t1 WHERE id = 5"},
      {"SELECT * FROM t1 WHERE id = 77", "SELECT * FROM t1 WHERE id = <_>"},
      {"SELECT * FROM t2 WHERE id = 5", "SELECT * FROM t2 WHERE id = 5"},
      {"job-0a1b2c3d", "job-0a1b2c3d"},
      {"job-ffeeddcc", "job-<_>"},
      {"order 7b1e0d6e-4b0c-4b7e-9a51-7f3d6f7f0001", "order 7b1e0d6e-4b0c-4b7e-9a51-7f3d6f7f0001"},
      {"order 8c2f1e7f-5c1d-4c8f-8b62-804e70800002", "order <_>"},
      {"q?x=%3D1", "q?x=%3D1"},
      {"q?x=%2F2", "q?x=<_><_>"},
      {"", ""},
      {"", ""},
      {"caf\u00e9 1", "caf\u00e9 1"},
      {"caf\u00e9 2", "caf\u00e9 <_>"},
      {"x  y", "x  y"},
      {"x y", "x y"},
      {"<_>", "<_>"},
      {"GET /users/<_>", "GET /users/<_>"},
      {"GET /users/1", "GET /users/<_>"},
      {"a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/"
       "a/a/"
       "a/a/a/a/a/a/a/a/a/a/a/a/a/",
       "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/"
       "a/a/"
       "a/a/a/a/a/a/a/a/a/a/a/a/a/"},
      {"a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/"
       "a/a/"
       "a/a/a/a/a/a/a/a/a/a/a/a/a/",
       "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/"
       "a/a/"
       "a/a/a/a/a/a/a/a/a/a/a/a/a/"},
      {"cart.add(1)", "cart.add(1)"},
      {"cart.add(2)", "cart.add(<_>)"},
      {"GET /api/v1/items/10", "GET /api/v1/items/10"},
      {"GET /api/v2/items/20", "GET /api/v2/items/20"},
      {"worker#12", "worker#12"},
      {"worker#13", "worker#<_>"},
      {"process order_1234", "process order_1234"},
      {"process order_5678", "process order_<_>"},
  };
  return *recorded;
}

void ExpectRecordedStats(const SpanNameClusters& clusters) {
  const SpanNameClusters::Stats stats = clusters.GetStats();
  EXPECT_EQ(21U, stats.patterns_detected);
  EXPECT_EQ(13U, stats.names_sanitized);
  EXPECT_EQ(4U, stats.skipped[static_cast<size_t>(NameSkip::kTooFewTokens)]);
  EXPECT_EQ(2U, stats.skipped[static_cast<size_t>(NameSkip::kTooManyTokens)]);
  EXPECT_EQ(0U, stats.skipped[static_cast<size_t>(NameSkip::kTooLong)]);
  EXPECT_EQ(11U, stats.templates);
}

TEST(SpanNameClustersTest, RecordedNamesOfOneRequest) {
  SpanNameClusters clusters;
  std::vector<std::string> names;
  std::vector<std::string> expected;
  for (const auto& [name, result] : Recorded()) {
    names.push_back(name);
    expected.push_back(result);
  }
  EXPECT_EQ(expected, Sanitize(names, &clusters));
  ExpectRecordedStats(clusters);
}

TEST(SpanNameClustersTest, RecordedNamesOneByOne) {
  SpanNameClusters clusters;
  for (const auto& [name, result] : Recorded()) EXPECT_EQ(result, SanitizeOne(name, &clusters));
  ExpectRecordedStats(clusters);
}

TEST(SpanNameClustersTest, AKnownNameBecomesTheTemplateAsSoonAsAnotherNameMakesItOne) {
  SpanNameClusters clusters;
  // Often enough to be remembered.
  for (int i = 0; i < 3; ++i) EXPECT_EQ("GET /users/1", SanitizeOne("GET /users/1", &clusters));
  EXPECT_THAT(Sanitize({"GET /users/1", "GET /users/2", "GET /users/1"}, &clusters),
              ElementsAre("GET /users/1", "GET /users/<_>", "GET /users/<_>"));
}

TEST(SpanNameClustersTest, LiteralBranchIsFoundBesidesThePlaceholders) {
  SpanNameClusters clusters;
  EXPECT_THAT(Sanitize({"/users/me/posts", "/users/12/mail", "/users/me/posts"}, &clusters),
              ElementsAre("/users/me/posts", "/users/12/mail", "/users/me/posts"));
  EXPECT_EQ(2U, clusters.GetStats().patterns_detected);
}

TEST(SpanNameClustersTest, LongNamesAreLeftAlone) {
  SpanNameClusters clusters;
  const std::string longest = "a " + std::string(kMaxSpanNameBytes - 3, 'x');
  EXPECT_EQ(longest + "1", SanitizeOne(longest + "1", &clusters));
  EXPECT_EQ(longest + "12", SanitizeOne(longest + "12", &clusters));
  const SpanNameClusters::Stats stats = clusters.GetStats();
  EXPECT_EQ(1U, stats.patterns_detected);
  EXPECT_EQ(1U, stats.skipped[static_cast<size_t>(NameSkip::kTooLong)]);
}

TEST(SpanNameClustersTest, SkippedNamesAreCountedEachTime) {
  SpanNameClusters clusters;
  for (int i = 0; i < 3; ++i) Sanitize({"ping", "ping"}, &clusters);
  EXPECT_EQ(6U, clusters.GetStats().skipped[static_cast<size_t>(NameSkip::kTooFewTokens)]);
}

TEST(SpanNameClustersTest, TemplatesTellWhatTheyStandFor) {
  SpanNameClusters clusters;
  for (int round = 0; round < 3; ++round) {
    for (int id = 1; id <= 5; ++id) SanitizeOne("GET /users/" + std::to_string(id), &clusters, 100);
  }
  Sanitize({"job-1", "job-2", "job-1"}, &clusters, 150);
  SanitizeOne("only once 1", &clusters, 200);

  const std::vector<SpanNameTemplate> templates = clusters.Templates(10, 170);
  ASSERT_THAT(templates, SizeIs(2));
  EXPECT_EQ("GET /users/<_>", templates[0].text);
  EXPECT_EQ(15U, templates[0].spans);
  EXPECT_EQ(70, templates[0].idle_nanos);
  EXPECT_THAT(templates[0].examples, ElementsAre("GET /users/1", "GET /users/2", "GET /users/3"));
  EXPECT_EQ("job-<_>", templates[1].text);
  EXPECT_EQ(3U, templates[1].spans);
  EXPECT_EQ(20, templates[1].idle_nanos);
  EXPECT_THAT(templates[1].examples, ElementsAre("job-1", "job-2"));

  EXPECT_THAT(clusters.Templates(1, 170), SizeIs(1));
  EXPECT_THAT(clusters.Templates(0, 170), IsEmpty());
}

TEST(SpanNameClustersTest, ExamplesAreCutBetweenCharacters) {
  SpanNameClusters clusters;
  const std::string name = "x " + std::string(61, 'y') + "\u00e9 ";
  Sanitize({name + "1", name + "2"}, &clusters);
  const std::vector<SpanNameTemplate> templates = clusters.Templates(10, kNow);
  ASSERT_THAT(templates, SizeIs(1));
  EXPECT_THAT(templates[0].examples, ElementsAre("x " + std::string(61, 'y')));
}

TEST(SpanNameClustersTest, TheLeastRecentlySeenPatternMakesRoom) {
  SpanNameClusterLimits limits;
  limits.tree.max_patterns = 2;
  SpanNameClusters clusters(limits);
  int64_t now = 0;
  SanitizeOne("a 1", &clusters, ++now);
  SanitizeOne("a 2", &clusters, ++now);
  SanitizeOne("b 1", &clusters, ++now);
  // A name that is remembered keeps its pattern alive as well.
  for (int i = 0; i < 3; ++i) EXPECT_EQ("a <_>", SanitizeOne("a 1", &clusters, ++now));
  SanitizeOne("c 1", &clusters, ++now);  // instead of b
  EXPECT_EQ("a <_>", SanitizeOne("a 3", &clusters, ++now));
  EXPECT_EQ("b 2", SanitizeOne("b 2", &clusters, ++now));
}

TEST(SpanNameClustersTest, AForgottenPatternDoesNotLiveOnInWhatIsRemembered) {
  SpanNameClusterLimits limits;
  limits.tree.max_patterns = 1;
  SpanNameClusters clusters(limits);
  Sanitize({"a 1", "a 2", "a 1", "a 1"}, &clusters);
  EXPECT_EQ("a <_>", SanitizeOne("a 1", &clusters));
  SanitizeOne("b 1", &clusters);
  EXPECT_EQ("a 1", SanitizeOne("a 1", &clusters));
}

TEST(SpanNameClustersTest, HostileNamesTakeBoundedMemory) {
  SpanNameClusterLimits limits;
  limits.tree.max_bytes = 1 << 20;
  limits.max_cached_names = 1000;
  limits.max_cached_bytes = 1 << 18;
  SpanNameClusters clusters(limits);
  std::mt19937_64 random(7);
  const auto letters = [&random](size_t size) {
    std::string word;
    for (size_t i = 0; i < size; ++i) word += static_cast<char>('g' + random() % 20);
    return word;
  };
  for (int i = 0; i < 3000; ++i) {
    std::string deep;
    for (int k = 0; k < 39; ++k) deep += letters(3) + " ";
    std::string all_data;
    for (int k = 0; k < 70; ++k) all_data += "%" + std::to_string(random() % 90 + 10);
    const std::string binary = {'\xff', '\0', static_cast<char>(random()), '\xc0'};
    Sanitize({deep, all_data, letters(2000), letters(1000) + " " + letters(1000), binary},
             &clusters);
  }
  // One pattern more than what is allowed, at most: it makes room before the next.
  EXPECT_LE(clusters.SizeInBytes(), (1U << 20) + (1U << 18) + (1U << 15));
  EXPECT_GT(clusters.SizeInBytes(), 1U << 19);
}

TEST(SpanNameClustersTest, NoMemoryStaysAccountedWhenPatternsHaveGone) {
  PatternVersions versions;
  PatternTreeLimits limits;
  limits.max_patterns = 1;
  PatternTree tree(limits, &versions);
  PatternTree::Outcome outcome;
  const std::vector<std::string_view> first = {"a", " ", "b", "/", "1"};
  tree.Learn("a b/1", first, 1, 1, &outcome);
  const size_t bytes = tree.bytes();
  for (int round = 0; round < 100; ++round) {
    tree.MakeRoom();
    EXPECT_EQ(0U, tree.size());
    EXPECT_EQ(0U, tree.bytes());
    const std::vector<std::string_view> other = {"x", "y", "z"};
    tree.Learn("xyz", other, 1, 1, &outcome);
    tree.MakeRoom();
    tree.Learn("a b/1", first, 1, 1, &outcome);
    EXPECT_EQ(bytes, tree.bytes());
  }
}

// Names of few words in many combinations, so that patterns come up, get placeholders and collide.
std::string RandomName(std::mt19937_64* random) {
  static constexpr std::string_view kPieces[] = {
      "a", "b", "users", "GET", "v1", "1",      "42", "0af3", "ffee",   "/",        "/",
      " ", " ", "-",     "%3D", "%",  "\u00e9", "_",  "x1y2", "\u0663", "7b1e-4b0c"};
  std::string name;
  const size_t shape = (*random)() % 10;
  const size_t pieces = shape == 0 ? (*random)() % 100 : (*random)() % 8;
  const size_t choices = shape < 5 ? std::size(kPieces) : 6;
  for (size_t i = 0; i < pieces; ++i) {
    name += kPieces[(*random)() % choices];
    if (choices == 6) name += (*random)() % 4 == 0 ? " " : "/";
  }
  return name;
}

struct ModelCase {
  const char* name;
  PatternTreeLimits tree;
  size_t max_cached_names;
};

class SpanNameClustersModelTest : public ::testing::TestWithParam<ModelCase> {};

TEST_P(SpanNameClustersModelTest, SaysWhatThePlainAlgorithmSays) {
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    SpanNameClusterLimits limits;
    limits.tree = GetParam().tree;
    limits.max_cached_names = GetParam().max_cached_names;
    SpanNameClusters clusters(limits);
    testing::NaiveDrain model(limits.tree);
    std::vector<std::string> earlier = {""};
    uint64_t replaced = 0;
    int64_t now = 0;
    for (int i = 0; i < 1500; ++i) {
      // Requests of one name, so that time tells them apart as it does in the model.
      std::string name = RandomName(&random);
      if (random() % 2 == 0) name = earlier[random() % earlier.size()];
      earlier.push_back(name);
      const std::string expected = model.Learn(name).value_or(name);
      replaced += expected == name ? 0 : 1;
      ASSERT_EQ(expected, SanitizeOne(name, &clusters, ++now)) << "number " << i << ": " << name;
    }
    EXPECT_EQ(replaced, clusters.GetStats().names_sanitized);
    EXPECT_GT(replaced, 50U);
  }
}

TEST_P(SpanNameClustersModelTest, LargeRequestsGiveWhatSingleNamesGive) {
  std::mt19937_64 random(11);
  SpanNameClusterLimits limits;
  limits.tree = GetParam().tree;
  limits.tree.max_patterns = 100'000;  // within a request all is of one time
  limits.max_cached_names = GetParam().max_cached_names;
  SpanNameClusters clusters(limits);
  testing::NaiveDrain model(limits.tree);
  std::vector<std::string> earlier = {""};
  for (int request = 0; request < 30; ++request) {
    std::vector<std::string> names;
    std::vector<std::string> expected;
    for (int i = 0; i < 100; ++i) {
      std::string name = RandomName(&random);
      if (random() % 2 == 0) name = earlier[random() % earlier.size()];
      earlier.push_back(name);
      expected.push_back(model.Learn(name).value_or(name));
      names.push_back(name);
    }
    ASSERT_EQ(expected, Sanitize(names, &clusters)) << request;
  }
}

PatternTreeLimits Limits(size_t depth, double similarity, size_t children, size_t leaf,
                         size_t steps, size_t patterns) {
  PatternTreeLimits limits;
  limits.max_depth = depth;
  limits.min_similarity = similarity;
  limits.max_children = children;
  limits.max_leaf_patterns = leaf;
  limits.max_steps = steps;
  limits.max_patterns = patterns;
  return limits;
}

INSTANTIATE_TEST_SUITE_P(
    All, SpanNameClustersModelTest,
    ::testing::Values(ModelCase{"Default", PatternTreeLimits(), 128 << 10},
                      ModelCase{"NothingRemembered", PatternTreeLimits(), 0},
                      ModelCase{"LittleRemembered", PatternTreeLimits(), 100},
                      ModelCase{"FewChildren", Limits(28, 0.3, 3, 100, 512, 100'000), 1000},
                      ModelCase{"ShallowAndStrict", Limits(4, 0.6, 1000, 3, 512, 100'000), 1000},
                      ModelCase{"FewSteps", Limits(28, 0.3, 1000, 100, 8, 100'000), 1000},
                      ModelCase{"FullLeaves", Limits(20, 1.0, 2, 1, 20, 6), 1000},
                      ModelCase{"FewPatterns", Limits(6, 0.4, 5, 4, 512, 20), 1000}),
    [](const auto& parameter) { return parameter.param.name; });

// Every thread must see its names as something that stands for them, and the counts must add up.
TEST(SpanNameClustersThreadsTest, ConcurrentRequestsLoseNoSpan) {
  SpanNameClusterLimits limits;
  limits.max_cached_names = 200;
  SpanNameClusters clusters(limits);
  constexpr int kThreads = 4;
  constexpr int kRequests = 200;
  constexpr int kNames = 50;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&clusters, &wrong, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      for (int r = 0; r < kRequests; ++r) {
        std::vector<std::string> names;
        for (int i = 0; i < kNames; ++i) {
          names.push_back("GET /users/" + std::to_string(random() % 300));
        }
        for (const std::string& result : Sanitize(names, &clusters, r)) {
          if (!result.starts_with("GET /users/")) ++wrong;
          if (r > 10 && result != "GET /users/<_>") ++wrong;
        }
      }
    });
  }
  threads.emplace_back([&clusters] {
    for (int i = 0; i < 100; ++i) {
      clusters.GetStats();
      clusters.Templates(5, 1000);
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(0, wrong);
  const std::vector<SpanNameTemplate> templates = clusters.Templates(10, 1000);
  ASSERT_THAT(templates, SizeIs(1));
  EXPECT_EQ(static_cast<uint64_t>(kThreads * kRequests * kNames), templates[0].spans);
}

TEST(SpanNameClustersThreadsTest, PatternsComeAndGoUnderWay) {
  SpanNameClusterLimits limits;
  limits.tree.max_patterns = 30;
  limits.max_cached_names = 100;
  SpanNameClusters clusters(limits);
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&clusters, &wrong, t] {
      std::mt19937_64 random(static_cast<uint64_t>(t));
      for (int r = 0; r < 100; ++r) {
        std::vector<std::string> names;
        for (int i = 0; i < 30; ++i) {
          names.push_back("operation" + std::string(1 + random() % 80, 'x') + " " +
                          std::to_string(random() % 3));
        }
        const std::vector<std::string> results = Sanitize(names, &clusters, r);
        for (size_t i = 0; i < names.size(); ++i) {
          const std::string prefix = names[i].substr(0, names[i].find(' ') + 1);
          if (results[i] != names[i] && results[i] != prefix + "<_>") ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(0, wrong);
}

}  // namespace
}  // namespace spanmeter
