#include "convert/toml_output.h"

#include <algorithm>
#include <array>
#include <strings.h>
#include <utility>

#include "spanmeter/config.h"
#include "spanmeter/toml_text.h"

namespace spanmeter {

namespace {

constexpr std::string_view kGenerator = "generator.";
constexpr std::string_view kReceiver = "remote_write.";

// The tables in the order in which they are printed, which is that of etc/spanmeter.toml.
constexpr std::array<std::string_view, 16> kSections = {
    "log",
    "otlp.grpc",
    "otlp.grpc.tls",
    "otlp.http",
    "otlp.http.cors",
    "otlp.http.tls",
    "http",
    "http.tls",
    "storage",
    "tenancy",
    "generator",
    "generator.external_labels",
    "generator.span_metrics",
    "generator.span_metrics.intrinsic_dimensions",
    "generator.service_graphs",
    "generator.host_info"};

std::pair<std::string, std::string> SplitPath(const std::string& path) {
  const size_t dot = path.rfind('.');
  return {path.substr(0, dot), path.substr(dot + 1)};
}

}  // namespace

std::map<std::string, TomlOutput::Default> TomlOutput::ReadDefaults() {
  Options options;
  options.remote_write.emplace_back();
  const std::string printed = PrintConfig(options);
  std::map<std::string, Default> defaults;
  std::string section;
  for (size_t begin = 0; begin < printed.size();) {
    const size_t end = printed.find('\n', begin);
    const std::string line = printed.substr(begin, end - begin);
    begin = end + 1;
    const size_t equals = line.find(" = ");
    if (line.starts_with("[")) {
      const size_t name = line.find_first_not_of('[');
      section = line.substr(name, line.find(']') - name) + ".";
    } else if (equals != std::string::npos) {
      defaults[section + line.substr(0, equals)] = {line.substr(equals + 3), defaults.size()};
    }
  }
  return defaults;
}

TomlOutput::TomlOutput() : defaults_(ReadDefaults()) {}

void TomlOutput::Put(const TomlSetting& setting, Settings* settings) {
  Numbered& numbered = (*settings)[setting.key];
  if (numbered.setting.key.empty()) numbered.number = settings->size();
  numbered.setting = setting;
}

void TomlOutput::Set(const std::string& section, const TomlSetting& setting) {
  Put(setting, &sections_[section]);
}

void TomlOutput::SetTenant(const std::string& name, const TomlSetting& setting) {
  Put(setting, &tenants_[name]);
}

void TomlOutput::SetReceiver(size_t index, const TomlSetting& setting) {
  Put(setting, &receivers_[index]);
}

bool TomlOutput::TenantHas(const std::string& name, std::string_view key) const {
  const auto found = tenants_.find(name);
  return found != tenants_.end() && found->second.find(key) != found->second.end();
}

bool TomlOutput::TenantHasAny(const std::string& name, std::string_view prefix) const {
  const auto found = tenants_.find(name);
  if (found == tenants_.end()) return false;
  const auto first = found->second.lower_bound(prefix);
  return first != found->second.end() && first->first.starts_with(prefix);
}

bool TomlOutput::ReceiverHas(size_t index, std::string_view key) const {
  return receivers_[index].find(key) != receivers_[index].end();
}

bool TomlOutput::ReceiverHasHeader(size_t index, const std::string& header) const {
  const std::string key = "headers." + header;
  return std::any_of(receivers_[index].begin(), receivers_[index].end(), [&key](const auto& entry) {
    return strcasecmp(entry.first.c_str(), key.c_str()) == 0;
  });
}

const TomlSetting* TomlOutput::Find(const std::string& path) const {
  const auto [section, key] = SplitPath(path);
  const auto found = sections_.find(section);
  if (found == sections_.end()) return nullptr;
  const auto setting = found->second.find(key);
  return setting == found->second.end() ? nullptr : &setting->second.setting;
}

std::string TomlOutput::Effective(const std::string& path) const {
  if (const TomlSetting* const setting = Find(path)) return setting->text;
  const auto found = defaults_.find(path);
  return found == defaults_.end() ? "" : found->second.text;
}

std::vector<const TomlSetting*> TomlOutput::Sorted(const std::string& prefix,
                                                   const Settings& settings) const {
  // Of a table that is printed as a whole, such as headers, the table counts.
  const auto order = [&](const std::string& key) {
    const auto found = defaults_.find(prefix + key);
    const auto table = defaults_.find(prefix + key.substr(0, key.find('.')));
    if (found != defaults_.end()) return found->second.order;
    return table != defaults_.end() ? table->second.order : defaults_.size();
  };
  std::map<std::pair<size_t, size_t>, const TomlSetting*> sorted;
  for (const auto& [key, numbered] : settings) {
    sorted[{order(key), numbered.number}] = &numbered.setting;
  }
  std::vector<const TomlSetting*> result;
  for (const auto& [place, setting] : sorted) result.push_back(setting);
  return result;
}

void TomlOutput::Prune() {
  const auto prune = [this](const std::string& prefix, Settings* settings) {
    std::erase_if(*settings, [&](const auto& entry) {
      const auto found = defaults_.find(prefix + entry.first);
      return found != defaults_.end() && found->second.text == entry.second.setting.text;
    });
  };
  // Before what they inherit is gone.
  for (auto& [name, settings] : tenants_) {
    std::erase_if(settings, [this](const auto& entry) {
      return Effective(std::string(kGenerator) + entry.first) == entry.second.setting.text;
    });
  }
  for (auto& [section, settings] : sections_) prune(section + ".", &settings);
  for (Settings& settings : receivers_) prune(std::string(kReceiver), &settings);
}

std::string TomlOutput::Print(bool samples, std::vector<std::string>* sources) const {
  std::string text;
  // Appends lines that are there because of `source`.
  const auto append = [&](const std::string& lines, const std::string& source) {
    text.append(lines).push_back('\n');
    if (sources == nullptr) return;
    const auto more = 1 + std::count(lines.begin(), lines.end(), '\n');
    sources->insert(sources->end(), static_cast<size_t>(more), source);
  };
  const auto print = [&](const std::string& header, const std::string& prefix,
                         const Settings& settings) {
    const std::vector<const TomlSetting*> sorted = Sorted(prefix, settings);
    if (!text.empty()) append("", "");
    append(header, sorted.empty() ? "" : sorted.front()->source);
    for (const TomlSetting* const setting : sorted) {
      const std::string& value = samples ? setting->sample : setting->text;
      std::string line = setting->key + " = " + value;
      // The comment stands behind a value of one line, and above one of several.
      if (value.find('\n') == std::string::npos) {
        line.append("  # ").append(setting->source);
      } else {
        append("# " + setting->source, setting->source);
      }
      append(line, setting->source);
    }
  };
  for (const std::string_view section : kSections) {
    const auto found = sections_.find(std::string(section));
    if (found == sections_.end() || found->second.empty()) continue;
    print("[" + found->first + "]", found->first + ".", found->second);
  }
  for (const auto& [name, settings] : tenants_) {
    print("[tenants." + FormatKey(name) + "]", std::string(kGenerator), settings);
  }
  for (const Settings& settings : receivers_) {
    print("[[remote_write]]", std::string(kReceiver), settings);
  }
  return text;
}

}  // namespace spanmeter
