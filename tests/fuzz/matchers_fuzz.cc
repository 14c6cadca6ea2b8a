// Fuzzes the selection of series, against a plain parser of the same language and plain
// comparisons. Expressions are only known to the model where they are literal.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "admin/matchers.h"
#include "fuzz/fuzz_input.h"

namespace spanmeter {
namespace {

using testing::Check;
using testing::FuzzInput;

struct Condition {
  std::string name;
  std::string op;
  std::string value;
};

// Reads a selector by trying each rule of the grammar in its place. Throws nothing: what cannot be
// read makes everything after it fail.
class PlainParser {
 public:
  explicit PlainParser(std::string_view text) : text_(text) {}

  std::optional<std::vector<Condition>> Parse() {
    Spaces();
    const std::string metric = Name(/*colons=*/true);
    if (!metric.empty()) conditions_.push_back({"__name__", "=", metric});
    Spaces();
    if (Take("{")) List();
    Spaces();
    if (failed_ || at_ != text_.size()) return std::nullopt;
    return conditions_;
  }

 private:
  char Now() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool Take(std::string_view token) {
    if (text_.substr(at_, token.size()) != token) return false;
    at_ += token.size();
    return true;
  }
  void Spaces() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(Now()) < 4) ++at_;
  }
  std::string Name(bool colons) {
    static constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static constexpr std::string_view kDigits = "0123456789";
    const auto is_in = [](std::string_view set, char c) { return set.find(c) != set.npos; };
    std::string name;
    while (is_in(kLetters, Now()) || (colons && Now() == ':') ||
           (!name.empty() && is_in(kDigits, Now()))) {
      name += text_[at_++];
    }
    return name;
  }
  void List() {
    Spaces();
    if (failed_ || Take("}")) return;
    Condition condition;
    condition.name = Name(/*colons=*/false);
    Spaces();
    for (const char* op : {"=~", "!~", "!=", "="}) {
      if (condition.op.empty() && Take(op)) condition.op = op;
    }
    Spaces();
    if (condition.name.empty() || condition.op.empty() || !String(&condition.value)) {
      failed_ = true;
      return;
    }
    conditions_.push_back(condition);
    Spaces();
    if (Take(",")) return List();
    if (!Take("}")) failed_ = true;
  }
  bool String(std::string* value) {
    const char quote = Now();
    if (quote != '"' && quote != '\'' && quote != '`') return false;
    ++at_;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == quote) {
        ++at_;
        return true;
      }
      if (c != '\\' || quote == '`') {
        *value += c;
        continue;
      }
      ++at_;
      if (!Escape(value)) return false;
    }
    return false;
  }
  // At the character behind the backslash; ends at the last one of the escape.
  bool Escape(std::string* value) {
    static const std::map<char, char> kSingle = {
        {'a', '\a'}, {'b', '\b'}, {'f', '\f'},  {'n', '\n'}, {'r', '\r'},
        {'t', '\t'}, {'v', '\v'}, {'\\', '\\'}, {'"', '"'},  {'\'', '\''}};
    if (at_ >= text_.size()) return false;
    const char c = Now();
    if (const auto single = kSingle.find(c); single != kSingle.end()) {
      *value += single->second;
      return true;
    }
    if (c >= '0' && c <= '7') {
      const uint64_t code = Digits(3, "01234567");
      if (code > 0xFF) return false;
      *value += static_cast<char>(code);
      return true;
    }
    const size_t count = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (count == 0) return false;
    ++at_;
    const uint64_t code = Digits(count, "0123456789abcdef");
    if (count == 2 && code <= 0xFF) {
      *value += static_cast<char>(code);
      return true;
    }
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return false;
    if (code < 0x80) {
      *value += static_cast<char>(code);
      return true;
    }
    // From the last byte to the first.
    std::string bytes;
    uint64_t rest = code;
    uint64_t room = 0x3F;
    while (rest > room) {
      bytes.insert(bytes.begin(), static_cast<char>(0x80 + rest % 64));
      rest /= 64;
      room /= 2;
      if (bytes.size() == 1) room = 0x1F;
    }
    const uint64_t lead = bytes.size() == 1 ? 0xC0 : bytes.size() == 2 ? 0xE0 : 0xF0;
    value->append(1, static_cast<char>(lead + rest)).append(bytes);
    return true;
  }
  // More than any code when it is no number.
  uint64_t Digits(size_t count, std::string_view digits) {
    uint64_t code = 0;
    for (size_t i = 0; i < count; ++i) {
      char c = at_ + i < text_.size() ? text_[at_ + i] : ' ';
      if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
      const size_t digit = digits.find(c);
      if (digit == digits.npos) return ~uint64_t{0};
      code = code * digits.size() + digit;
    }
    at_ += count - 1;
    return code;
  }

  const std::string_view text_;
  size_t at_ = 0;
  bool failed_ = false;
  std::vector<Condition> conditions_;
};

constexpr std::string_view kNames[] = {"a", "b", "ab", "a1", "__name__", "_", "service"};
constexpr std::string_view kValues[] = {"x", "", "x y", "\"", "\\", "\n", "\u00e9", "a|b", "ab"};
constexpr std::string_view kPieces[] = {"{", "}", "=",  "!=", "=~",   "!~",   ",",     " ",
                                        "a", "b", "\"", "'",  "`",    "\\n",  "\\\"",  "\\u00e9",
                                        ":", "1", "x",  "",   "a|ab", "\\x4", "\\101", "\n"};

std::string Quoted(std::string_view value) {
  std::string text = "\"";
  for (const char c : value) {
    if (c == '\n') {
      text += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') text += '\\';
    text += c;
  }
  return text + "\"";
}

// What a literal expression matches; nothing when it is none.
std::optional<std::vector<std::string>> Alternatives(std::string_view regex) {
  std::vector<std::string> alternatives(1);
  for (const char c : regex) {
    if (c == '|') {
      alternatives.emplace_back();
    } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == ' ') {
      alternatives.back() += c;
    } else {
      return std::nullopt;
    }
  }
  return alternatives;
}

// Whether the value is what the condition asks for; nothing where the model does not know.
std::optional<bool> IsMet(const Condition& condition, const std::string& value) {
  const bool positive = condition.op[0] == '=';
  if (condition.op == "=" || condition.op == "!=") return (condition.value == value) == positive;
  const auto alternatives = Alternatives(condition.value);
  if (!alternatives) return std::nullopt;
  bool found = false;
  for (const std::string& alternative : *alternatives) found = found || alternative == value;
  return found == positive;
}

// Whether all conditions on names that `is_meant` says yes to are met.
template <typename IsMeant, typename ValueOf>
std::optional<bool> AllMet(const std::vector<Condition>& conditions, IsMeant is_meant,
                           ValueOf value_of) {
  std::optional<bool> all = true;
  for (const Condition& condition : conditions) {
    if (!is_meant(condition.name)) continue;
    const std::optional<bool> met = IsMet(condition, value_of(condition.name));
    if (met == std::optional(false)) return false;
    if (!met) all = std::nullopt;
  }
  return all;
}

void CheckMatches(const std::vector<Condition>& conditions, FuzzInput* input,
                  SeriesSelector* selector) {
  std::map<std::string, std::string> labels;
  for (size_t i = input->Choose(4); i > 0; --i) {
    const std::string name(input->Pick(kNames));
    const std::string value(input->Pick(kValues));
    if (name != "__name__" && !value.empty()) labels[name] = value;
  }
  std::string text;
  for (const auto& [name, value] : labels) {
    text.append(text.empty() ? "" : ",").append(name).append("=").append(Quoted(value));
  }
  const auto matches = AllMet(
      conditions, [](const std::string& name) { return name != "__name__"; },
      [&](const std::string& name) {
        const auto found = labels.find(name);
        return found == labels.end() ? std::string() : found->second;
      });
  const bool actual = selector->MatchesLabels(text);
  if (matches) Check(*matches == actual, "labels are matched differently: " + text);

  MetricInfo metric;
  metric.name = input->Pick(kNames);
  metric.type = input->Flip() ? MetricType::kHistogram : MetricType::kCounter;
  const auto is_named = [&](const std::string& metric_name) {
    return AllMet(
        conditions, [](const std::string& name) { return name == "__name__"; },
        [&](const std::string&) { return metric_name; });
  };
  std::optional<bool> named = is_named(metric.name);
  if (metric.type == MetricType::kHistogram) {
    for (const char* part : {"_bucket", "_count", "_sum"}) {
      const auto as_part = is_named(metric.name + part);
      if (named == std::optional(true)) break;
      named = !as_part || *as_part ? as_part : named;
    }
  }
  const bool is_selected = selector->MatchesMetric(metric);
  if (named) Check(*named == is_selected, "a metric is selected differently: " + metric.name);
}

void Run(FuzzInput* input) {
  std::string text;
  if (input->Flip()) {
    // A selector, as a rule.
    if (input->Flip()) text = input->Pick(kNames);
    text += "{";
    for (size_t i = input->Choose(4); i > 0; --i) {
      text.append(input->Pick(kNames))
          .append(input->Pick(std::string_view("=!")) == '=' ? "=" : "!");
      text.append(text.back() == '!' ? (input->Flip() ? "=" : "~") : (input->Flip() ? "~" : ""));
      text.append(Quoted(input->Pick(kValues))).append(",");
    }
    text += "}";
  } else {
    for (size_t i = input->Choose(30); i > 0; --i) {
      const size_t choice = input->Choose(std::size(kPieces) + 1);
      text += choice < std::size(kPieces) ? kPieces[choice] : input->Text(8);
    }
  }
  const auto expected = PlainParser(text).Parse();
  std::string problem;
  auto selector = SeriesSelector::Parse(text, &problem);
  Check(selector.has_value() == problem.empty(),
        "refused without a reason, or not refused with one");
  if (!expected) return Check(!selector, "nobody else can read: " + text);
  if (!selector) {
    bool has_regex = false;
    for (const Condition& condition : *expected) {
      has_regex = has_regex || (condition.op[1] == '~' && !Alternatives(condition.value));
    }
    return Check(has_regex, "cannot be read: " + text + ": " + problem);
  }
  for (int i = 0; i < 3; ++i) CheckMatches(*expected, input, &*selector);
}

}  // namespace
}  // namespace spanmeter

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  spanmeter::testing::FuzzInput input(data, size);
  spanmeter::Run(&input);
  return 0;
}
