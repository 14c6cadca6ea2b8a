// The converted configuration while it is being put together.

#ifndef SPANMETER_CONVERT_TOML_OUTPUT_H_
#define SPANMETER_CONVERT_TOML_OUTPUT_H_

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace spanmeter {

struct TomlSetting {
  std::string key;     // below its section's table, as TOML
  std::string text;    // the value as TOML
  std::string sample;  // what takes its place when the configuration is checked
  std::string source;  // the comment behind it
};

// Not thread-safe.
class TomlOutput {
 public:
  TomlOutput();

  // Sets a key in the table `section`, such as "generator.span_metrics". What was set before is
  // replaced.
  void Set(const std::string& section, const TomlSetting& setting);
  // Sets a key below [tenants.NAME] and below the receiver `index`, in the order of these.
  void SetTenant(const std::string& name, const TomlSetting& setting);
  void SetReceiver(size_t index, const TomlSetting& setting);
  void AddReceiver() { receivers_.emplace_back(); }

  // Paths are those of keys, such as "generator.span_metrics.dimensions".
  bool Has(const std::string& path) const { return Find(path) != nullptr; }
  bool TenantHas(const std::string& name, std::string_view key) const;
  // Whether any of the tenant's keys begins so.
  bool TenantHasAny(const std::string& name, std::string_view prefix) const;
  bool ReceiverHas(size_t index, std::string_view key) const;
  // Whatever the case of its letters.
  bool ReceiverHasHeader(size_t index, const std::string& header) const;
  size_t receiver_count() const { return receivers_.size(); }
  // The value that is in force for all tenants: what was set, else spanmeter's default.
  std::string Effective(const std::string& path) const;

  // Leaves out what spanmeter does anyway: what equals the default and, for tenants, what they
  // inherit.
  void Prune();

  // The configuration. With `samples` what the checks see, and then *sources, unless null, gets the
  // source of each line.
  std::string Print(bool samples, std::vector<std::string>* sources) const;

 private:
  // A value as spanmeter prints it in its defaults, and the place in the order in which it does.
  struct Default {
    std::string text;
    size_t order = 0;
  };
  // By key, with the place in the order in which they were set first.
  struct Numbered {
    TomlSetting setting;
    size_t number = 0;
  };
  using Settings = std::map<std::string, Numbered, std::less<>>;

  // By the path of the key; those of a receiver begin with "remote_write.".
  static std::map<std::string, Default> ReadDefaults();
  static void Put(const TomlSetting& setting, Settings* settings);
  // In the order of spanmeter's own output. `prefix` leads from the settings to their defaults.
  std::vector<const TomlSetting*> Sorted(const std::string& prefix, const Settings& settings) const;
  const TomlSetting* Find(const std::string& path) const;

  const std::map<std::string, Default> defaults_;
  std::map<std::string, Settings> sections_;  // by the path of the table
  std::map<std::string, Settings> tenants_;
  std::vector<Settings> receivers_;
};

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_TOML_OUTPUT_H_
