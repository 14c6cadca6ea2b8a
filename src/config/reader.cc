#define TOML_IMPLEMENTATION
#include "config/reader.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "spanmeter/quote.h"
#include "spanmeter/toml_text.h"
#include "spanmeter/units.h"

namespace spanmeter {

namespace {

constexpr size_t kMaxElements = 1000;

bool IsVariableName(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character c = ReadUtf8Character(text);
    if (!c.valid) return false;
    text.remove_prefix(c.size);
  }
  return true;
}

// The parser's description of an error without what it quotes of a value, which may be a secret.
// Single characters and names stay.
std::string WithoutValue(std::string_view description) {
  constexpr std::array<std::string_view, 3> kBeginnings = {"saw '", "interpret '", ": '"};
  for (const std::string_view beginning : kBeginnings) {
    const size_t found = description.find(beginning);
    if (found == std::string_view::npos) continue;
    const size_t begin = found + beginning.size();
    const size_t end = description.rfind('\'');
    if (end <= begin || ReadUtf8Character(description.substr(begin)).size == end - begin) continue;
    return std::string(description.substr(0, begin)).append("...").append(description.substr(end));
  }
  return std::string(description);
}

// Whether the value at `inner` is the one at `outer` or a part of it.
bool IsWithin(std::string_view inner, std::string_view outer) {
  if (!inner.starts_with(outer)) return false;
  return inner.size() == outer.size() || inner[outer.size()] == '.' || inner[outer.size()] == '[';
}

}  // namespace

std::string ChildPath(const std::string& table_path, std::string_view key) {
  return table_path.empty() ? FormatKey(key) : table_path + "." + FormatKey(key);
}

std::string ElementPath(const std::string& array_path, size_t index) {
  return array_path + "[" + std::to_string(index) + "]";
}

std::string_view TypeName(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a table";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a float";
    case toml::node_type::boolean:
      return "a boolean";
    case toml::node_type::none:
    case toml::node_type::date:
    case toml::node_type::time:
    case toml::node_type::date_time:
      break;
  }
  return "a date or time";
}

const toml::table* ConfigReader::ParseDocument(std::string_view text) {
  toml::parse_result result = toml::parse(text);
  if (!result) {
    const toml::parse_error& error = result.error();
    std::string message = "cannot parse as TOML: ";
    AppendEscaped(WithoutValue(error.description()), &message);
    problems_.push_back({static_cast<int>(error.source().begin.line), std::move(message)});
    return nullptr;
  }
  document_ = std::move(result).table();
  IndexLines(document_, "");
  return &document_;
}

void ConfigReader::IndexLines(const toml::node& node, const std::string& path) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& [key, child] : *table) {
      const std::string child_path = ChildPath(path, key.str());
      lines_[child_path] = static_cast<int>(key.source().begin.line);
      IndexLines(child, child_path);
    }
  } else if (const toml::array* array = node.as_array()) {
    for (size_t i = 0; i < array->size(); ++i) {
      const std::string child_path = ElementPath(path, i);
      lines_[child_path] = static_cast<int>((*array)[i].source().begin.line);
      IndexLines((*array)[i], child_path);
    }
  }
}

int ConfigReader::LineOf(std::string path) const {
  while (!path.empty()) {
    const auto it = lines_.find(path);
    if (it != lines_.end()) return it->second;
    const size_t end = path.find_last_of(".[");
    path.resize(end == std::string::npos ? 0 : end);
  }
  return 0;
}

std::optional<bool> ConfigReader::Bool(const ConfigValue& value) {
  if (const auto* boolean = value.node->as_boolean()) return boolean->get();
  WrongType(value, "true or false");
  return std::nullopt;
}

std::optional<std::string> ConfigReader::String(const ConfigValue& value) {
  if (const auto* string = value.node->as_string()) return Expand(value, string->get());
  WrongType(value, "a string");
  return std::nullopt;
}

std::optional<uint64_t> ConfigReader::Integer(const ConfigValue& value, uint64_t min,
                                              uint64_t max) {
  const auto* integer = value.node->as_integer();
  if (integer == nullptr) {
    WrongType(value, "an integer");
    return std::nullopt;
  }
  const int64_t number = integer->get();
  if (number < 0 || static_cast<uint64_t>(number) < min || static_cast<uint64_t>(number) > max) {
    Problem(value, "= " + std::to_string(number) + " is out of range: " + std::to_string(min) +
                       " to " + std::to_string(max));
    return std::nullopt;
  }
  return static_cast<uint64_t>(number);
}

std::optional<double> ConfigReader::Number(const ConfigValue& value, double min) {
  double number = 0;
  if (const auto* floating = value.node->as_floating_point()) {
    number = floating->get();
  } else if (const auto* integer = value.node->as_integer()) {
    number = static_cast<double>(integer->get());
  } else {
    WrongType(value, "a number");
    return std::nullopt;
  }
  if (!std::isfinite(number)) {
    Problem(value, "must be a finite number");
    return std::nullopt;
  }
  if (number < min) {
    Problem(value, "= " + FormatNumber(number) + " is out of range: at least " + FormatNumber(min));
    return std::nullopt;
  }
  return number;
}

std::optional<uint64_t> ConfigReader::ByteSize(const ConfigValue& value, uint64_t min,
                                               uint64_t max) {
  if (!value.node->is_string()) {
    WrongType(value, "a size in a string, like \"16MiB\"");
    return std::nullopt;
  }
  const std::optional<std::string> text = String(value);
  if (!text) return std::nullopt;
  std::string error;
  const std::optional<uint64_t> bytes = ParseByteSize(*text, &error);
  if (!bytes) {
    Problem(value, "= " + Quoted(*text) + " " + error);
    return std::nullopt;
  }
  if (*bytes < min || *bytes > max) {
    Problem(value, "= " + Quoted(*text) + " is out of range: " + FormatByteSize(min) + " to " +
                       FormatByteSize(max));
    return std::nullopt;
  }
  return bytes;
}

std::optional<int64_t> ConfigReader::Duration(const ConfigValue& value, int64_t min, int64_t max) {
  if (!value.node->is_string()) {
    WrongType(value, "a duration in a string, like \"15s\"");
    return std::nullopt;
  }
  const std::optional<std::string> text = String(value);
  if (!text) return std::nullopt;
  std::string error;
  const std::optional<int64_t> nanos = ParseDuration(*text, &error);
  if (!nanos) {
    Problem(value, "= " + Quoted(*text) + " " + error);
    return std::nullopt;
  }
  if (*nanos < min || *nanos > max) {
    Problem(value, "= " + Quoted(*text) + " is out of range: " + FormatDuration(min) + " to " +
                       FormatDuration(max));
    return std::nullopt;
  }
  return nanos;
}

const toml::table* ConfigReader::Table(const ConfigValue& value) {
  const toml::table* table = value.node->as_table();
  if (table == nullptr) WrongType(value, "a table");
  return table;
}

const toml::array* ConfigReader::Array(const ConfigValue& value) {
  const toml::array* array = value.node->as_array();
  if (array == nullptr) {
    WrongType(value, "a list");
    return nullptr;
  }
  if (array->size() > kMaxElements) {
    Problem(value, "has " + std::to_string(array->size()) + " elements: at most " +
                       std::to_string(kMaxElements) + " are allowed");
    return nullptr;
  }
  return array;
}

void ConfigReader::WrongType(const ConfigValue& value, std::string_view expected) {
  std::string message = "must be ";
  message.append(expected).append(", but is ").append(TypeName(*value.node));
  Problem(value, message);
}

std::optional<std::string> ConfigReader::Expand(const ConfigValue& value, std::string_view text) {
  std::string expanded;
  for (size_t pos = 0; pos < text.size();) {
    const std::string_view rest = text.substr(pos);
    if (rest.starts_with("$${")) {
      expanded.append("${");
      pos += 3;
      continue;
    }
    if (!rest.starts_with("${")) {
      expanded.push_back(rest[0]);
      ++pos;
      continue;
    }
    const size_t end = rest.find('}');
    const std::string name(rest.substr(2, end == std::string_view::npos ? 0 : end - 2));
    if (!IsVariableName(name)) {
      Problem(value,
              "has a ${ that begins no ${NAME} of an environment variable: write $${ for a "
              "literal ${");
      return std::nullopt;
    }
    const std::optional<std::string> variable = environment_(name);
    if (!variable) {
      Problem(value, "refers to the environment variable " + name + ", which is not set");
      return std::nullopt;
    }
    if (!IsUtf8(*variable)) {
      Problem(value, "refers to the environment variable " + name + ", which is not valid UTF-8");
      return std::nullopt;
    }
    expanded.append(*variable);
    pos += end + 1;
  }
  return expanded;
}

void ConfigReader::Problem(const ConfigValue& value, std::string_view message) {
  Report(value.path, value.path + " " + std::string(message));
}

bool ConfigReader::IsBad(const std::string& path) const {
  return std::any_of(bad_paths_.begin(), bad_paths_.end(), [&path](const std::string& bad) {
    return IsWithin(bad, path) || IsWithin(path, bad);
  });
}

void ConfigReader::LaterProblem(const std::string& path, std::string_view message,
                                const std::string& other) {
  if (IsBad(path) || (!other.empty() && IsBad(other))) return;
  const bool is_about_other = !lines_.contains(path) && lines_.contains(other);
  problems_.push_back({LineOf(is_about_other ? other : path), std::string(path).append(message)});
}

void ConfigReader::Report(const std::string& path, std::string message) {
  problems_.push_back({LineOf(path), std::move(message)});
  bad_paths_.insert(path);
}

std::vector<ConfigProblem> ConfigReader::TakeProblems() {
  std::stable_sort(problems_.begin(), problems_.end(),
                   [](const ConfigProblem& a, const ConfigProblem& b) { return a.line < b.line; });
  return std::exchange(problems_, {});
}

}  // namespace spanmeter
