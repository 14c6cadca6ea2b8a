#include "convert/remarks.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "spanmeter/quote.h"

namespace spanmeter {

namespace {

// Nobody reads more, and a file may have any number of unknown keys.
constexpr size_t kMaxRemarks = 500;

}  // namespace

std::string FormatPlace(std::string_view name, int line) {
  std::string text;
  AppendEscaped(name, &text);
  if (line > 0) text.append(":").append(std::to_string(line));
  return text;
}

void Remarks::Add(int order, std::string_view name, int line, std::string_view key,
                  std::string_view remark) {
  if (remarks_.size() == kMaxRemarks) {
    ++left_out_;
    return;
  }
  std::string text = FormatPlace(name, line);
  text.append(": ");
  AppendEscaped(key, &text);
  if (!key.empty()) text.push_back(' ');
  text.append(remark);
  remarks_.push_back({order, line, std::move(text)});
}

std::string Remarks::Print(std::string_view prefix) const {
  std::vector<Remark> sorted = remarks_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Remark& a, const Remark& b) {
    return a.order != b.order ? a.order < b.order : a.line < b.line;
  });
  std::string text;
  for (const Remark& remark : sorted) text.append(prefix).append(remark.text).push_back('\n');
  if (left_out_ > 0) {
    text.append(prefix).append("and ").append(std::to_string(left_out_)).append(" more\n");
  }
  return text;
}

}  // namespace spanmeter
