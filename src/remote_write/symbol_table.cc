#include "remote_write/symbol_table.h"

#include <algorithm>

#include "spanmeter/key_hash.h"
#include "spanmeter/wire_writer.h"

namespace spanmeter {

namespace {

constexpr size_t kMinSlots = 1024;
constexpr char kSymbols = wire::Delimited(4);

}  // namespace

void SymbolTable::Clear() {
  encoded_.clear();
  symbols_.clear();
  if (slots_.empty()) slots_.resize(kMinSlots);
  std::fill(slots_.begin(), slots_.end(), 0);
  Add("", 0);
}

uint32_t SymbolTable::Intern(std::string_view text) {
  if (text.empty()) return 0;
  const auto hash = static_cast<uint32_t>(KeyHash(text, 0));
  const size_t mask = slots_.size() - 1;
  size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    const uint32_t symbol = slots_[slot];
    if (symbols_[symbol].hash == hash && Text(symbol) == text) return symbol;
  }
  const auto symbol = static_cast<uint32_t>(symbols_.size());
  Add(text, hash);
  slots_[slot] = symbol;
  if (2 * symbols_.size() > slots_.size()) Grow();
  return symbol;
}

void SymbolTable::Add(std::string_view text, uint32_t hash) {
  char head[1 + kMaxVarint];
  head[0] = kSymbols;
  const char* const end = PutVarint(text.size(), head + 1);
  encoded_.append(head, static_cast<size_t>(end - head));
  symbols_.push_back(
      {static_cast<uint32_t>(encoded_.size()), static_cast<uint32_t>(text.size()), hash});
  encoded_.append(text);
}

void SymbolTable::Grow() {
  slots_.assign(2 * slots_.size(), 0);
  const size_t mask = slots_.size() - 1;
  for (uint32_t symbol = 1; symbol < symbols_.size(); ++symbol) {
    size_t slot = symbols_[symbol].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = symbol;
  }
}

}  // namespace spanmeter
