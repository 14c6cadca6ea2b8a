// The vocabulary in which the configuration's keys are declared: one line a key says where it
// stands, what it fills, its type and its range. Reading, printing and the checks of the
// documentation all work from these declarations.

#ifndef SPANMETER_CONFIG_KEY_H_
#define SPANMETER_CONFIG_KEY_H_

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spanmeter/quote.h"
#include "spanmeter/suggestion.h"
#include "spanmeter/toml_text.h"
#include "spanmeter/units.h"

#include "config/reader.h"

namespace spanmeter {

// One key of a table that fills a T.
template <typename T>
struct ConfigKey {
  // Below the table that T stands for; dots lead into tables: "span_metrics.dimensions".
  std::string name;
  std::function<void(const ConfigValue&, T*, ConfigReader*)> read;
  // The value as TOML that `read` reads back.
  std::function<std::string(const T&)> print;
  // Whether a table without this key is a mistake.
  bool required = false;
  // When set and true, there is nothing to print.
  std::function<bool(const T&)> is_absent = nullptr;
  // The names of the keys in it, when it is a table that is read and printed as a whole.
  std::vector<std::string> inner_names = {};

  ConfigKey Required() && {
    required = true;
    return std::move(*this);
  }
};

template <typename T>
using ConfigKeys = std::vector<ConfigKey<T>>;

template <typename T>
std::string FormatInlineTable(const ConfigKeys<T>& keys, const T& value) {
  std::string text = "{";
  for (const ConfigKey<T>& key : keys) {
    if (key.is_absent && key.is_absent(value)) continue;
    if (text.size() > 1) text.append(", ");
    text.append(key.name).append(" = ").append(key.print(value));
  }
  text.push_back('}');
  return text;
}

namespace config_internal {

// The names of the keys and tables directly below `prefix` ("" or "a.b.").
template <typename T>
std::vector<std::string> NamesBelow(const ConfigKeys<T>& keys, const std::string& prefix) {
  std::vector<std::string> names;
  for (const ConfigKey<T>& key : keys) {
    if (!key.name.starts_with(prefix)) continue;
    std::string name = key.name.substr(prefix.size());
    name.resize(std::min(name.size(), name.find('.')));
    if (names.empty() || names.back() != name) names.push_back(std::move(name));
  }
  return names;
}

// How the header of the table at `path` is written: without the places in lists.
inline std::string HeaderName(const std::string& path) {
  std::string name;
  bool is_index = false;
  for (const char c : path) {
    if (c == '[') is_index = true;
    if (!is_index) name.push_back(c);
    if (c == ']') is_index = false;
  }
  return name;
}

// The table that `name`, which stands in none of `keys` themselves, belongs to, or an empty text.
template <typename T>
std::string TableOf(const ConfigKeys<T>& keys, const std::string& name) {
  std::string found;
  for (const ConfigKey<T>& key : keys) {
    const size_t dot = key.name.rfind('.');
    if (dot != std::string::npos && key.name.substr(dot + 1) == name)
      return key.name.substr(0, dot);
    const auto& inner = key.inner_names;
    if (std::find(inner.begin(), inner.end(), name) == inner.end()) continue;
    if (!found.empty()) return "";  // it could be meant for either
    found = key.name;
  }
  return found;
}

// Says where the unknown key `written` may belong: here, or elsewhere under the same name.
template <typename T>
std::string HintFor(const ConfigKeys<T>& keys, const std::string& at, const std::string& prefix,
                    const std::string& written) {
  const std::vector<std::string> siblings = NamesBelow(keys, prefix);
  const std::string suggestion = Suggest(written, siblings);
  if (!suggestion.empty()) return "did you mean \"" + suggestion + "\"?";
  const std::string table = TableOf(keys, written);
  if (!table.empty()) {
    return "it belongs in [" + (at.empty() ? table : HeaderName(at) + "." + table) + "]";
  }
  std::string hint = siblings.size() == 1 ? "known here is " : "known here are ";
  for (size_t i = 0; i < siblings.size(); ++i) {
    if (i != 0) hint.append(i + 1 == siblings.size() ? " and " : ", ");
    hint.append(siblings[i]);
  }
  return hint;
}

}  // namespace config_internal

// Takes care of a key that no declaration names; false when it is unknown here as well.
using OtherKeyReader = std::function<bool(const ConfigValue&)>;

// Fills *target from the table `at` and notes every problem. `prefix` is for the recursion: which
// table of the keys, below the one that it began with, `at` is.
template <typename T>
void ReadTable(const ConfigValue& at, const ConfigKeys<T>& keys, T* target, ConfigReader* reader,
               const OtherKeyReader& other = nullptr, const std::string& prefix = "") {
  const std::string root =
      at.path.substr(0, at.path.size() - std::min(at.path.size(), prefix.size()));
  const toml::table* table = reader->Table(at);
  if (table == nullptr) return;
  for (const auto& [toml_key, node] : *table) {
    const std::string written = FormatKey(toml_key.str());
    const std::string name = prefix + written;
    const ConfigValue value = {ChildPath(at.path, toml_key.str()), &node};
    bool is_known = false;
    bool is_section = false;
    for (const ConfigKey<T>& key : keys) {
      if (key.name == name) {
        key.read(value, target, reader);
        is_known = true;
        break;
      }
      if (key.name.starts_with(name + ".")) is_section = true;
    }
    if (is_known) continue;
    if (is_section) {
      ReadTable(value, keys, target, reader, other, name + ".");
      continue;
    }
    if (other && other(value)) continue;
    reader->Report(value.path, "unknown key " + value.path + ": " +
                                   config_internal::HintFor(keys, root, prefix, written));
  }
  if (!prefix.empty()) return;
  for (const ConfigKey<T>& key : keys) {
    if (key.required && !table->contains(key.name)) {
      reader->Report(ChildPath(at.path, key.name), at.path + " has no " + key.name + ": add it");
    }
  }
}

// Makes the declarations. `field` is called with a T& and returns a reference to what the key
// fills.
template <typename T>
struct KeyOf {
  using Key = ConfigKey<T>;

  template <typename Field>
  static Key Bool(std::string name, Field field) {
    return Make(
        std::move(name), field, [](const ConfigValue& v, ConfigReader* r) { return r->Bool(v); },
        [](bool value) { return std::string(value ? "true" : "false"); });
  }

  // `check` returns what is wrong with a value, or an empty text.
  using StringCheck = std::string (*)(const std::string&);
  template <typename Field>
  static Key String(std::string name, Field field, StringCheck check = nullptr) {
    return Make(
        std::move(name), field,
        [check](const ConfigValue& v, ConfigReader* r) -> std::optional<std::string> {
          std::optional<std::string> text = r->String(v);
          const std::string wrong = text && check != nullptr ? check(*text) : "";
          if (wrong.empty()) return text;
          r->Problem(v, "= " + Quoted(*text) + " " + wrong);
          return std::nullopt;
        },
        FormatString);
  }

  // A string of which messages say only what is wrong with it; `shown` is what printing shows.
  template <typename Field>
  static Key HiddenString(std::string name, Field field, StringCheck check,
                          std::string (*shown)(const std::string&)) {
    return Make(
        std::move(name), field,
        [check](const ConfigValue& v, ConfigReader* r) -> std::optional<std::string> {
          std::optional<std::string> text = r->String(v);
          const std::string wrong = text && check != nullptr ? check(*text) : "";
          if (wrong.empty()) return text;
          r->Problem(v, wrong);
          return std::nullopt;
        },
        [shown](const std::string& text) { return FormatString(shown(text)); });
  }

  template <typename Field>
  static Key Integer(std::string name, Field field, uint64_t min, uint64_t max) {
    return Make(
        std::move(name), field,
        [min, max](const ConfigValue& v, ConfigReader* r) { return r->Integer(v, min, max); },
        [](uint64_t value) { return std::to_string(value); });
  }

  template <typename Field>
  static Key Number(std::string name, Field field, double min) {
    return Make(
        std::move(name), field,
        [min](const ConfigValue& v, ConfigReader* r) { return r->Number(v, min); }, FormatNumber);
  }

  template <typename Field>
  static Key ByteSize(std::string name, Field field, uint64_t min, uint64_t max) {
    return Make(
        std::move(name), field,
        [min, max](const ConfigValue& v, ConfigReader* r) { return r->ByteSize(v, min, max); },
        [](uint64_t value) { return Quoted(FormatByteSize(value)); });
  }

  template <typename Field>
  static Key Duration(std::string name, Field field, int64_t min, int64_t max) {
    return Make(
        std::move(name), field,
        [min, max](const ConfigValue& v, ConfigReader* r) { return r->Duration(v, min, max); },
        [](int64_t value) { return Quoted(FormatDuration(value)); });
  }

  // One of a few names.
  template <typename E, typename Field>
  static Key Enum(std::string name, Field field, std::vector<std::pair<std::string, E>> names) {
    const auto read = [names](const ConfigValue& v, ConfigReader* r) -> std::optional<E> {
      const std::optional<std::string> text = r->String(v);
      if (!text) return std::nullopt;
      std::string all;
      for (const auto& [known, value] : names) {
        if (known == *text) return value;
        if (!all.empty()) all.append(&known == &names.back().first ? " or " : ", ");
        all.append(Quoted(known));
      }
      r->Problem(v, "= " + Quoted(*text) + " is unknown: it must be " + all);
      return std::nullopt;
    };
    const auto print = [names](E value) {
      for (const auto& [known, known_value] : names) {
        if (known_value == value) return Quoted(known);
      }
      return std::string();
    };
    return Make(std::move(name), field, read, print);
  }

  template <typename Field>
  static Key StringList(std::string name, Field field) {
    return Make(
        std::move(name), field,
        [](const ConfigValue& v, ConfigReader* r) -> std::optional<std::vector<std::string>> {
          const toml::array* array = r->Array(v);
          if (array == nullptr) return std::nullopt;
          std::vector<std::string> strings;
          for (size_t i = 0; i < array->size(); ++i) {
            const auto text = r->String({ElementPath(v.path, i), &(*array)[i]});
            strings.push_back(text.value_or(""));
          }
          return strings;
        },
        FormatStringList);
  }

  // A table of any keys with strings.
  template <typename Field>
  static Key StringTable(std::string name, Field field, StringCheck check_key) {
    using Map = std::map<std::string, std::string>;
    return Make(
        std::move(name), field,
        [check_key](const ConfigValue& v, ConfigReader* r) -> std::optional<Map> {
          const toml::table* table = r->Table(v);
          if (table == nullptr) return std::nullopt;
          Map map;
          for (const auto& [key, node] : *table) {
            const ConfigValue value = {ChildPath(v.path, key.str()), &node};
            const std::string wrong = check_key(std::string(key.str()));
            if (!wrong.empty()) r->Problem(value, wrong);
            const std::optional<std::string> text = r->String(value);
            if (text && wrong.empty()) map[std::string(key.str())] = *text;
          }
          return map;
        },
        FormatStringTable,
        [](Map value, Map* target) {
          // What a tenant says is added to what it inherits.
          for (auto& [key, text] : value) (*target)[key] = std::move(text);
        });
  }

  // A table that fills an E, in an optional<E>.
  template <typename Field, typename E>
  static Key OptionalTable(std::string name, Field field, ConfigKeys<E> keys) {
    Key key;
    key.name = std::move(name);
    key.read = [field, keys](const ConfigValue& v, T* target, ConfigReader* r) {
      ReadTable(v, keys, &field(*target).emplace(), r);
    };
    key.print = [field, keys](const T& target) { return FormatInlineTable(keys, *field(target)); };
    key.is_absent = [field](const T& target) { return !field(target).has_value(); };
    for (const ConfigKey<E>& inner : keys) key.inner_names.push_back(inner.name);
    return key;
  }

  // A list of tables, each filling an E. Problems found later name elements by index, so elements
  // with problems stay in the list. `one_a_line` is for printing, where TOML allows line breaks.
  template <typename Field, typename E>
  static Key TableList(std::string name, Field field, ConfigKeys<E> keys, bool one_a_line) {
    Key key;
    key.name = std::move(name);
    key.read = [field, keys](const ConfigValue& v, T* target, ConfigReader* r) {
      const toml::array* array = r->Array(v);
      if (array == nullptr) return;
      auto& elements = field(*target);
      elements.clear();
      for (size_t i = 0; i < array->size(); ++i) {
        ReadTable({ElementPath(v.path, i), &(*array)[i]}, keys, &elements.emplace_back(), r);
      }
    };
    key.print = [field, keys, one_a_line](const T& target) {
      std::vector<std::string> elements;
      for (const E& element : field(target)) elements.push_back(FormatInlineTable(keys, element));
      return FormatList(elements, one_a_line);
    };
    return key;
  }

  // A key of the struct that `field` of a T is, under a longer name.
  template <typename Field, typename E>
  static Key Below(const std::string& prefix, Field field, const ConfigKey<E>& inner) {
    Key key;
    key.name = prefix + inner.name;
    key.read = [field, inner](const ConfigValue& v, T* target, ConfigReader* r) {
      inner.read(v, &field(*target), r);
    };
    key.print = [field, inner](const T& target) { return inner.print(field(target)); };
    return key;
  }

  // `read(value, reader)` returns an optional; `print(field)` TOML; `store(value, &field)` keeps
  // what was read.
  template <typename Field, typename Read, typename Print>
  static Key Make(std::string name, Field field, Read read, Print print) {
    return Make(std::move(name), field, read, print,
                [](auto value, auto* target) { *target = std::move(value); });
  }
  template <typename Field, typename Read, typename Print, typename Store>
  static Key Make(std::string name, Field field, Read read, Print print, Store store) {
    Key key;
    key.name = std::move(name);
    key.read = [field, read, store](const ConfigValue& v, T* target, ConfigReader* r) {
      if (auto value = read(v, r)) store(std::move(*value), &field(*target));
    };
    key.print = [field, print](const T& target) { return print(field(target)); };
    return key;
  }
};

}  // namespace spanmeter

#endif  // SPANMETER_CONFIG_KEY_H_
