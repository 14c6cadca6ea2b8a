#include "convert/yaml_tree.h"

#include <algorithm>
#include <cstddef>
#include <exception>
#include <map>
#include <utility>

#include <yaml-cpp/depthguard.h>
#include <yaml-cpp/yaml.h>

#include "spanmeter/convert.h"
#include "spanmeter/quote.h"

namespace spanmeter {

namespace {

// Far beyond what anybody configures. The parser itself stops at a nesting of about 500.
constexpr int kMaxDepth = 64;
// An alias is copied each time it is used, so that a few lines can stand for billions of nodes.
constexpr size_t kMaxNodes = 500'000;

constexpr std::string_view kMergeKey = "<<";

int LineOf(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }

// Copies the library's nodes.
class Copier {
 public:
  explicit Copier(YamlError* error) : error_(error) {}

  bool Copy(const YAML::Node& from, int depth, YamlNode* to) {
    to->line = LineOf(from.Mark());
    if (depth >= kMaxDepth) return Fail(to->line, "is nested too deeply: at most 64 levels");
    if (++nodes_ > kMaxNodes) {
      return Fail(to->line, "has more than 500000 values, aliases written out: make it smaller");
    }
    switch (from.Type()) {
      case YAML::NodeType::Undefined:
      case YAML::NodeType::Null:
        return true;
      case YAML::NodeType::Scalar:
        CopyScalar(from, to);
        return true;
      case YAML::NodeType::Sequence:
        to->kind = YamlNode::Kind::kList;
        for (const auto& item : from) {
          if (!Copy(item, depth + 1, &to->items.emplace_back())) return false;
        }
        return true;
      case YAML::NodeType::Map:
        return CopyMap(from, depth, to);
    }
    return true;
  }

 private:
  static void CopyScalar(const YAML::Node& from, YamlNode* to) {
    to->kind = YamlNode::Kind::kScalar;
    to->text = from.Scalar();
    to->is_plain = from.Tag() == "?";
    // These are null in Go's reading, which the library does not share.
    if (to->is_plain && (to->text == "Null" || to->text == "NULL"))
      to->kind = YamlNode::Kind::kNull;
  }

  bool CopyMap(const YAML::Node& from, int depth, YamlNode* to) {
    to->kind = YamlNode::Kind::kMap;
    std::map<std::string, int> lines;  // of the keys seen
    std::vector<YamlNode> merged;
    for (const auto& pair : from) {
      const int line = LineOf(pair.first.Mark());
      if (!pair.first.IsScalar()) {
        return Fail(line,
                    "has a key that is not a single word or text: write one before the colon");
      }
      const std::string& key = pair.first.Scalar();
      if (key == kMergeKey && pair.first.Tag() == "?") {
        if (!Copy(pair.second, depth + 1, &merged.emplace_back())) return false;
        continue;
      }
      const auto [seen, is_new] = lines.emplace(key, line);
      if (!is_new) {
        return Fail(line, "has a key that stands in line " + std::to_string(seen->second) +
                              " already: remove one of them");
      }
      YamlEntry& entry = to->entries.emplace_back();
      entry.key = key;
      entry.line = line;
      if (!Copy(pair.second, depth + 1, &entry.value)) return false;
    }
    for (YamlNode& node : merged) {
      if (!Merge(std::move(node), &lines, to)) return false;
    }
    return true;
  }

  // Adds what the map does not say itself.
  bool Merge(YamlNode from, std::map<std::string, int>* lines, YamlNode* to) {
    if (from.IsList()) {
      return std::all_of(from.items.begin(), from.items.end(),
                         [&](YamlNode& item) { return MergeMap(std::move(item), lines, to); });
    }
    return MergeMap(std::move(from), lines, to);
  }

  bool MergeMap(YamlNode from, std::map<std::string, int>* lines, YamlNode* to) {
    if (!from.IsMap()) return Fail(from.line, "merges (<<) what is no map: remove it");
    for (YamlEntry& entry : from.entries) {
      if (lines->emplace(entry.key, entry.line).second) to->entries.push_back(std::move(entry));
    }
    return true;
  }

  bool Fail(int line, std::string message) {
    // Once failed, everything around the value fails, too.
    if (error_->message.empty()) *error_ = {line, std::move(message)};
    return false;
  }

  YamlError* const error_;
  size_t nodes_ = 0;
};

// The library takes anything for text.
bool CheckText(std::string_view text, YamlError* error) {
  if (text.size() > kMaxConvertBytes) {
    *error = {0, "is larger than 8 MiB: this is no configuration"};
    return false;
  }
  int line = 1;
  while (!text.empty()) {
    const Utf8Character c = ReadUtf8Character(text);
    if (!c.valid || c.code_point == 0) {
      *error = {line, "is not text in UTF-8: save it as such"};
      return false;
    }
    if (c.code_point == '\n') ++line;
    text.remove_prefix(c.size);
  }
  return true;
}

std::optional<YamlNode> Parse(std::string_view text, YamlError* error) {
  const std::vector<YAML::Node> documents = YAML::LoadAll(std::string(text));
  YamlNode root;
  if (documents.empty()) return root;
  if (documents.size() > 1) {
    *error = {LineOf(documents[1].Mark()), "has several documents (---): give each in a file"};
    return std::nullopt;
  }
  if (!Copier(error).Copy(documents[0], 0, &root)) return std::nullopt;
  return root;
}

}  // namespace

const YamlNode* YamlNode::Find(std::string_view key) const {
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [key](const YamlEntry& entry) { return entry.key == key; });
  return found == entries.end() ? nullptr : &found->value;
}

std::optional<YamlNode> ParseYaml(std::string_view text, YamlError* error) {
  *error = {};
  if (!CheckText(text, error)) return std::nullopt;
  // The library reports everything by exceptions, which end here.
  try {
    return Parse(text, error);
  } catch (const YAML::DeepRecursion&) {
    *error = {0, "is nested too deeply: at most 64 levels"};
  } catch (const YAML::Exception& e) {
    // Its words are fixed, but for a character or the name of an anchor.
    std::string message = "cannot parse as YAML: ";
    AppendEscaped(e.msg, &message);
    if (text.find("${") != std::string_view::npos) {
      message += " (in {...} and [...] a value with ${NAME} needs quotes)";
    }
    *error = {LineOf(e.mark), std::move(message)};
  } catch (const std::exception&) {
    *error = {0, "cannot parse as YAML: it takes too much memory"};
  }
  return std::nullopt;
}

}  // namespace spanmeter
