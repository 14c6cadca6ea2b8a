#include "convert/toml_output.h"

#include <algorithm>
#include <array>
#include <strings.h>
#include <utility>

#include "spanmeter/config.h"
#include "spanmeter/toml_text.h"

namespace spanmeter {

namespace {

constexpr std::string_view kReceiver = "remote_write.";

// The tables in the order in which they are printed, which is that of etc/spanmeter.toml.
constexpr std::array<std::string_view, 13> kSections = {
    "log",
    "otlp.grpc",
    "otlp.grpc.tls",
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

bool HasKey(const std::vector<TomlSetting>& settings, std::string_view key) {
  return std::any_of(settings.begin(), settings.end(),
                     [key](const TomlSetting& setting) { return setting.key == key; });
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
  const auto found = std::find_if(settings->begin(), settings->end(),
                                  [&](const TomlSetting& s) { return s.key == setting.key; });
  if (found == settings->end()) {
    settings->push_back(setting);
  } else {
    *found = setting;
  }
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
  return found != tenants_.end() && HasKey(found->second, key);
}

bool TomlOutput::TenantHasAny(const std::string& name, std::string_view prefix) const {
  const auto found = tenants_.find(name);
  return found != tenants_.end() &&
         std::any_of(found->second.begin(), found->second.end(),
                     [prefix](const TomlSetting& s) { return s.key.starts_with(prefix); });
}

bool TomlOutput::ReceiverHas(size_t index, std::string_view key) const {
  return HasKey(receivers_[index], key);
}

bool TomlOutput::ReceiverHasHeader(size_t index, const std::string& header) const {
  const std::string key = "headers." + header;
  const Settings& settings = receivers_[index];
  return std::any_of(settings.begin(), settings.end(), [&key](const TomlSetting& setting) {
    return strcasecmp(setting.key.c_str(), key.c_str()) == 0;
  });
}

const TomlSetting* TomlOutput::Find(const std::string& path) const {
  const auto [section, key] = SplitPath(path);
  const auto found = sections_.find(section);
  if (found == sections_.end()) return nullptr;
  for (const TomlSetting& setting : found->second) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

std::string TomlOutput::Effective(const std::string& path) const {
  if (const TomlSetting* const setting = Find(path)) return setting->text;
  const auto found = defaults_.find(path);
  return found == defaults_.end() ? "" : found->second.text;
}

void TomlOutput::Sort(const std::string& prefix, Settings* settings) const {
  const auto order = [&](const TomlSetting& setting) {
    // Of a table that is printed as a whole, such as headers, the table counts.
    const auto found = defaults_.find(prefix + setting.key);
    const auto table = defaults_.find(prefix + setting.key.substr(0, setting.key.find('.')));
    if (found != defaults_.end()) return found->second.order;
    return table != defaults_.end() ? table->second.order : defaults_.size();
  };
  std::stable_sort(settings->begin(), settings->end(),
                   [&](const TomlSetting& a, const TomlSetting& b) { return order(a) < order(b); });
}

void TomlOutput::Finish() {
  const auto finish = [this](const std::string& prefix, Settings* settings) {
    std::erase_if(*settings, [&](const TomlSetting& setting) {
      const auto found = defaults_.find(prefix + setting.key);
      return found != defaults_.end() && found->second.text == setting.text;
    });
    Sort(prefix, settings);
  };
  // Before what they inherit is gone.
  for (auto& [name, settings] : tenants_) {
    std::erase_if(settings, [&](const TomlSetting& setting) {
      return Effective("generator." + setting.key) == setting.text;
    });
    Sort("generator.", &settings);
  }
  for (auto& [section, settings] : sections_) finish(section + ".", &settings);
  for (Settings& settings : receivers_) finish(std::string(kReceiver), &settings);
}

std::string TomlOutput::Print(bool samples, std::vector<std::string>* sources) const {
  std::string text;
  const auto end_line = [&](const std::string& source) {
    text.push_back('\n');
    if (sources != nullptr) {
      sources->resize(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')), source);
    }
  };
  const auto print = [&](const std::string& header, const Settings& settings) {
    if (!text.empty()) end_line("");
    text.append(header);
    end_line(settings.empty() ? "" : settings.front().source);
    for (const TomlSetting& setting : settings) {
      const std::string& value = samples ? setting.sample : setting.text;
      // A comment stands behind a value of one line, and above one of several.
      const bool is_long = value.find('\n') != std::string::npos;
      if (is_long && !setting.source.empty()) {
        text.append("# ").append(setting.source);
        end_line(setting.source);
      }
      text.append(setting.key).append(" = ").append(value);
      if (!is_long && !setting.source.empty()) text.append("  # ").append(setting.source);
      end_line(setting.source);
    }
  };
  for (const std::string_view section : kSections) {
    const auto found = sections_.find(std::string(section));
    if (found == sections_.end() || found->second.empty()) continue;
    print("[" + found->first + "]", found->second);
  }
  for (const auto& [name, settings] : tenants_)
    print("[tenants." + FormatKey(name) + "]", settings);
  for (const Settings& settings : receivers_) print("[[remote_write]]", settings);
  return text;
}

}  // namespace spanmeter
