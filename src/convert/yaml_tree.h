// A YAML document as plain data, of bounded size whatever the text does.

#ifndef SPANMETER_CONVERT_YAML_TREE_H_
#define SPANMETER_CONVERT_YAML_TREE_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace spanmeter {

struct YamlEntry;

// A value, with aliases and merge keys (<<) resolved.
struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };

  Kind kind = Kind::kNull;
  std::string text;       // of a scalar
  bool is_plain = false;  // a scalar without quotes, whose type follows from its text
  int line = 0;           // 1-based
  std::vector<YamlNode> items;
  std::vector<YamlEntry> entries;  // in the order of the text, with distinct keys

  bool IsNull() const { return kind == Kind::kNull; }
  bool IsScalar() const { return kind == Kind::kScalar; }
  bool IsList() const { return kind == Kind::kList; }
  bool IsMap() const { return kind == Kind::kMap; }
  // The value of a map's key, or null. Valid as long as this node.
  const YamlNode* Find(std::string_view key) const;
};

struct YamlEntry {
  std::string key;
  int line = 0;  // where the key stands, which for an alias is not where the value does
  YamlNode value;
};

struct YamlError {
  int line = 0;         // 1-based; 0 when it concerns the whole text
  std::string message;  // what is wrong, and what would be right; quotes nothing of the text
};

// Parses the one document in `text`. An empty text is null. On failure returns nullopt and fills
// *error.
std::optional<YamlNode> ParseYaml(std::string_view text, YamlError* error);

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_YAML_TREE_H_
