// The walk through Tempo's configuration: what stands where, and what Tempo does where nothing
// stands.

#ifndef SPANMETER_CONVERT_TEMPO_CONVERTER_H_
#define SPANMETER_CONVERT_TEMPO_CONVERTER_H_

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convert/remarks.h"
#include "convert/table.h"
#include "convert/toml_output.h"
#include "convert/yaml_tree.h"

namespace spanmeter {

// One conversion. Not thread-safe.
class TempoConverter {
 public:
  // A file by the name that messages give it. What is referred to must outlive the converter.
  struct File {
    const std::string& name;
    const YamlNode& root;
  };

  // `tenant_overrides` may be null.
  TempoConverter(const File& config, const File* tenant_overrides);

  // REQUIRES: both roots are maps, and the second has overrides. To be called once.
  void Run();

  const TomlOutput& output() const { return output_; }
  const Remarks& remarks() const { return remarks_; }

 private:
  // Where values go, and where they come from.
  struct Place {
    enum class Kind { kConfig, kTenant, kReceiver };
    Kind kind = Kind::kConfig;
    std::string prefix;  // of targets in the configuration
    std::string tenant;
    size_t receiver = 0;
    const File* file = nullptr;
  };

  // Takes all of a map. `shown` is its path for messages, `path` that in `options`.
  void Walk(std::span<const TempoOption> options, const YamlNode& map, const Place& place,
            const std::string& shown, const std::string& path);
  void TakeEntry(std::span<const TempoOption> options, const YamlEntry& entry, const YamlNode& map,
                 const Place& place, const std::string& shown, const std::string& path);
  void Apply(const TempoOption& option, const YamlEntry& entry, const YamlNode& parent,
             const Place& place, const std::string& shown);
  void Put(const TempoOption& option, const YamlEntry& entry, const Converted& converted,
           const Place& place);

  // overrides of the configuration, in both forms.
  void TakeOverrides(const YamlEntry& overrides);
  // The overrides of one tenant or of all.
  void TakeLimits(const YamlNode& limits, const Place& place, const std::string& shown);
  // A key of the flat form; false when it is none.
  bool TakeLegacyKey(const YamlEntry& entry, const YamlNode& parent, const Place& place,
                     const std::string& shown);
  void TakeTenants();
  void TakeReceivers(const YamlNode& list);
  void TakeHeaders(const YamlNode& headers, const Place& place, const std::string& shown);

  // A tenant's intrinsic dimensions take the place of those of overrides.defaults in Tempo, here
  // they are added to them.
  void SettleIntrinsicDimensions(const std::string& tenant);
  void AddReceiverDefaults();
  // What is in flight must have room for a message.
  void SettleMessageSize(const std::string& section);
  bool AddListenDefault(const YamlNode& protocols, const std::string& name,
                        const std::string& address);
  void AddDefaults();

  // Whether it is a map, or null, which stands for an empty one; anything else is remarked.
  bool IsMap(const YamlEntry& entry, const Place& place, const std::string& shown);
  void Remark(const File& file, int line, std::string_view key, std::string_view remark);
  bool has_tenants() const { return output_.Effective("tenancy.enabled") == "true"; }

  const File config_;
  const File* const tenant_overrides_;
  TomlOutput output_;
  Remarks remarks_;
  // From overrides.defaults, as a setting of each receiver.
  std::vector<TomlSetting> headers_;
  // What was in force of generator.span_metrics.intrinsic_dimensions before overrides.defaults.
  std::map<std::string, TomlSetting> intrinsic_before_defaults_;
  bool is_in_defaults_ = false;
  bool add_org_id_header_ = true;
  bool uses_service_graphs_ = false;
  bool has_variable_ = false;
  size_t tenant_count_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_CONVERT_TEMPO_CONVERTER_H_
