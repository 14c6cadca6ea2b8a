#include "remote_write/symbol_table.h"

#include <string>

#include <gtest/gtest.h>
#include <prometheus/write/v2.pb.h>

namespace spanmeter {
namespace {

TEST(SymbolTable, HasEachTextOnceInTheOrderOfTheFirstUse) {
  SymbolTable table;
  EXPECT_EQ(table.Intern(""), 0u);
  EXPECT_EQ(table.Intern("b"), 1u);
  EXPECT_EQ(table.Intern("a"), 2u);
  EXPECT_EQ(table.Intern("b"), 1u);
  EXPECT_EQ(table.Text(2), "a");

  io::prometheus::write::v2::Request request;
  ASSERT_TRUE(request.ParseFromString(table.encoded()));
  ASSERT_EQ(request.symbols_size(), 3);
  EXPECT_EQ(request.symbols(0), "");
  EXPECT_EQ(request.symbols(1), "b");
  EXPECT_EQ(request.symbols(2), "a");
}

TEST(SymbolTable, KeepsItsNumbersWhenItGrows) {
  SymbolTable table;
  constexpr uint32_t kTexts = 10'000;
  for (uint32_t i = 1; i <= kTexts; ++i) ASSERT_EQ(table.Intern(std::to_string(i)), i);
  for (uint32_t i = 1; i <= kTexts; ++i) ASSERT_EQ(table.Intern(std::to_string(i)), i);
  const std::string long_text(100'000, 'x');
  EXPECT_EQ(table.Intern(long_text), kTexts + 1);
  EXPECT_EQ(table.Text(kTexts + 1), long_text);
}

TEST(SymbolTable, BeginsAnewWhenCleared) {
  SymbolTable table;
  table.Intern("a");
  table.Clear();
  EXPECT_EQ(table.Intern("b"), 1u);
  EXPECT_EQ(table.Intern("a"), 2u);
}

}  // namespace
}  // namespace spanmeter
