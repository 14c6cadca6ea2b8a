#include "processors/aged_table.h"

#include <deque>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace spanmeter {
namespace {

struct Number {
  bool Is(int other) const { return value == other; }

  Number* older = nullptr;
  Number* newer = nullptr;
  int value = 0;
};

std::vector<int> InOrder(const AgedTable<Number>& table) {
  std::vector<int> values;
  for (const Number* n = table.oldest(); n != nullptr; n = n->newer) values.push_back(n->value);
  return values;
}

// The table against a list of the numbers in it, with hashes that collide often.
TEST(AgedTableTest, FindsWhatIsThereAndKeepsTheOrderOfInsertion) {
  for (const uint64_t hash_mask : {uint64_t{0}, uint64_t{7}, ~uint64_t{0}}) {
    const auto hash_of = [hash_mask](int value) {
      return static_cast<uint64_t>(value) * 0x9e3779b97f4a7c15 >> 32 & hash_mask;
    };
    std::mt19937 random(1);
    std::deque<Number> numbers(200);
    for (size_t i = 0; i < numbers.size(); ++i) numbers[i].value = static_cast<int>(i);
    AgedTable<Number> table;
    std::vector<int> expected;
    for (int step = 0; step < 5000; ++step) {
      // Fills up and empties in turn.
      const int value = static_cast<int>(random() % (step / 1000 % 2 == 0 ? 200 : 40));
      const auto at = std::find(expected.begin(), expected.end(), value);
      Number* const found = table.Find(hash_of(value), value);
      ASSERT_EQ(found != nullptr, at != expected.end()) << step;
      if (found == nullptr) {
        table.Insert(hash_of(value), &numbers[static_cast<size_t>(value)]);
        expected.push_back(value);
      } else {
        ASSERT_EQ(found->value, value);
        table.Remove(hash_of(value), found);
        expected.erase(at);
      }
      ASSERT_EQ(table.size(), expected.size());
      ASSERT_EQ(InOrder(table), expected) << step;
    }
  }
}

TEST(AgedTableTest, AReplacementTakesPlaceAndAge) {
  AgedTable<Number> table;
  Number numbers[3] = {{nullptr, nullptr, 1}, {nullptr, nullptr, 2}, {nullptr, nullptr, 3}};
  for (Number& number : numbers) table.Insert(5, &number);
  for (Number& number : numbers) {
    Number other = number;
    table.Replace(5, &number, &other);
    EXPECT_EQ(InOrder(table), (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(table.Find(5, number.value), &other);
    table.Replace(5, &other, &number);
  }
}

TEST(AgedTableTest, AnEmptyTableGivesItsMemoryBack) {
  AgedTable<Number> table;
  std::deque<Number> numbers(100);
  for (size_t i = 0; i < numbers.size(); ++i) table.Insert(i, &numbers[i]);
  const size_t full = table.SlotBytes();
  table.ShrinkIfEmpty();
  EXPECT_EQ(table.SlotBytes(), full);
  for (size_t i = 0; i < numbers.size(); ++i) table.Remove(i, &numbers[i]);
  table.ShrinkIfEmpty();
  EXPECT_EQ(table.SlotBytes(), 0);
  EXPECT_EQ(table.oldest(), nullptr);
  table.Insert(1, &numbers[1]);
  EXPECT_EQ(table.oldest(), &numbers[1]);
}

}  // namespace
}  // namespace spanmeter
