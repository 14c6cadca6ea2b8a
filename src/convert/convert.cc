#include "spanmeter/convert.h"

#include <algorithm>
#include <array>
#include <vector>

#include "spanmeter/config.h"

#include "convert/table.h"
#include "convert/tempo_converter.h"
#include "convert/yaml_tree.h"

namespace spanmeter {

namespace {

// What tells Tempo's configuration from others.
constexpr std::array<std::string_view, 5> kTempoKeys = {
    "metrics_generator", "distributor", "overrides", "query_frontend", "multitenancy_enabled"};

bool HasTempoKey(const YamlNode& root) {
  return std::any_of(kTempoKeys.begin(), kTempoKeys.end(),
                     [&root](std::string_view key) { return root.Find(key) != nullptr; });
}

std::string FormatError(const std::string& name, int line, const std::string& message) {
  return FormatPlace(name, line) + ": " + message + "\n";
}

std::optional<YamlNode> Parse(const ConvertFile& file, std::string* errors) {
  YamlError error;
  std::optional<YamlNode> root = ParseYaml(file.text, &error);
  if (!root) errors->append(FormatError(file.name, error.line, error.message));
  return root;
}

// All variables are set, as far as the check can know.
std::optional<std::string> AnyVariable(const std::string& /*name*/) { return "1"; }

// Says what spanmeter finds wrong with the configuration.
std::string Check(const TomlOutput& output, const std::string& name) {
  std::vector<std::string> sources;
  const std::string text = output.Print(/*samples=*/true, &sources);
  std::string errors;
  for (const ConfigProblem& problem : ParseConfig(text, AnyVariable).problems) {
    const auto line = static_cast<size_t>(problem.line);
    std::string source = line > 0 && line <= sources.size() ? sources[line - 1] : "";
    // Defaults stand in no line.
    if (source.find(':') == std::string::npos) source = FormatPlace(name, 0);
    errors.append(source).append(": cannot be used as it is: ");
    errors.append(problem.message).push_back('\n');
  }
  return errors;
}

}  // namespace

Conversion ConvertTempoConfig(const ConvertFile& config,
                              const std::optional<ConvertFile>& tenant_overrides) {
  Conversion conversion;
  const std::optional<YamlNode> root = Parse(config, &conversion.errors);
  std::optional<YamlNode> tenants;
  if (tenant_overrides) tenants = Parse(*tenant_overrides, &conversion.errors);
  if (root && !HasTempoKey(*root)) {
    conversion.errors.append(
        FormatError(config.name, 0,
                    "is not Tempo's configuration: it has neither metrics_generator nor overrides "
                    "nor distributor. Give tempo.yaml itself, not the values of a Helm chart or a "
                    "ConfigMap around it"));
  }
  const YamlNode* const limits = tenants ? tenants->Find("overrides") : nullptr;
  if (tenants && (limits == nullptr || limits->IsScalar() || limits->IsList())) {
    conversion.errors.append(FormatError(tenant_overrides->name, 0,
                                         "has no overrides with tenants below: give the file that "
                                         "overrides.per_tenant_override_config names"));
  }
  if (!conversion.errors.empty()) return conversion;

  const TempoConverter::File config_file = {config.name, *root};
  std::optional<TempoConverter::File> tenants_file;
  if (tenants) tenants_file.emplace(TempoConverter::File{tenant_overrides->name, *tenants});
  TempoConverter converter(config_file, tenants_file ? &*tenants_file : nullptr);
  converter.Run();

  conversion.errors = Check(converter.output(), config.name);
  conversion.remarks = converter.remarks().Print("");
  conversion.toml = "# spanmeter's configuration, converted from " + FormatPlace(config.name, 0) +
                    ". What is not here has its default.\n\n";
  conversion.toml += converter.output().Print(/*samples=*/false, nullptr);
  if (!converter.remarks().empty()) {
    conversion.toml += "\n# What has no equivalent, and what to know:\n";
    conversion.toml += converter.remarks().Print("#   ");
  }
  return conversion;
}

bool LooksLikeTempoConfig(std::string_view text) {
  YamlError error;
  const std::optional<YamlNode> root = ParseYaml(text, &error);
  return root && HasTempoKey(*root);
}

}  // namespace spanmeter
