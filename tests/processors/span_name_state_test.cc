// What was learnt about span names, across a restart.

#include <random>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "processors/span_name_clusters.h"
#include "support/fake_clock.h"
#include "support/state_bytes.h"

namespace spanmeter {
namespace {

using ::testing::HasSubstr;
using testing::ReadFrom;
using testing::StateBytes;

// Limits so low that all of them matter.
SpanNameClusterLimits LowLimits() {
  SpanNameClusterLimits limits;
  limits.tree.max_depth = 6;
  limits.tree.max_children = 4;
  limits.tree.max_leaf_patterns = 3;
  limits.tree.max_patterns = 60;
  return limits;
}

class SpanNameStateTest : public ::testing::Test {
 protected:
  explicit SpanNameStateTest(SpanNameClusterLimits limits = LowLimits())
      : limits_(limits), clusters_(std::make_unique<SpanNameClusters>(limits)) {}

  std::string Save() {
    return StateBytes(clock_, [this](StateWriter* writer) { clusters_->Save(writer); });
  }
  std::string Restore(const std::string& bytes) {
    clusters_ = std::make_unique<SpanNameClusters>(limits_);
    StateReader reader(&clock_, ReadFrom(bytes));
    clusters_->Restore(&reader);
    return reader.error();
  }
  std::string Sanitize(const std::string& name, SpanNameClusters* clusters) {
    SpanNameBatch batch;
    batch.Add(name);
    clusters->Sanitize(&batch, clock_.MonotonicNanos());
    return std::string(batch.Result(0));
  }
  std::string Sanitize(const std::string& name) { return Sanitize(name, clusters_.get()); }

  FakeClock clock_;
  const SpanNameClusterLimits limits_;
  std::unique_ptr<SpanNameClusters> clusters_;
};

TEST_F(SpanNameStateTest, NamesHaveTheirTemplatesAtOnce) {
  for (const char* name : {"GET /users/1", "GET /users/2", "GET /users/3", "a <_> b"}) {
    Sanitize(name);
  }
  clock_.Advance(5);
  const std::string bytes = Save();
  clock_.Advance(7);
  EXPECT_EQ("", Restore(bytes));
  const std::vector<SpanNameTemplate> templates = clusters_->Templates(10, clock_.MonotonicNanos());
  ASSERT_EQ(1u, templates.size());
  EXPECT_EQ("GET /users/<_>", templates[0].text);
  EXPECT_EQ(3u, templates[0].spans);
  EXPECT_EQ(12, templates[0].idle_nanos);
  EXPECT_THAT(templates[0].examples,
              ::testing::ElementsAre("GET /users/1", "GET /users/2", "GET /users/3"));
  EXPECT_EQ("GET /users/<_>", Sanitize("GET /users/99"));
  // The first name of a pattern keeps its name as long as it is alone, also when it reads like a
  // template.
  EXPECT_EQ("a <_> b", Sanitize("a <_> b"));
  EXPECT_EQ(1u, clusters_->GetStats().templates);
}

// The same names, once with restarts and once without.
TEST_F(SpanNameStateTest, RestartsMakeNoDifference) {
  std::mt19937 random(7);
  SpanNameClusters undisturbed(limits_);
  const std::vector<std::string> words = {"GET", "POST", "users", "orders", "of", "v1", "<_>"};
  for (int i = 0; i < 4000; ++i) {
    std::string name;
    for (size_t n = 1 + random() % 7; n > 0; --n) {
      name += random() % 4 == 0 ? std::to_string(random() % 1000) : words[random() % words.size()];
      name += random() % 2 == 0 ? "/" : " ";
    }
    if (i % 250 == 249) {
      ASSERT_EQ("", Restore(Save()));
    }
    ASSERT_EQ(Sanitize(name, &undisturbed), Sanitize(name)) << "name " << i << ": " << name;
    clock_.Advance(1);
  }
  EXPECT_GT(undisturbed.GetStats().templates, 10u);
  EXPECT_EQ(undisturbed.GetStats().templates, clusters_->GetStats().templates);
}

TEST_F(SpanNameStateTest, NoContentDoesHarm) {
  for (const char* name : {"GET /users/1", "GET /users/2", "one two"}) Sanitize(name);
  const std::string bytes = Save();
  int refused = 0;
  for (size_t i = 20; i + 16 < bytes.size(); ++i) {
    for (const char byte : {'\0', '\1', '\x7f', '\xff'}) {
      std::string damaged = bytes;
      damaged[i] = byte;
      refused += Restore(damaged).empty() ? 0 : 1;
      for (const char* name : {"GET /users/3", "one two", "one three"}) Sanitize(name);
      clusters_->Templates(10, clock_.MonotonicNanos());
    }
  }
  EXPECT_GT(refused, 0);
}

TEST_F(SpanNameStateTest, APatternOfImpossibleShapeIsRefused) {
  const auto restore = [this](uint64_t tokens, uint64_t path) {
    return Restore(StateBytes(clock_, [&](StateWriter* writer) {
      writer->Begin(StateRecord::kSpanNamePattern);
      writer->Number(1);
      writer->Number(0);
      writer->Number(tokens);
      for (uint64_t i = 0; i < tokens; ++i) writer->Number(1);
      writer->Number(path);
      for (uint64_t i = 0; i < path; ++i) writer->Number(1);
      writer->Number(0);
      writer->End();
    }));
  };
  EXPECT_EQ("", restore(3, 3));
  EXPECT_EQ("", restore(10, 5));
  EXPECT_THAT(restore(3, 2), HasSubstr("damaged"));
  EXPECT_THAT(restore(10, 6), HasSubstr("damaged"));
  EXPECT_THAT(restore(1, 1), HasSubstr("damaged"));
  EXPECT_THAT(restore(80, 5), HasSubstr("damaged"));
}

}  // namespace
}  // namespace spanmeter
