// Typed access to a parsed TOML document that collects every problem instead of ending at the
// first.

#ifndef SPANMETER_CONFIG_READER_H_
#define SPANMETER_CONFIG_READER_H_

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/config.h"

#include "config/toml_library.h"

namespace spanmeter {

// A value in the document. `path` is how messages and look-ups name it, `generator.dimensions[2]`;
// it is empty for the document itself.
struct ConfigValue {
  std::string path;
  const toml::node* node = nullptr;
};

// The path of the entry `key` of a table and of the element `index` of an array.
std::string ChildPath(const std::string& table_path, std::string_view key);
std::string ElementPath(const std::string& array_path, size_t index);

// The type of a value for messages: "a string".
std::string_view TypeName(const toml::node& node);

// Not thread-safe. `environment` must outlive it.
class ConfigReader {
 public:
  explicit ConfigReader(const Environment& environment) : environment_(environment) {}

  // Parses the document; null when it is not TOML. The reader must outlive the uses of the result.
  const toml::table* ParseDocument(std::string_view text);

  // Each returns nullopt (or null) and notes a problem when the value is not of the type or not in
  // the range. In strings, ${NAME} is replaced by the environment variable.
  std::optional<bool> Bool(const ConfigValue& value);
  std::optional<std::string> String(const ConfigValue& value);
  std::optional<uint64_t> Integer(const ConfigValue& value, uint64_t min, uint64_t max);
  // A float or an integer; finite.
  std::optional<double> Number(const ConfigValue& value,
                               double min = std::numeric_limits<double>::lowest());
  std::optional<uint64_t> ByteSize(const ConfigValue& value, uint64_t min, uint64_t max);
  // In nanoseconds.
  std::optional<int64_t> Duration(const ConfigValue& value, int64_t min, int64_t max);
  const toml::table* Table(const ConfigValue& value);
  // At most 1000 elements, so that nothing built from a list can grow without bound.
  const toml::array* Array(const ConfigValue& value);

  // Notes that the value is wrong; `message` follows its path after a blank.
  void Problem(const ConfigValue& value, std::string_view message);
  // Notes a problem with the value at `path`; `message` is appended to the path. Its line is the
  // value's, else that of the value at `other`, which has part in the problem, else that of what
  // encloses the first. Does nothing when one of the two values, something in it or something
  // around it has a problem already: what is found afterwards would mostly be its consequence.
  void LaterProblem(const std::string& path, std::string_view message,
                    const std::string& other = "");
  // Notes a problem at `path` in words of its own.
  void Report(const std::string& path, std::string message);

  // All problems so far, by line.
  std::vector<ConfigProblem> TakeProblems();

 private:
  void IndexLines(const toml::node& node, const std::string& path);
  int LineOf(std::string path) const;
  bool IsBad(const std::string& path) const;
  void WrongType(const ConfigValue& value, std::string_view expected);
  std::optional<std::string> Expand(const ConfigValue& value, std::string_view text);

  const Environment& environment_;
  toml::table document_;
  std::map<std::string, int> lines_;  // by path
  std::set<std::string> bad_paths_;
  std::vector<ConfigProblem> problems_;
};

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_READER_H_
