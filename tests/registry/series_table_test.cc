#include "registry/series_table.h"

#include <map>
#include <random>
#include <string>

#include <gtest/gtest.h>

#include "support/fake_clock.h"

namespace spanmeter {
namespace {

class SeriesTableTest : public ::testing::Test {
 protected:
  ~SeriesTableTest() override {
    for (const auto& [key, series] : model_) layout_.Delete(series);
  }

  void Insert(uint64_t hash, const std::string& key) {
    Series* series = layout_.New(hash, key, "", 0);
    model_[{hash, key}] = series;
    table_.Insert(series);
  }
  void Erase(uint64_t hash, const std::string& key) {
    const auto found = model_.find({hash, key});
    table_.Erase(found->second);
    layout_.Delete(found->second);
    model_.erase(found);
  }
  void CheckAll() {
    EXPECT_EQ(table_.size(), model_.size());
    for (const auto& [id, series] : model_) EXPECT_EQ(table_.Find(id.first, id.second), series);
  }

  const std::vector<FamilyMetric> metrics_ = {{"c", "", MetricType::kCounter, {}}};
  FakeClock clock_;
  const SeriesLayout layout_{&metrics_, &clock_};
  SeriesTable table_;
  std::map<std::pair<uint64_t, std::string>, Series*> model_;
};

TEST_F(SeriesTableTest, EqualHashesOfDifferentKeysAreDifferentSeries) {
  Insert(7, "a");
  Insert(7, "b");
  EXPECT_EQ(table_.Find(7, "c"), nullptr);
  CheckAll();
}

TEST_F(SeriesTableTest, EqualKeysOfDifferentHashesAreNotFound) {
  Insert(7, "a");
  EXPECT_EQ(table_.Find(8, "a"), nullptr);
}

// Hashes that differ only in few bits collide all over the table, so that probing wraps around and
// erasing has to move what stands behind.
TEST_F(SeriesTableTest, RandomInsertsAndErasesFindEverything) {
  std::mt19937_64 random(4);
  for (const uint64_t mask :
       {uint64_t{0}, uint64_t{0xf}, uint64_t{0xf00000000000000f}, ~uint64_t{0}}) {
    for (int step = 0; step < 4000; ++step) {
      if (model_.empty() || random() % 100 < (step < 2000 ? 70 : 25)) {
        const std::string key = std::to_string(random() % 100'000);
        const uint64_t hash = std::hash<std::string>()(key) & mask;
        if (!model_.contains({hash, key})) Insert(hash, key);
      } else {
        auto victim = model_.begin();
        std::advance(victim, static_cast<long>(random() % std::min<size_t>(model_.size(), 50)));
        Erase(victim->first.first, victim->first.second);
      }
      if (step % 200 == 0) CheckAll();
    }
    CheckAll();
    while (!model_.empty()) Erase(model_.begin()->first.first, model_.begin()->first.second);
    CheckAll();
  }
}

}  // namespace
}  // namespace spanmeter
