#include "admin/matchers.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include <re2/re2.h>

#include "spanmeter/label_reader.h"

namespace spanmeter {

namespace {

constexpr std::string_view kName = "__name__";
// Of a compiled expression and of the states that matching finds, each.
constexpr int64_t kRegexBytes = 1 << 20;

// Colons are for the names of metrics.
bool IsNameChar(char c, bool first, bool is_metric) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (is_metric && c == ':') ||
         (!first && c >= '0' && c <= '9');
}

void AppendUtf8(uint32_t code, std::string* text) {
  if (code < 0x80) {
    text->push_back(static_cast<char>(code));
    return;
  }
  int shift = 6;
  if (code < 0x800) {
    text->push_back(static_cast<char>(0xC0 | code >> 6));
    shift = 0;
  } else if (code < 0x10000) {
    text->push_back(static_cast<char>(0xE0 | code >> 12));
  } else {
    text->push_back(static_cast<char>(0xF0 | code >> 18));
    shift = 12;
  }
  for (; shift >= 0; shift -= 6) {
    text->push_back(static_cast<char>(0x80 | (code >> shift & 0x3F)));
  }
}

}  // namespace

bool SeriesSelector::Matcher::Matches(std::string_view text) const {
  const bool same = regex == nullptr
                        ? text == value
                        : re2::RE2::FullMatch(re2::StringPiece(text.data(), text.size()), *regex);
  return same == is_equal;
}

class SeriesSelector::Parser {
 public:
  Parser(std::string_view text, SeriesSelector* result, std::string* problem)
      : text_(text), result_(*result), problem_(problem) {}

  bool Parse() {
    if (text_.size() > kMaxBytes) {
      return Fail("match is longer than " + std::to_string(kMaxBytes) + " bytes");
    }
    SkipSpace();
    const std::string metric = ReadName(/*is_metric=*/true);
    if (!metric.empty() && !Add(std::string(kName), "=", metric)) return false;
    SkipSpace();
    if (Skip('{') && !ParseMatchers()) return false;
    SkipSpace();
    return pos_ == text_.size() || Fail(At("the end was expected"));
  }

 private:
  bool ParseMatchers() {
    for (;;) {
      SkipSpace();
      if (Skip('}')) return true;
      const std::string name = ReadName(/*is_metric=*/false);
      if (name.empty()) return Fail(At("a label name or } was expected"));
      SkipSpace();
      const std::string_view op = ReadOperator();
      if (op.empty()) return Fail(At("=, !=, =~ or !~ was expected"));
      SkipSpace();
      std::string value;
      if (!ReadString(&value) || !Add(name, op, std::move(value))) return false;
      SkipSpace();
      if (Skip(',')) continue;
      return Skip('}') || Fail(At("a comma or } was expected"));
    }
  }

  bool Add(std::string name, std::string_view op, std::string value) {
    if (result_.name_matchers_.size() + result_.label_matchers_.size() == kMaxMatchers) {
      return Fail("match has more than " + std::to_string(kMaxMatchers) + " conditions");
    }
    auto& matchers = name == kName ? result_.name_matchers_ : result_.label_matchers_;
    Matcher& matcher = matchers.emplace_back();
    matcher.name = std::move(name);
    matcher.is_equal = op[0] == '=';
    if (op == "=" || op == "!=") {
      matcher.value = std::move(value);
      return true;
    }
    if (value.size() > kMaxRegexBytes) {
      return Fail("a regular expression in match is longer than " + std::to_string(kMaxRegexBytes) +
                  " bytes");
    }
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_dot_nl(true);
    options.set_max_mem(kRegexBytes);
    matcher.regex = std::make_unique<re2::RE2>(value, options);
    return matcher.regex->ok() ||
           Fail("match has a regular expression that cannot be used: " + matcher.regex->error());
  }

  void SkipSpace() {
    while (pos_ < text_.size() && (text_[pos_] == ' ' || text_[pos_] == '\t' ||
                                   text_[pos_] == '\n' || text_[pos_] == '\r')) {
      ++pos_;
    }
  }
  bool Skip(char c) {
    if (pos_ == text_.size() || text_[pos_] != c) return false;
    ++pos_;
    return true;
  }
  std::string ReadName(bool is_metric) {
    const size_t begin = pos_;
    while (pos_ < text_.size() && IsNameChar(text_[pos_], pos_ == begin, is_metric)) ++pos_;
    return std::string(text_.substr(begin, pos_ - begin));
  }
  std::string_view ReadOperator() {
    for (const std::string_view op : {"=~", "!~", "!=", "="}) {
      if (text_.substr(pos_).starts_with(op)) {
        pos_ += op.size();
        return op;
      }
    }
    return {};
  }

  bool ReadString(std::string* value) {
    if (pos_ == text_.size()) return Fail(At("a quoted value was expected"));
    const char quote = text_[pos_];
    if (quote != '"' && quote != '\'' && quote != '`') {
      return Fail(At("a quoted value was expected"));
    }
    ++pos_;
    while (pos_ < text_.size()) {
      const char c = text_[pos_++];
      if (c == quote) return true;
      if (c != '\\' || quote == '`') {
        value->push_back(c);
      } else if (!ReadEscape(value)) {
        return Fail(At("there is an escape that is not one of Go's"));
      }
    }
    return Fail("match ends within a quoted value");
  }

  bool ReadEscape(std::string* value) {
    if (pos_ == text_.size()) return false;
    constexpr std::string_view kFrom = "abfnrtv\\\"'";
    constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\\"'";
    const char c = text_[pos_++];
    if (const size_t i = kFrom.find(c); i != std::string_view::npos) {
      value->push_back(kTo[i]);
      return true;
    }
    uint32_t code = 0;
    if (c == 'x') return ReadDigits(2, 16, &code) && AppendByte(code, value);
    if (c >= '0' && c <= '7') {
      --pos_;
      return ReadDigits(3, 8, &code) && AppendByte(code, value);
    }
    if ((c != 'u' && c != 'U') || !ReadDigits(c == 'u' ? 4 : 8, 16, &code)) return false;
    if (code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) return false;
    AppendUtf8(code, value);
    return true;
  }

  bool ReadDigits(size_t count, uint32_t base, uint32_t* code) {
    for (size_t i = 0; i < count; ++i, ++pos_) {
      constexpr std::string_view kDigits = "0123456789abcdefABCDEF";
      size_t digit = pos_ < text_.size() ? kDigits.find(text_[pos_]) : std::string_view::npos;
      if (digit == std::string_view::npos) return false;
      if (digit >= 16) digit -= 6;
      if (digit >= base) return false;
      *code = *code * base + static_cast<uint32_t>(digit);
    }
    return true;
  }

  static bool AppendByte(uint32_t code, std::string* value) {
    if (code > 0xFF) return false;
    value->push_back(static_cast<char>(code));
    return true;
  }

  std::string At(const std::string& what) const {
    return "match cannot be read at byte " + std::to_string(pos_ + 1) + ": " + what +
           ", as in {service=\"cart\",span_name=~\"GET.*\"}";
  }
  bool Fail(std::string problem) {
    *problem_ = std::move(problem);
    return false;
  }

  const std::string_view text_;
  SeriesSelector& result_;
  std::string* const problem_;
  size_t pos_ = 0;
};

SeriesSelector::SeriesSelector() = default;
SeriesSelector::SeriesSelector(SeriesSelector&&) noexcept = default;
SeriesSelector& SeriesSelector::operator=(SeriesSelector&&) noexcept = default;
SeriesSelector::~SeriesSelector() = default;

std::optional<SeriesSelector> SeriesSelector::Parse(std::string_view text, std::string* problem) {
  SeriesSelector selector;
  if (!Parser(text, &selector, problem).Parse()) return std::nullopt;
  return selector;
}

bool SeriesSelector::MatchesName(std::string_view name) const {
  return std::all_of(name_matchers_.begin(), name_matchers_.end(),
                     [name](const Matcher& matcher) { return matcher.Matches(name); });
}

bool SeriesSelector::MatchesMetric(const MetricInfo& metric) const {
  if (name_matchers_.empty() || MatchesName(metric.name)) return true;
  if (metric.type != MetricType::kHistogram) return false;
  return MatchesName(metric.name + "_bucket") || MatchesName(metric.name + "_count") ||
         MatchesName(metric.name + "_sum");
}

bool SeriesSelector::MatchesLabels(std::string_view labels) {
  if (label_matchers_.empty()) return true;
  seen_.assign(label_matchers_.size(), false);
  LabelReader reader(labels);
  while (reader.Next()) {
    std::string_view value = reader.escaped_value();
    bool is_unescaped = !reader.has_escapes();
    for (size_t i = 0; i < label_matchers_.size(); ++i) {
      if (label_matchers_[i].name != reader.name()) continue;
      if (!is_unescaped) {
        unescaped_.resize(value.size());
        const char* const end = reader.PutValue(unescaped_.data());
        value = std::string_view(unescaped_.data(), static_cast<size_t>(end - unescaped_.data()));
        is_unescaped = true;
      }
      if (!label_matchers_[i].Matches(value)) return false;
      seen_[i] = true;
    }
  }
  for (size_t i = 0; i < label_matchers_.size(); ++i) {
    if (!seen_[i] && !label_matchers_[i].Matches({})) return false;
  }
  return true;
}

}  // namespace spanmeter
