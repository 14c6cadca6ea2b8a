#include "convert/converters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/quote.h"
#include "spanmeter/toml_text.h"
#include "spanmeter/units.h"

#include "convert/go_values.h"
#include "convert/variables.h"

namespace spanmeter {

namespace {

using Result = Converted::Result;

// Tempo's when it is told nothing else.
constexpr std::string_view kTempoHttpPort = "3200";
// Another port each time, so that two of them are no conflict.
constexpr std::string_view kAnyAddress = "127.0.0.1:0";
constexpr int64_t kMaxMebibytes = 1 << 20;
constexpr int64_t kMaxSeconds = int64_t{365} * 86'400;

constexpr const char* kSecretNote =
    "stands in the output and may be secret: let nobody else read that, or use a file or ${NAME}";
constexpr const char* kDefaultNote =
    "has a variable with a default, which spanmeter does not know: set the variable, or write the "
    "value";
constexpr const char* kVariableNote =
    "is a variable, which spanmeter knows in strings only: write the value";

Converted Failed(std::string why) { return {Result::kFailed, "", "", std::move(why)}; }
Converted Nothing() { return {}; }
Converted Value(const std::string& text, std::string note = "") {
  return {Result::kValue, text, text, std::move(note)};
}

std::string JoinNotes(std::string a, const std::string& b) {
  // Each of the few notes once, however many elements it is about.
  if (a.find(b) != std::string::npos) return a;
  return a.empty() ? b : a + "; " + b;
}

bool HasVariable(const YamlNode& value) {
  return value.IsScalar() && ConvertVariables(value.text).has_variable;
}

// For values that cannot be variables: the text itself, or a variable's default.
struct Literal {
  std::optional<std::string> text;
  std::string note;  // when there is a text: where it is from
};

Literal LiteralOf(const YamlNode& value) {
  if (!value.IsScalar()) return {};
  if (!HasVariable(value)) return {value.text, ""};
  return {DefaultOfVariable(value.text),
          "is a variable, which spanmeter knows in strings only: its default was taken"};
}

// The text of a scalar read by `read`, then written by `write`.
template <typename Read, typename Write>
Converted ConvertLiteral(const YamlNode& value, const char* expected, Read read, Write write) {
  const Literal literal = LiteralOf(value);
  if (!literal.text) return Failed(HasVariable(value) ? kVariableNote : expected);
  const auto result = read(*literal.text);
  if (!result) return Failed(expected);
  return Value(write(*result), literal.note);
}

std::optional<int64_t> ReadWholeNumber(const std::string& text) {
  if (const auto integer = ReadGoInteger(text)) return integer;
  const auto number = ReadGoNumber(text);
  constexpr double kExact = 9007199254740992.0;  // 2^53
  if (!number || std::trunc(*number) != *number || std::abs(*number) > kExact) return std::nullopt;
  return static_cast<int64_t>(*number);
}

// A list whose elements are converted by `convert`.
template <typename Convert>
Converted ConvertList(const YamlNode& value, Convert convert, bool one_a_line) {
  if (!value.IsList()) return Failed("is no list: write one");
  std::vector<std::string> texts;
  std::vector<std::string> samples;
  std::string note;
  for (const YamlNode& item : value.items) {
    Converted element = convert(item);
    if (element.result == Result::kNothing) continue;
    if (element.result == Result::kFailed) return Failed("has an element that " + element.note);
    texts.push_back(std::move(element.text));
    samples.push_back(std::move(element.sample));
    note = JoinNotes(std::move(note), element.note);
  }
  return {Result::kValue, FormatList(texts, one_a_line), FormatList(samples, one_a_line), note};
}

// One key of an inline table.
struct TableKey {
  std::string_view name;
  Converter convert;
};

// A map as an inline table; what it does not know makes it fail, because half a rule is another
// rule.
template <size_t n>
Converted ConvertTable(const YamlNode& value, const std::array<TableKey, n>& keys) {
  if (!value.IsMap()) return Failed("is no map: write one");
  std::string text = "{";
  std::string sample = "{";
  std::string note;
  for (const YamlEntry& entry : value.entries) {
    const auto* const key = std::find_if(keys.begin(), keys.end(),
                                         [&](const TableKey& k) { return k.name == entry.key; });
    if (key == keys.end()) return Failed("has the unknown key " + Quoted(entry.key));
    if (entry.value.IsNull()) continue;
    const Converted converted = key->convert(entry.value, value);
    if (converted.result == Result::kNothing) continue;
    if (converted.result == Result::kFailed) {
      return Failed("has a key " + entry.key + " that " + converted.note);
    }
    const std::string separator = text.size() > 1 ? ", " : "";
    text.append(separator).append(entry.key).append(" = ").append(converted.text);
    sample.append(separator).append(entry.key).append(" = ").append(converted.sample);
    note = JoinNotes(std::move(note), converted.note);
  }
  return {Result::kValue, text + "}", sample + "}", note};
}

// The value of a filter's attribute, whose type counts.
Converted ConvertFilterValue(const YamlNode& value, const YamlNode& parent) {
  if (!value.IsScalar() || !value.is_plain || HasVariable(value)) {
    return ConvertString(value, parent);
  }
  struct Writer {
    const YamlNode& value;
    Converted operator()(std::monostate) const { return ConvertString(value, value); }
    Converted operator()(bool b) const { return Value(b ? "true" : "false"); }
    Converted operator()(int64_t i) const { return Value(std::to_string(i)); }
    Converted operator()(double d) const { return Value(FormatNumber(d)); }
  };
  return std::visit(Writer{value}, ResolveGoValue(value.text));
}

Converted ConvertFilterAttributes(const YamlNode& value, const YamlNode& /*parent*/) {
  static constexpr std::array<TableKey, 2> kKeys = {
      {{"key", ConvertString}, {"value", ConvertFilterValue}}};
  return ConvertList(
      value, [](const YamlNode& item) { return ConvertTable(item, kKeys); }, false);
}

Converted ConvertFilterMatch(const YamlNode& value, const YamlNode& /*parent*/) {
  static constexpr std::array<TableKey, 2> kKeys = {
      {{"match_type", ConvertString}, {"attributes", ConvertFilterAttributes}}};
  return ConvertTable(value, kKeys);
}

// Prometheus does not mind the case of an action.
Converted ConvertRelabelAction(const YamlNode& value, const YamlNode& parent) {
  YamlNode lower = value;
  std::transform(lower.text.begin(), lower.text.end(), lower.text.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return ConvertString(lower, parent);
}

// A string that takes `sample` for its check when all of it is a variable.
Converted ConvertStringLike(const YamlNode& value, std::string_view sample) {
  if (!value.IsScalar()) return Failed("is no text: write one");
  const VariableText text = ConvertVariables(value.text);
  const std::string quoted = Quoted(text.text);
  return {Result::kValue, quoted, text.is_variable ? Quoted(sample) : quoted,
          text.has_default ? kDefaultNote : ""};
}

bool IsEmptyScalar(const YamlNode& value) { return value.IsScalar() && value.text.empty(); }

// Whether a URL has a password that is no variable.
bool HasPassword(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return false;
  const std::string_view authority = url.substr(scheme + 3, url.find('/', scheme + 3) - scheme - 3);
  const size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return false;
  const size_t colon = authority.find(':');
  if (colon == std::string_view::npos || colon > at) return false;
  return !ConvertVariables(authority.substr(colon + 1, at - colon - 1)).is_variable;
}

// An address as spanmeter wants it: with a host, IPv6 in brackets.
std::string WithHost(std::string_view host, std::string_view port) {
  std::string address;
  if (host.empty()) {
    address = "[::]";  // what Go listens at
  } else if (host.find(':') != std::string_view::npos && !host.starts_with('[')) {
    address.append("[").append(host).append("]");
  } else {
    address = host;
  }
  return address.append(":").append(port);
}

// Whether it is neither an address nor localhost.
bool IsMachineName(std::string_view host) {
  return host != "localhost" && host.find(':') == std::string_view::npos &&
         host.find_first_not_of("0123456789.") != std::string_view::npos;
}

Converted ConvertAddress(const std::string& address) {
  YamlNode node;
  node.kind = YamlNode::Kind::kScalar;
  node.text = address;
  Converted converted = ConvertStringLike(node, kAnyAddress);
  // Part of it may be a variable, too.
  if (HasVariable(node)) converted.sample = Quoted(kAnyAddress);
  return converted;
}

}  // namespace

Converted ConvertBool(const YamlNode& value, const YamlNode& /*parent*/) {
  return ConvertLiteral(value, "is neither true nor false", ReadGoBool,
                        [](bool b) { return std::string(b ? "true" : "false"); });
}

Converted ConvertInteger(const YamlNode& value, const YamlNode& /*parent*/) {
  return ConvertLiteral(value, "is no whole number", ReadWholeNumber,
                        [](int64_t i) { return std::to_string(i); });
}

Converted ConvertNumber(const YamlNode& value, const YamlNode& /*parent*/) {
  return ConvertLiteral(value, "is no number", ReadGoNumber, FormatNumber);
}

Converted ConvertPositiveNumber(const YamlNode& value, const YamlNode& parent) {
  Converted converted = ConvertNumber(value, parent);
  return converted.text == "0.0" ? Nothing() : converted;
}

Converted ConvertString(const YamlNode& value, const YamlNode& /*parent*/) {
  return ConvertStringLike(value, "1");
}

Converted ConvertNonEmptyString(const YamlNode& value, const YamlNode& parent) {
  return IsEmptyScalar(value) ? Nothing() : ConvertString(value, parent);
}

Converted ConvertLabelName(const YamlNode& value, const YamlNode& /*parent*/) {
  return IsEmptyScalar(value) ? Nothing() : ConvertStringLike(value, "a");
}

Converted ConvertUrl(const YamlNode& value, const YamlNode& /*parent*/) {
  if (IsEmptyScalar(value)) return Nothing();
  Converted converted = ConvertStringLike(value, "http://localhost");
  if (value.IsScalar() && HasPassword(value.text)) converted.note = kSecretNote;
  return converted;
}

Converted ConvertSecret(const YamlNode& value, const YamlNode& parent) {
  if (IsEmptyScalar(value)) return Nothing();
  Converted converted = ConvertString(value, parent);
  if (converted.result == Result::kValue && !ConvertVariables(value.text).is_variable) {
    converted.note = kSecretNote;
  }
  return converted;
}

Converted ConvertStringList(const YamlNode& value, const YamlNode& /*parent*/) {
  return ConvertList(
      value, [](const YamlNode& item) { return ConvertString(item, item); }, false);
}

Converted ConvertBuckets(const YamlNode& value, const YamlNode& /*parent*/) {
  return ConvertList(
      value, [](const YamlNode& item) { return ConvertNumber(item, item); }, false);
}

Converted ConvertDuration(const YamlNode& value, const YamlNode& /*parent*/) {
  if (HasVariable(value)) return ConvertStringLike(value, "1m");
  return ConvertLiteral(value, "is no duration", ReadGoDuration,
                        [](int64_t nanos) { return Quoted(FormatDuration(nanos)); });
}

Converted ConvertPositiveDuration(const YamlNode& value, const YamlNode& parent) {
  Converted converted = ConvertDuration(value, parent);
  return converted.text == "\"0s\"" ? Nothing() : converted;
}

Converted ConvertProcessors(const YamlNode& value, const YamlNode& /*parent*/) {
  // What a later version of Tempo has as well is better reported than guessed.
  constexpr std::array<std::string_view, 9> kKnown = {"span-metrics",
                                                      "span-metrics-count",
                                                      "span-metrics-latency",
                                                      "span-metrics-size",
                                                      "service-graphs",
                                                      "service-graphs-request",
                                                      "service-graphs-latency",
                                                      "service-graphs-connection-info",
                                                      "host-info"};
  if (!value.IsList()) return Failed("is no list: write one");
  std::vector<std::string> names;
  std::string missing;
  for (const YamlNode& item : value.items) {
    if (std::find(kKnown.begin(), kKnown.end(), item.text) != kKnown.end()) {
      if (std::find(names.begin(), names.end(), item.text) == names.end()) {
        names.push_back(item.text);
      }
      continue;
    }
    if (!missing.empty()) missing += ", ";
    missing += item.IsScalar() ? Quoted(item.text) : "a list or map";
  }
  return Value(FormatStringList(names),
               missing.empty() ? "" : "has what spanmeter does not: " + missing + " was left out");
}

Converted ConvertFilterPolicies(const YamlNode& value, const YamlNode& /*parent*/) {
  static constexpr std::array<TableKey, 3> kKeys = {{{"include", ConvertFilterMatch},
                                                     {"include_any", ConvertFilterMatch},
                                                     {"exclude", ConvertFilterMatch}}};
  return ConvertList(
      value, [](const YamlNode& item) { return ConvertTable(item, kKeys); }, true);
}

Converted ConvertDimensionMappings(const YamlNode& value, const YamlNode& /*parent*/) {
  static constexpr std::array<TableKey, 3> kKeys = {
      {{"name", ConvertString}, {"source_labels", ConvertStringList}, {"join", ConvertString}}};
  return ConvertList(
      value, [](const YamlNode& item) { return ConvertTable(item, kKeys); }, true);
}

Converted ConvertRelabelRules(const YamlNode& value, const YamlNode& /*parent*/) {
  static constexpr std::array<TableKey, 7> kKeys = {{{"source_labels", ConvertStringList},
                                                     {"separator", ConvertString},
                                                     {"regex", ConvertString},
                                                     {"modulus", ConvertInteger},
                                                     {"target_label", ConvertString},
                                                     {"replacement", ConvertString},
                                                     {"action", ConvertRelabelAction}}};
  return ConvertList(
      value, [](const YamlNode& item) { return ConvertTable(item, kKeys); }, true);
}

Converted ConvertEndpoint(const YamlNode& value, const YamlNode& /*parent*/) {
  if (!value.IsScalar()) return Failed("is no address: write host:port");
  // The last colon, but none of a variable's default.
  const size_t colon = value.text.rfind(':');
  if (HasVariable(value) || colon == std::string::npos) return ConvertAddress(value.text);
  const std::string_view host = std::string_view(value.text).substr(0, colon);
  Converted converted =
      ConvertAddress(WithHost(host, std::string_view(value.text).substr(colon + 1)));
  if (IsMachineName(host)) {
    converted.note =
        "has the name of a machine, which must be that of spanmeter's as well: 0.0.0.0 or [::] "
        "stands for all addresses";
  }
  return converted;
}

Converted ConvertHttpPort(const YamlNode& value, const YamlNode& parent) {
  if (!value.IsScalar()) return Failed("is no port");
  const YamlNode* const host = parent.Find("http_listen_address");
  Converted converted = ConvertAddress(WithHost(host != nullptr ? host->text : "", value.text));
  converted.note = JoinNotes(
      "is where spanmeter serves /metrics and its page: remove http.listen if Tempo goes on there",
      converted.note);
  return converted;
}

Converted ConvertHttpAddress(const YamlNode& value, const YamlNode& parent) {
  if (parent.Find("http_listen_port") != nullptr || IsEmptyScalar(value)) return Nothing();
  if (!value.IsScalar()) return Failed("is no host");
  return ConvertAddress(WithHost(value.text, kTempoHttpPort));
}

Converted ConvertMebibytes(const YamlNode& value, const YamlNode& /*parent*/) {
  const auto read = [](const std::string& text) -> std::optional<int64_t> {
    const auto number = ReadWholeNumber(text);
    return number && *number > 0 && *number <= kMaxMebibytes ? number : std::nullopt;
  };
  return ConvertLiteral(value, "is no size in MiB", read, [](int64_t mebibytes) {
    return Quoted(FormatByteSize(static_cast<uint64_t>(mebibytes) << 20));
  });
}

Converted ConvertBytes(const YamlNode& value, const YamlNode& /*parent*/) {
  if (value.IsScalar() && value.text == "0") return Nothing();
  const auto read = [](const std::string& text) -> std::optional<int64_t> {
    const auto number = ReadWholeNumber(text);
    return number && *number > 0 && *number <= kMaxMebibytes << 20 ? number : std::nullopt;
  };
  return ConvertLiteral(value, "is no size in bytes", read, [](int64_t bytes) {
    return Quoted(FormatByteSize(static_cast<uint64_t>(bytes)));
  });
}

Converted ConvertSeconds(const YamlNode& value, const YamlNode& /*parent*/) {
  if (value.IsScalar() && value.text == "0") return Nothing();
  const auto read = [](const std::string& text) -> std::optional<int64_t> {
    const auto number = ReadWholeNumber(text);
    return number && *number > 0 && *number <= kMaxSeconds ? number : std::nullopt;
  };
  return ConvertLiteral(value, "is no number of seconds", read, [](int64_t seconds) {
    return Quoted(FormatDuration(seconds * kNanosPerSecond));
  });
}

Converted ConvertGoTlsVersion(const YamlNode& value, const YamlNode& /*parent*/) {
  if (IsEmptyScalar(value)) return Nothing();
  if (value.text == "VersionTLS12") return Value("\"TLS12\"");
  if (value.text == "VersionTLS13") return Value("\"TLS13\"");
  return Failed("is a version that spanmeter does not take: it has TLS 1.2 and 1.3");
}

}  // namespace spanmeter
