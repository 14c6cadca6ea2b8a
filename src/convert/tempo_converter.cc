#include "convert/tempo_converter.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <utility>

#include "spanmeter/options.h"
#include "spanmeter/quote.h"
#include "spanmeter/toml_text.h"
#include "spanmeter/units.h"

namespace spanmeter {

namespace {

constexpr const char* kTempoDefault = "Tempo's default";
constexpr const char* kOrgIdHeader = "X-Scope-OrgID";
constexpr const char* kUnknown =
    "is unknown to this version of spanmeter: look it up in Tempo's documentation";
constexpr std::string_view kIntrinsic = "span_metrics.intrinsic_dimensions.";
// What overrides has beside limits; everything else there is the flat form of limits.
constexpr std::array<std::string_view, 5> kOverridesKeys = {
    "defaults", "per_tenant_override_config", "per_tenant_override_period",
    "user_configurable_overrides", "enable_legacy_overrides"};
// The tenants that stand for all without a table of their own, and for all without tenancy.
constexpr std::string_view kAnyTenant = "*";
constexpr std::string_view kSingleTenant = "single-tenant";

std::string Child(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

const YamlNode* FindPath(const YamlNode& root, std::initializer_list<std::string_view> path) {
  const YamlNode* node = &root;
  for (const std::string_view key : path) {
    node = node->Find(key);
    if (node == nullptr) return nullptr;
  }
  return node;
}

// Whether a value has ${NAME}, which $${ is not.
bool HasVariable(std::string_view text) {
  for (size_t at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 1)) {
    if (at == 0 || text[at - 1] != '$') return true;
  }
  return false;
}

TomlSetting DefaultSetting(const std::string& key, const std::string& text) {
  return {key, text, text, kTempoDefault};
}

}  // namespace

TempoConverter::TempoConverter(const File& config, const File* tenant_overrides)
    : config_(config), tenant_overrides_(tenant_overrides) {}

void TempoConverter::Remark(const File& file, int line, std::string_view key,
                            std::string_view remark) {
  remarks_.Add(&file == tenant_overrides_ ? 1 : 0, file.name, line, key, remark);
}

bool TempoConverter::IsMap(const YamlEntry& entry, const Place& place, const std::string& shown) {
  if (entry.value.IsMap() || entry.value.IsNull()) return true;
  Remark(*place.file, entry.line, shown, "cannot be converted: it is no map");
  return false;
}

void TempoConverter::Run() {
  Place place;
  place.file = &config_;
  const YamlEntry* overrides = nullptr;
  for (const YamlEntry& entry : config_.root.entries) {
    if (entry.key != "overrides") {
      TakeEntry(ConfigOptions(), entry, config_.root, place, "", "");
    } else if (IsMap(entry, place, entry.key)) {
      overrides = &entry;
    }
  }
  // They win over what was there before.
  if (overrides != nullptr) TakeOverrides(*overrides);
  if (tenant_overrides_ != nullptr) TakeTenants();
  AddReceiverDefaults();
  AddDefaults();
  output_.Prune();
}

void TempoConverter::Walk(std::span<const TempoOption> options, const YamlNode& map,
                          const Place& place, const std::string& shown, const std::string& path) {
  for (const YamlEntry& entry : map.entries) TakeEntry(options, entry, map, place, shown, path);
}

void TempoConverter::TakeEntry(std::span<const TempoOption> options, const YamlEntry& entry,
                               const YamlNode& map, const Place& place, const std::string& shown,
                               const std::string& path) {
  const std::string entry_path = Child(path, entry.key);
  const std::string entry_shown = Child(shown, entry.key);
  if (const TempoOption* const option = FindOption(options, entry_path)) {
    Apply(*option, entry, map, place, entry_shown);
  } else if (HasOptionsBelow(options, entry_path)) {
    if (IsMap(entry, place, entry_shown)) {
      Walk(options, entry.value, place, entry_shown, entry_path);
    }
  } else if (const TempoOption* const any = FindOptionForAnyKey(options, path)) {
    Apply(*any, entry, map, place, entry_shown);
  } else {
    Remark(*place.file, entry.line, entry_shown, kUnknown);
  }
}

void TempoConverter::Apply(const TempoOption& option, const YamlEntry& entry,
                           const YamlNode& parent, const Place& place, const std::string& shown) {
  const YamlNode& value = entry.value;
  if (option.target.empty()) return Remark(*place.file, entry.line, shown, option.remark);
  if (value.IsNull()) return;
  if (option.convert == nullptr) {
    if (option.target == "remote_write") return TakeReceivers(value);
    if (option.target == "remote_write.headers") {
      if (IsMap(entry, place, shown)) TakeHeaders(value, place, shown);
    } else if (option.target == "remote_write.add_org_id_header") {
      const Converted converted = ConvertBool(value, parent);
      add_org_id_header_ = converted.text != "false";
      if (converted.text.empty()) {
        Remark(*place.file, entry.line, shown, "cannot be converted: it " + converted.note);
      }
    }
    return;  // The others are taken care of by TakeOverrides().
  }
  const Converted converted = option.convert(value, parent);
  if (converted.result == Converted::Result::kFailed) {
    Remark(*place.file, entry.line, shown, "cannot be converted: it " + converted.note);
  } else if (converted.result == Converted::Result::kValue) {
    if (!converted.note.empty()) Remark(*place.file, entry.line, shown, converted.note);
    Put(option, entry, converted, place);
  }
}

void TempoConverter::Put(const TempoOption& option, const YamlEntry& entry,
                         const Converted& converted, const Place& place) {
  TomlSetting setting;
  setting.text = converted.text;
  setting.sample = converted.sample;
  setting.source = FormatPlace(place.file->name, entry.line);
  has_variable_ |= HasVariable(converted.text);
  if (option.target == "processors") {
    uses_service_graphs_ |= converted.text.find("service-graphs") != std::string::npos;
  }

  std::string target(option.target);
  std::string any_key;
  if (target.ends_with("*")) {
    target.pop_back();
    any_key = FormatKey(entry.key);
  }
  if (place.kind == Place::Kind::kConfig) {
    const std::string path = place.prefix + target;
    const size_t dot = any_key.empty() ? path.rfind('.') : path.size() - 1;
    setting.key = any_key.empty() ? path.substr(dot + 1) : any_key;
    if (is_in_defaults_ && target.starts_with(kIntrinsic)) {
      const std::string before = output_.Effective(path + any_key);
      intrinsic_before_defaults_.try_emplace(
          setting.key,
          TomlSetting{target + any_key, before, before, "as without overrides.defaults"});
    }
    output_.Set(path.substr(0, dot), setting);
  } else {
    setting.key = target + any_key;
    if (place.kind == Place::Kind::kTenant) output_.SetTenant(place.tenant, setting);
    if (place.kind == Place::Kind::kReceiver) output_.SetReceiver(place.receiver, setting);
  }
}

void TempoConverter::TakeOverrides(const YamlEntry& overrides) {
  Place limits;
  limits.prefix = "generator.";
  limits.file = &config_;
  is_in_defaults_ = true;
  YamlNode flat;
  flat.kind = YamlNode::Kind::kMap;
  for (const YamlEntry& entry : overrides.value.entries) {
    const std::string shown = Child("overrides", entry.key);
    if (std::find(kOverridesKeys.begin(), kOverridesKeys.end(), entry.key) ==
        kOverridesKeys.end()) {
      flat.entries.push_back(entry);
    } else if (entry.key == "defaults") {
      if (IsMap(entry, limits, shown)) TakeLimits(entry.value, limits, shown);
    } else if (entry.key != "per_tenant_override_config") {
      Apply(*FindOption(ConfigOptions(), shown), entry, overrides.value, limits, shown);
    } else if (tenant_overrides_ == nullptr && !entry.value.text.empty()) {
      Remark(config_, entry.line, shown,
             "names the file with the overrides of tenants: give that as the second argument");
    }
  }
  TakeLimits(flat, limits, "overrides");
  is_in_defaults_ = false;
}

void TempoConverter::TakeLimits(const YamlNode& limits, const Place& place,
                                const std::string& shown) {
  for (const YamlEntry& entry : limits.entries) {
    const std::string entry_shown = Child(shown, entry.key);
    if (entry.key == "metrics_generator") {
      if (IsMap(entry, place, entry_shown)) {
        Walk(OverridesOptions(), entry.value, place, entry_shown, "");
      }
    } else if (const TempoOption* const other = FindOption(OtherOverridesOptions(), entry.key)) {
      Apply(*other, entry, limits, place, entry_shown);
    } else if (!TakeLegacyKey(entry, limits, place, entry_shown)) {
      Remark(*place.file, entry.line, entry_shown, kUnknown);
    }
  }
}

bool TempoConverter::TakeLegacyKey(const YamlEntry& entry, const YamlNode& parent,
                                   const Place& place, const std::string& shown) {
  for (const TempoOption& option : OverridesOptions()) {
    std::string_view path = option.path;
    const bool is_map = path.ends_with(".*");
    if (is_map) path.remove_suffix(2);
    const std::string name = LegacyName(path);
    if (entry.key == name && is_map && IsMap(entry, place, shown)) {
      for (const YamlEntry& inner : entry.value.entries) {
        Apply(option, inner, entry.value, place, Child(shown, inner.key));
      }
      return true;
    }
    const bool is_below = option.target.empty() && entry.key.starts_with(name + "_");
    if (entry.key == name || is_below) {
      Apply(option, entry, parent, place, shown);
      return true;
    }
  }
  return false;
}

void TempoConverter::TakeTenants() {
  const YamlNode& tenants = *tenant_overrides_->root.Find("overrides");
  tenant_count_ = tenants.entries.size();
  for (const YamlEntry& tenant : tenants.entries) {
    const std::string shown = Child("overrides", tenant.key);
    Place place;
    place.file = tenant_overrides_;
    const bool is_any = tenant.key == kAnyTenant;
    if (is_any || (!has_tenants() && tenant.key == kSingleTenant)) {
      place.prefix = "generator.";
      if (tenants.entries.size() > 1 && has_tenants()) {
        Remark(*tenant_overrides_, tenant.line, shown,
               "has no equivalent: it became [generator], so that the other tenants inherit from "
               "it as well");
      }
    } else if (!has_tenants()) {
      Remark(*tenant_overrides_, tenant.line, shown,
             "was left out: without multitenancy_enabled there is one tenant, single-tenant");
      continue;
    } else {
      place.kind = Place::Kind::kTenant;
      place.tenant = tenant.key;
    }
    if (!IsMap(tenant, place, shown)) continue;
    TakeLimits(tenant.value, place, shown);
    if (place.kind == Place::Kind::kTenant) SettleIntrinsicDimensions(tenant.key);
  }
  if (has_tenants() && tenant_count_ > 0) {
    Remark(*tenant_overrides_, 0, "",
           "tenants inherit from [generator] what they do not set themselves. In older versions of "
           "Tempo they inherit nothing from overrides.defaults: then set what must differ");
  }
}

void TempoConverter::SettleIntrinsicDimensions(const std::string& tenant) {
  if (!output_.TenantHasAny(tenant, kIntrinsic)) return;
  for (const auto& [name, before] : intrinsic_before_defaults_) {
    if (!output_.TenantHas(tenant, before.key)) output_.SetTenant(tenant, before);
  }
}

void TempoConverter::TakeReceivers(const YamlNode& list) {
  const std::string shown = "metrics_generator.storage.remote_write";
  if (!list.IsList())
    return Remark(config_, list.line, shown, "cannot be converted: it is no list");
  for (size_t i = 0; i < list.items.size(); ++i) {
    Place place;
    place.kind = Place::Kind::kReceiver;
    place.receiver = i;
    place.file = &config_;
    output_.AddReceiver();
    Walk(RemoteWriteTableOptions(), list.items[i], place, shown + "[" + std::to_string(i) + "]",
         "");
  }
}

void TempoConverter::TakeHeaders(const YamlNode& headers, const Place& place,
                                 const std::string& shown) {
  for (const YamlEntry& entry : headers.entries) {
    const std::string entry_shown = Child(shown, entry.key);
    if (place.kind == Place::Kind::kTenant) {
      Remark(*place.file, entry.line, entry_shown,
             "has no equivalent: headers are the same for all tenants, but for X-Scope-OrgID");
      continue;
    }
    if (entry.value.IsNull()) continue;
    const Converted converted = ConvertSecret(entry.value, headers);
    if (!converted.note.empty()) Remark(*place.file, entry.line, entry_shown, converted.note);
    if (converted.result != Converted::Result::kValue) continue;
    headers_.push_back({"headers." + FormatKey(entry.key), converted.text, converted.sample,
                        FormatPlace(place.file->name, entry.line)});
  }
}

void TempoConverter::AddReceiverDefaults() {
  for (size_t i = 0; i < output_.receiver_count(); ++i) {
    for (const TomlSetting& header : headers_) output_.SetReceiver(i, header);
    for (const TomlSetting& setting :
         {DefaultSetting("protobuf_message", "\"prometheus.WriteRequest\""),
          DefaultSetting("queue_config.retry_on_http_429", "false")}) {
      if (!output_.ReceiverHas(i, setting.key)) output_.SetReceiver(i, setting);
    }
    // Tempo leaves the header alone where it is configured.
    const bool has_org_id = has_tenants() && output_.ReceiverHasHeader(i, kOrgIdHeader);
    if (!add_org_id_header_ || has_org_id) {
      output_.SetReceiver(i,
                          {"add_org_id_header", "false", "false",
                           has_org_id ? "the header is given" : "remote_write_add_org_id_header"});
    }
  }
  if (output_.receiver_count() > 0) {
    output_.Set("generator.external_labels",
                {"__metrics_gen_instance", "\"${HOSTNAME}\"", "\"1\"", "added by Tempo"});
  }
}

void TempoConverter::SettleMessageSize(const std::string& section) {
  const auto size = [&](const std::string& key) {
    const std::string text = output_.Effective(section + "." + key);
    std::string error;
    return ParseByteSize(text.substr(1, text.size() - 2), &error).value_or(0);
  };
  const uint64_t message = size("max_message_size");
  if (message <= size("max_in_flight")) return;
  const OtlpGrpcOptions defaults;
  const uint64_t messages = defaults.max_in_flight / defaults.max_message_size;
  const std::string text = "\"" + FormatByteSize(messages * message) + "\"";
  output_.Set(section, {"max_in_flight", text, text, "for max_message_size"});
}

// Says whether Tempo has the protocol.
bool TempoConverter::AddListenDefault(const YamlNode& protocols, const std::string& name,
                                      const std::string& address) {
  const std::string section = "otlp." + name;
  for (const YamlEntry& protocol : protocols.entries) {
    if (protocol.key != name) continue;
    if (output_.Has(section + ".listen")) return true;
    output_.Set(section, DefaultSetting("listen", Quoted(address)));
    Remark(config_, protocol.line, "distributor.receivers.otlp.protocols." + name,
           "has no endpoint: Tempo listens at localhost then, before 2.7 at all addresses. For "
           "these remove " +
               section + ".listen");
    return true;
  }
  return false;
}

void TempoConverter::AddDefaults() {
  if (!output_.Has("generator.processors")) {
    output_.Set("generator", DefaultSetting("processors", "[]"));
    Remark(config_, 0, "",
           "overrides.defaults.metrics_generator.processors is not there: like Tempo, spanmeter "
           "generates nothing then, but for tenants that set it");
  }
  if (!output_.Has("generator.ingestion_time_range_slack")) {
    output_.Set("generator", DefaultSetting("ingestion_time_range_slack", "\"30s\""));
  }
  if (uses_service_graphs_ && !output_.Has("generator.service_graphs.max_items")) {
    output_.Set("generator.service_graphs", DefaultSetting("max_items", "10000"));
  }
  SettleMessageSize("otlp.grpc");
  SettleMessageSize("otlp.http");
  const YamlNode* const protocols =
      FindPath(config_.root, {"distributor", "receivers", "otlp", "protocols"});
  if (protocols != nullptr) {
    AddListenDefault(*protocols, "grpc", "localhost:4317");
    if (!AddListenDefault(*protocols, "http", "localhost:4318")) {
      output_.Set("otlp.http", {"enabled", "false", "false", "not among Tempo's protocols"});
    }
  }
  if (has_tenants()) {
    if (tenant_count_ >= TenancyOptions().max_tenants) {
      const std::string twice = std::to_string(2 * tenant_count_);
      output_.Set("tenancy", {"max_tenants", twice, twice, "twice as many as have overrides"});
    }
    Remark(config_, 0, "",
           "Tempo takes any number of tenants, spanmeter as many as tenancy.max_tenants says");
    if (!output_.Has("generator.inject_tenant_id_as")) {
      Remark(config_, 0, "",
             "metrics_generator.registry.inject_tenant_id_as is not there: all series have the "
             "label tenant nevertheless, because those of different tenants must differ");
    }
  }
  if (has_variable_) {
    Remark(config_, 0, "",
           "has environment variables: one that is not set is empty for Tempo, and keeps spanmeter "
           "from starting");
  }
}

}  // namespace spanmeter
