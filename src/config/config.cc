#include "spanmeter/config.h"

#include <climits>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <unistd.h>

#include "spanmeter/naming.h"
#include "spanmeter/quote.h"
#include "spanmeter/read_file.h"
#include "spanmeter/tenant_id.h"

#include "config/access_checks.h"
#include "config/contradictions.h"
#include "config/forward_checks.h"
#include "config/keys.h"
#include "config/reader.h"
#include "config/remote_write_checks.h"

namespace spanmeter {

namespace {

constexpr std::string_view kTenants = "tenants";
constexpr std::string_view kRemoteWrite = "remote_write";
constexpr std::string_view kForward = "forward";
constexpr const char* kDefaultTenantLabel = "tenant";

// With tenancy, the series of different tenants must differ.
void SettleTenantLabel(const TenancyOptions& tenancy, GeneratorOptions* generator) {
  if (tenancy.enabled && generator->inject_tenant_id_as.empty()) {
    generator->inject_tenant_id_as = kDefaultTenantLabel;
  }
}

// What `key` of `keys` says in `table`, in a copy of `options`; nullopt when it is not there. What
// is wrong with it is left to whoever reads it for good.
std::optional<GeneratorOptions> Peek(const toml::table& table, std::string_view name,
                                     const GeneratorOptions& options,
                                     const Environment& environment) {
  const toml::node* const node = table.at_path(name).node();
  if (node == nullptr) return std::nullopt;
  GeneratorOptions peeked = options;
  ConfigReader reader(environment);
  for (const ConfigKey<GeneratorOptions>& key : GeneratorKeys()) {
    if (key.name == name) key.read({key.name, node}, &peeked, &reader);
  }
  return reader.TakeProblems().empty() ? std::optional(std::move(peeked)) : std::nullopt;
}

// Makes `options`, which `node` is about to change, those of the naming and unit that it says.
void PrepareNaming(const toml::node* node, const Environment& environment,
                   GeneratorOptions* options) {
  const toml::table* const table = node == nullptr ? nullptr : node->as_table();
  if (table == nullptr) return;
  const auto naming = Peek(*table, kNamingKey, *options, environment);
  const auto unit = Peek(*table, kHistogramUnitKey, *options, environment);
  ChangeNaming(naming ? naming->naming : options->naming,
               unit ? std::optional(unit->span_metrics.histogram_unit) : std::nullopt, options);
}

void ReadTenants(const ConfigValue& value, const Environment& environment, Options* options,
                 ConfigReader* reader) {
  const toml::table* table = reader->Table(value);
  if (table == nullptr) return;
  if (!options->tenancy.enabled) {
    reader->Report(value.path,
                   std::string(kTenants) +
                       " has no effect while tenancy.enabled is false: set it to true, or "
                       "remove it");
  }
  const ConfigKeys<GeneratorOptions> keys = GeneratorKeys();
  for (const auto& [name, node] : *table) {
    const ConfigValue tenant = {ChildPath(value.path, name.str()), &node};
    const std::string wrong = DescribeInvalidTenantId(name.str());
    if (!wrong.empty()) {
      reader->Report(tenant.path, Quoted(name.str()) + " is no tenant id: " + wrong);
      continue;
    }
    GeneratorOptions& generator = options->tenants[std::string(name.str())];
    generator = options->generator;
    PrepareNaming(&node, environment, &generator);
    ReadTable(tenant, keys, &generator, reader);
    SettleTenantLabel(options->tenancy, &generator);
  }
}

// Appends `keys` as TOML: those without a table first, then table by table. `path` is the table
// that they begin in.
template <typename T>
void PrintTables(const ConfigKeys<T>& keys, const T& value, const std::string& path,
                 std::string* text) {
  std::string section = path;
  for (const ConfigKey<T>& key : keys) {
    if (key.is_absent && key.is_absent(value)) continue;
    const std::string name = path.empty() ? key.name : path + "." + key.name;
    const size_t dot = name.rfind('.');
    if (name.substr(0, dot) != section) {
      section = name.substr(0, dot);
      if (!text->empty()) text->push_back('\n');
      text->append("[").append(section).append("]\n");
    }
    text->append(name.substr(dot + 1)).append(" = ").append(key.print(value)).push_back('\n');
  }
}

// What options would be that say nothing but for their naming and unit, which they may have been
// told.
class Inheritance {
 public:
  Inheritance(const GeneratorOptions& inherited, const GeneratorOptions& options)
      : inherited_(inherited), renamed_(inherited), settled_(inherited) {
    ChangeNaming(options.naming, std::nullopt, &renamed_);
    ChangeNaming(options.naming, options.span_metrics.histogram_unit, &settled_);
  }
  // With a value of `key` that nobody has set.
  const GeneratorOptions& Without(std::string_view key) const {
    if (key == kNamingKey) return inherited_;
    return key == kHistogramUnitKey ? renamed_ : settled_;
  }

 private:
  const GeneratorOptions& inherited_;
  GeneratorOptions renamed_;
  GeneratorOptions settled_;
};

// The table of a tenant: what it says that [generator] does not.
void PrintTenant(const std::string& name, const GeneratorOptions& tenant,
                 const GeneratorOptions& inherited, std::string* text) {
  text->append("\n[").append(ChildPath(std::string(kTenants), name)).append("]\n");
  const Inheritance inheritance(inherited, tenant);
  for (const ConfigKey<GeneratorOptions>& key : GeneratorKeys()) {
    const std::string value = key.print(tenant);
    if (value == key.print(inheritance.Without(key.name))) continue;
    text->append(key.name).append(" = ").append(value).push_back('\n');
  }
}

ConfigResult Parse(std::string_view toml, const Environment& environment,
                   const ConfigOverrides& overrides, bool look_at_files) {
  ConfigResult result;
  ConfigReader reader(environment);
  if (const toml::table* document = reader.ParseDocument(toml)) {
    std::optional<ConfigValue> tenants;
    PrepareNaming(document->get("generator"), environment, &result.options.generator);
    ReadTable({"", document}, AllConfigKeys(), &result.options, &reader,
              [&](const ConfigValue& value) {
                if (value.path != kTenants) return false;
                tenants = value;
                return true;
              });
    SettleTenantLabel(result.options.tenancy, &result.options.generator);
    // Only now, because tenants inherit what [generator] says, wherever it stands.
    if (tenants) ReadTenants(*tenants, environment, &result.options, &reader);
    if (overrides.storage_path) result.options.storage.path = *overrides.storage_path;
    CheckContradictions(&result.options, &reader);
    if (look_at_files) {
      CheckAccessFiles(result.options, &reader);
      CheckRemoteWriteFiles(result.options, &reader);
      CheckForwardFiles(result.options, &reader);
    }
  }
  result.problems = reader.TakeProblems();
  return result;
}

// Shells set HOSTNAME but do not export it, and service managers do not set it at all: then it is
// what the system says.
std::optional<std::string> ProcessEnvironment(const std::string& name) {
  if (const char* const value = std::getenv(name.c_str())) return value;
  char host[HOST_NAME_MAX + 1];
  if (name != "HOSTNAME" || gethostname(host, sizeof host) != 0) return std::nullopt;
  host[HOST_NAME_MAX] = '\0';
  return host;
}

}  // namespace

ConfigResult ParseConfig(std::string_view toml, const Environment& environment) {
  return Parse(toml, environment, ConfigOverrides(), /*look_at_files=*/false);
}

ConfigResult LoadConfig(const std::string& path, const ConfigOverrides& overrides) {
  std::string text;
  if (const int error = ReadFile(path, &text); error != 0) {
    ConfigResult result;
    result.problems.push_back({0, std::string("cannot read the file: ") + std::strerror(error)});
    return result;
  }
  return Parse(text, ProcessEnvironment, overrides, /*look_at_files=*/true);
}

std::string FormatProblems(const std::string& path, const std::vector<ConfigProblem>& problems) {
  std::string text;
  for (const ConfigProblem& problem : problems) {
    text.append(path).push_back(':');
    if (problem.line > 0) text.append(std::to_string(problem.line)).push_back(':');
    text.append(" ").append(problem.message).push_back('\n');
  }
  return text;
}

std::string PrintConfig(const Options& options) {
  std::string text;
  PrintTables(AllConfigKeys(), options, "", &text);
  for (const auto& [name, tenant] : options.tenants) {
    PrintTenant(name, tenant, options.generator, &text);
  }
  for (const RemoteWriteOptions& receiver : options.remote_write) {
    text.append("\n[[").append(kRemoteWrite).append("]]\n");
    PrintTables(RemoteWriteKeys(), receiver, std::string(kRemoteWrite), &text);
  }
  for (const ForwardOptions& receiver : options.forward) {
    text.append("\n[[").append(kForward).append("]]\n");
    PrintTables(ForwardKeys(), receiver, std::string(kForward), &text);
  }
  return text;
}

std::vector<EffectiveOption> DescribeTenantOptions(const Options& options,
                                                   const std::string& tenant) {
  using Source = EffectiveOption::Source;
  const auto own = options.tenants.find(tenant);
  const GeneratorOptions& effective =
      own == options.tenants.end() ? options.generator : own->second;
  GeneratorOptions defaults;
  SettleTenantLabel(options.tenancy, &defaults);
  const Inheritance inheritance(defaults, options.generator);
  std::vector<EffectiveOption> described;
  for (const ConfigKey<GeneratorOptions>& key : GeneratorKeys()) {
    EffectiveOption& option = described.emplace_back();
    option.key = key.name;
    option.value = key.print(effective);
    const std::string inherited = key.print(options.generator);
    if (option.value != inherited) {
      option.source = Source::kTenant;
    } else if (inherited != key.print(inheritance.Without(key.name))) {
      option.source = Source::kGenerator;
    }
  }
  return described;
}

}  // namespace spanmeter
