#include "spanmeter/suggestion.h"

#include <algorithm>
#include <cstddef>

namespace spanmeter {

namespace {

// Longer names than this are no slips of ours, and comparing takes their product.
constexpr size_t kMaxLength = 100;
// A name that contains a known one of this length is meant to be that one.
constexpr size_t kMinContainedLength = 6;

std::string Normalize(std::string_view name) {
  std::string normal(name);
  for (char& c : normal) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if (c == '-') c = '_';
  }
  return normal;
}

// The number of letters to insert, remove, replace or exchange with their neighbour (the "optimal
// string alignment" distance).
size_t Distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    before_last.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

bool Contains(std::string_view longer, std::string_view shorter) {
  return shorter.size() >= kMinContainedLength && longer.find(shorter) != std::string_view::npos;
}

}  // namespace

std::string Suggest(std::string_view written, const std::vector<std::string>& known) {
  if (written.size() > kMaxLength) return "";
  const std::string normal = Normalize(written);
  std::string best;
  size_t best_distance = std::max<size_t>(1, normal.size() / 3) + 1;
  for (const std::string& name : known) {
    const size_t distance = Distance(normal, Normalize(name));
    if (distance < best_distance) {
      best = name;
      best_distance = distance;
    }
  }
  if (!best.empty()) return best;
  for (const std::string& name : known) {
    const std::string other = Normalize(name);
    if (Contains(normal, other) || Contains(other, normal)) return name;
  }
  return "";
}

}  // namespace spanmeter
