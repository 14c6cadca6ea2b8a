// The strings of one request of protocol 2.0, each once.

#ifndef SPANMETER_REMOTE_WRITE_SYMBOL_TABLE_H_
#define SPANMETER_REMOTE_WRITE_SYMBOL_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace spanmeter {

// Not thread-safe. Number 0 is the empty string, as the protocol has it.
class SymbolTable {
 public:
  SymbolTable() { Clear(); }

  // Keeps the memory.
  void Clear();
  // The number of `text`, which is added when it is new.
  uint32_t Intern(std::string_view text);
  std::string_view Text(uint32_t symbol) const {
    return std::string_view(encoded_).substr(symbols_[symbol].begin, symbols_[symbol].size);
  }
  // All symbols in their order, encoded as the field `symbols` of a request.
  const std::string& encoded() const { return encoded_; }

 private:
  struct Symbol {
    uint32_t begin;  // of the text in encoded_
    uint32_t size;
    uint32_t hash;
  };

  void Add(std::string_view text, uint32_t hash);
  void Grow();

  std::string encoded_;
  std::vector<Symbol> symbols_;
  // Open addressing: the number of a symbol, 0 = free. A power of two, at most half full.
  std::vector<uint32_t> slots_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_SYMBOL_TABLE_H_
