// The keys of [generator], which are those of each [tenants.NAME] as well.

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/relabel.h"

#include "config/keys.h"

namespace spanmeter {

namespace {

constexpr uint64_t kMiB = 1 << 20;
constexpr int64_t kHour = int64_t{3'600} * kNanosPerSecond;
constexpr int64_t kDay = int64_t{86'400} * kNanosPerSecond;

// More than a machine could keep, and far from overflow.
constexpr uint64_t kMaxSeries = 1'000'000'000;
constexpr uint64_t kMaxWaitingEdges = 100'000'000;
constexpr uint64_t kMaxNativeBuckets = 1'000;
// The buckets of the finest schema are that much wider than their neighbours.
constexpr double kMinBucketFactor = 1.002;
constexpr size_t kMaxTraceIdLabelName = 96;

// A part of a processor by its name in `processors`.
struct SubProcessor {
  std::string_view name;
  bool ProcessorSelection::*selected;
  // The name that switches it on together with others; empty: only its own does.
  std::string_view group;
};
constexpr std::string_view kSpanMetrics = "span-metrics";
constexpr std::string_view kServiceGraphs = "service-graphs";
constexpr std::array<SubProcessor, 7> kSubProcessors = {{
    {"span-metrics-count", &ProcessorSelection::span_metrics_count, kSpanMetrics},
    {"span-metrics-latency", &ProcessorSelection::span_metrics_latency, kSpanMetrics},
    {"span-metrics-size", &ProcessorSelection::span_metrics_size, kSpanMetrics},
    {"service-graphs-request", &ProcessorSelection::service_graphs_request, kServiceGraphs},
    {"service-graphs-latency", &ProcessorSelection::service_graphs_latency, kServiceGraphs},
    {"service-graphs-connection-info", &ProcessorSelection::service_graphs_connection_info, ""},
    {"host-info", &ProcessorSelection::host_info, ""},
}};

std::string CheckOptionalLabelName(const std::string& name) {
  return name.empty() ? "" : CheckLabelName(name);
}

std::string CheckTraceIdLabelName(const std::string& name) {
  if (!IsLabelName(name)) return "is not a label name: it must match [a-zA-Z_][a-zA-Z0-9_]*";
  if (name.size() > kMaxTraceIdLabelName) {
    return "is " + std::to_string(name.size()) + " characters long: at most " +
           std::to_string(kMaxTraceIdLabelName) +
           " leave room for the trace id in the 128 characters of an exemplar";
  }
  return "";
}

std::optional<ProcessorSelection> ReadProcessors(const ConfigValue& value, ConfigReader* reader) {
  const toml::array* array = reader->Array(value);
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> known = {std::string(kSpanMetrics), std::string(kServiceGraphs)};
  for (const SubProcessor& part : kSubProcessors) known.emplace_back(part.name);

  ProcessorSelection selection;
  for (const SubProcessor& part : kSubProcessors) selection.*part.selected = false;
  for (size_t i = 0; i < array->size(); ++i) {
    const ConfigValue element = {ElementPath(value.path, i), &(*array)[i]};
    const std::optional<std::string> name = reader->String(element);
    if (!name) continue;
    bool is_known = false;
    for (const SubProcessor& part : kSubProcessors) {
      if (*name != part.name && (*name != part.group || part.group.empty())) continue;
      selection.*part.selected = true;
      is_known = true;
    }
    if (is_known) continue;
    const std::string suggestion = Suggest(*name, known);
    std::string hint = "known are";
    for (const std::string& k : known) hint.append(&k == known.data() ? " " : ", ").append(k);
    if (!suggestion.empty()) hint = "did you mean \"" + suggestion + "\"?";
    reader->Problem(element, "= " + Quoted(*name) + " is no processor: " + hint);
  }
  return selection;
}

std::string FormatProcessors(const ProcessorSelection& selection) {
  std::vector<std::string> names;
  for (const SubProcessor& part : kSubProcessors) {
    if (!(selection.*part.selected)) continue;
    const bool whole_group =
        !part.group.empty() &&
        std::all_of(kSubProcessors.begin(), kSubProcessors.end(), [&](const SubProcessor& other) {
          return other.group != part.group || selection.*other.selected;
        });
    const std::string name(whole_group ? part.group : part.name);
    if (names.empty() || names.back() != name) names.push_back(name);
  }
  return FormatStringList(names);
}

std::optional<std::vector<double>> ReadBuckets(const ConfigValue& value, ConfigReader* reader) {
  const toml::array* array = reader->Array(value);
  if (array == nullptr) return std::nullopt;
  std::vector<double> bounds;
  for (size_t i = 0; i < array->size(); ++i) {
    const ConfigValue element = {ElementPath(value.path, i), &(*array)[i]};
    const auto* floating = element.node->as_floating_point();
    // Allowed, because people may write it, but the last bucket always exists.
    if (floating != nullptr && floating->get() == std::numeric_limits<double>::infinity()) continue;
    const std::optional<double> bound = reader->Number(element);
    if (!bound) continue;
    if (std::find(bounds.begin(), bounds.end(), *bound) != bounds.end()) {
      reader->Problem(element, "= " + FormatNumber(*bound) + " is there twice: remove one");
      continue;
    }
    bounds.push_back(*bound);
  }
  std::sort(bounds.begin(), bounds.end());
  return bounds;
}

std::string FormatBuckets(const std::vector<double>& bounds) {
  std::vector<std::string> elements;
  for (const double bound : bounds) elements.push_back(FormatNumber(bound));
  return FormatList(elements);
}

ConfigKeys<Dimension> DimensionKeys() {
  using Key = KeyOf<Dimension>;
  return {
      Key::String("name", FIELD(name)).Required(),
      Key::String("default", FIELD(default_value),
                  [](const std::string& text) -> std::string {
                    return text.empty() ? "says nothing: a label without a value is absent anyway; "
                                          "name a value or leave the default out"
                                        : "";
                  }),
  };
}

// Names, or tables that also have a default.
std::optional<std::vector<Dimension>> ReadDimensions(const ConfigValue& value,
                                                     ConfigReader* reader) {
  const toml::array* array = reader->Array(value);
  if (array == nullptr) return std::nullopt;
  std::vector<Dimension> dimensions;
  for (size_t i = 0; i < array->size(); ++i) {
    const ConfigValue element = {ElementPath(value.path, i), &(*array)[i]};
    // Problems found later name elements by index, so those with problems stay in the list.
    Dimension& dimension = dimensions.emplace_back();
    if (element.node->is_table()) {
      ReadTable(element, DimensionKeys(), &dimension, reader);
    } else if (element.node->is_string()) {
      dimension.name = reader->String(element).value_or("");
    } else {
      reader->Problem(
          element, "must be a string or a table, but is " + std::string(TypeName(*element.node)));
    }
  }
  return dimensions;
}

std::string FormatDimensions(const std::vector<Dimension>& dimensions) {
  std::vector<std::string> elements;
  for (const Dimension& dimension : dimensions) {
    elements.push_back(dimension.default_value.empty()
                           ? FormatString(dimension.name)
                           : FormatInlineTable(DimensionKeys(), dimension));
  }
  return FormatList(elements);
}

using FilterValue = std::variant<std::string, int64_t, double, bool>;

std::optional<FilterValue> ReadFilterValue(const ConfigValue& value, ConfigReader* reader) {
  if (const auto* integer = value.node->as_integer()) return integer->get();
  if (const auto* floating = value.node->as_floating_point()) return floating->get();
  if (const auto* boolean = value.node->as_boolean()) return boolean->get();
  if (value.node->is_string()) return reader->String(value);
  reader->Problem(value, "must be a string, an integer, a float or a boolean, but is " +
                             std::string(TypeName(*value.node)));
  return std::nullopt;
}

std::string FormatFilterValue(const FilterValue& value) {
  struct Formatter {
    std::string operator()(const std::string& v) const { return FormatString(v); }
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return FormatNumber(v); }
    std::string operator()(bool v) const { return v ? "true" : "false"; }
  };
  return std::visit(Formatter(), value);
}

}  // namespace

ConfigKeys<FilterPolicy> FilterPolicyKeys() {
  using Attribute = KeyOf<FilterAttribute>;
  using Match = KeyOf<FilterMatch>;
  using Policy = KeyOf<FilterPolicy>;
  using Type = FilterMatch::Type;
  const ConfigKeys<FilterAttribute> attribute = {
      Attribute::String("key", FIELD(key)).Required(),
      Attribute::Make("value", FIELD(value), ReadFilterValue, FormatFilterValue).Required(),
  };
  const ConfigKeys<FilterMatch> match = {
      Match::Enum<Type>("match_type", FIELD(match_type),
                        {{"strict", Type::kStrict}, {"regex", Type::kRegex}})
          .Required(),
      Match::TableList("attributes", FIELD(attributes), attribute, /*one_a_line=*/false),
  };
  return {
      Policy::OptionalTable("include", FIELD(include), match),
      Policy::OptionalTable("include_any", FIELD(include_any), match),
      Policy::OptionalTable("exclude", FIELD(exclude), match),
  };
}

namespace {

ConfigKeys<DimensionMapping> DimensionMappingKeys() {
  using Key = KeyOf<DimensionMapping>;
  return {
      Key::String("name", FIELD(name)).Required(),
      Key::StringList("source_labels", FIELD(source_labels)).Required(),
      Key::String("join", FIELD(join)),
  };
}

void AppendSpanMetricsKeys(ConfigKeys<GeneratorOptions>* keys) {
  using Key = KeyOf<GeneratorOptions>;
  const std::string sm = "span_metrics.";
  const std::string intrinsic = "span_metrics.intrinsic_dimensions.";
  const ConfigKeys<GeneratorOptions> added = {
      // clang-format off: one line a key.
      Key::Enum<DurationUnit>(std::string(kHistogramUnitKey), FIELD(span_metrics.histogram_unit),
                              {{"s", DurationUnit::kSeconds}, {"ms", DurationUnit::kMilliseconds}}),
      Key::Make(sm + "histogram_buckets", FIELD(span_metrics.histogram_buckets), ReadBuckets,
                FormatBuckets),
      Key::Make(sm + "dimensions", FIELD(span_metrics.dimensions), ReadDimensions,
                FormatDimensions),
      Key::TableList(sm + "dimension_mappings", FIELD(span_metrics.dimension_mappings),
                     DimensionMappingKeys(), true),
      Key::Bool(sm + "enable_target_info", FIELD(span_metrics.enable_target_info)),
      Key::StringList(sm + "target_info_excluded_dimensions",
                      FIELD(span_metrics.target_info_excluded_dimensions)),
      Key::Bool(sm + "enable_instance_label", FIELD(span_metrics.enable_instance_label)),
      Key::String(sm + "span_multiplier_key", FIELD(span_metrics.span_multiplier_key)),
      Key::Bool(sm + "enable_tracestate_span_multiplier",
                FIELD(span_metrics.enable_tracestate_span_multiplier)),
      Key::TableList(sm + "filter_policies", FIELD(span_metrics.filter_policies),
                     FilterPolicyKeys(), true),
      Key::Bool(intrinsic + "service", FIELD(span_metrics.intrinsic_dimensions.service)),
      Key::Bool(intrinsic + "span_name", FIELD(span_metrics.intrinsic_dimensions.span_name)),
      Key::Bool(intrinsic + "span_kind", FIELD(span_metrics.intrinsic_dimensions.span_kind)),
      Key::Bool(intrinsic + "status_code", FIELD(span_metrics.intrinsic_dimensions.status_code)),
      Key::Bool(intrinsic + "status_message",
                FIELD(span_metrics.intrinsic_dimensions.status_message)),
      // clang-format on
  };
  keys->insert(keys->end(), added.begin(), added.end());
}

void AppendServiceGraphsKeys(ConfigKeys<GeneratorOptions>* keys) {
  using Key = KeyOf<GeneratorOptions>;
  const std::string sg = "service_graphs.";
  const ConfigKeys<GeneratorOptions> added = {
      // clang-format off: one line a key.
      Key::Make(sg + "histogram_buckets", FIELD(service_graphs.histogram_buckets), ReadBuckets,
                FormatBuckets),
      Key::Duration(sg + "wait", FIELD(service_graphs.wait), 10 * kNanosPerMilli, kHour),
      Key::Integer(sg + "max_items", FIELD(service_graphs.max_items), 1, kMaxWaitingEdges),
      Key::StringList(sg + "dimensions", FIELD(service_graphs.dimensions)),
      Key::Bool(sg + "enable_client_server_prefix",
                FIELD(service_graphs.enable_client_server_prefix)),
      Key::StringList(sg + "peer_attributes", FIELD(service_graphs.peer_attributes)),
      Key::StringList(sg + "database_name_attributes",
                      FIELD(service_graphs.database_name_attributes)),
      Key::Bool(sg + "enable_messaging_system_latency_histogram",
                FIELD(service_graphs.enable_messaging_system_latency_histogram)),
      Key::Bool(sg + "enable_virtual_node_label", FIELD(service_graphs.enable_virtual_node_label)),
      Key::String(sg + "span_multiplier_key", FIELD(service_graphs.span_multiplier_key)),
      Key::Bool(sg + "enable_tracestate_span_multiplier",
                FIELD(service_graphs.enable_tracestate_span_multiplier)),
      Key::TableList(sg + "filter_policies", FIELD(service_graphs.filter_policies),
                     FilterPolicyKeys(), true),
      // clang-format on
  };
  keys->insert(keys->end(), added.begin(), added.end());
}

}  // namespace

std::string CheckLabelName(const std::string& name) {
  if (!IsLabelName(name)) return "is not a label name: it must match [a-zA-Z_][a-zA-Z0-9_]*";
  for (const std::string_view reserved : kLabelsOfTheRegistry) {
    if (name == reserved) return "is a reserved label name: choose another";
  }
  return "";
}

ConfigKeys<RelabelRule> RelabelRuleKeys() {
  using Key = KeyOf<RelabelRule>;
  using Action = RelabelRule::Action;
  return {
      Key::StringList("source_labels", FIELD(source_labels)),
      Key::String("separator", FIELD(separator)),
      Key::String("regex", FIELD(regex)),
      Key::Integer("modulus", FIELD(modulus), 0, std::numeric_limits<int64_t>::max()),
      Key::String("target_label", FIELD(target_label)),
      Key::String("replacement", FIELD(replacement)),
      Key::Enum<Action>("action", FIELD(action),
                        {{"replace", Action::kReplace},
                         {"keep", Action::kKeep},
                         {"drop", Action::kDrop},
                         {"labelmap", Action::kLabelMap},
                         {"labeldrop", Action::kLabelDrop},
                         {"labelkeep", Action::kLabelKeep},
                         {"lowercase", Action::kLowercase},
                         {"uppercase", Action::kUppercase},
                         {"hashmod", Action::kHashMod}}),
  };
}

ConfigKeys<GeneratorOptions> GeneratorKeys() {
  using Key = KeyOf<GeneratorOptions>;
  ConfigKeys<GeneratorOptions> keys = {
      // clang-format off: one line a key.
      Key::Make("processors", FIELD(processors), ReadProcessors, FormatProcessors),
      Key::Enum<Naming>(std::string(kNamingKey), FIELD(naming),
                        {{"tempo", Naming::kTempo}, {"otel", Naming::kOtel}}),
      Key::String("inject_tenant_id_as", FIELD(inject_tenant_id_as), CheckOptionalLabelName),
      Key::Enum<LimiterType>("limiter_type", FIELD(limiter_type),
                             {{"series", LimiterType::kSeries}, {"entity", LimiterType::kEntity}}),
      Key::Integer("max_active_series", FIELD(max_active_series), 0, kMaxSeries),
      Key::Integer("max_active_entities", FIELD(max_active_entities), 0, kMaxSeries),
      Key::Integer("max_cardinality_per_label", FIELD(max_cardinality_per_label), 0, kMaxSeries),
      Key::Enum<SpanNameSanitization>("span_name_sanitization", FIELD(span_name_sanitization),
                                      {{"", SpanNameSanitization::kOff},
                                       {"dry_run", SpanNameSanitization::kDryRun},
                                       {"enabled", SpanNameSanitization::kEnabled}}),
      Key::Duration("stale_duration", FIELD(stale_duration), kNanosPerSecond, 30 * kDay),
      Key::Duration("ingestion_time_range_slack", FIELD(ingestion_time_range_slack), 0,
                    36'500 * kDay),
      Key::Duration("collection_interval", FIELD(collection_interval), kNanosPerSecond, kHour),
      Key::Integer("max_label_name_length", FIELD(max_label_name_length), 0, kMiB),
      Key::Integer("max_label_value_length", FIELD(max_label_value_length), 0, kMiB),
      Key::String("trace_id_label_name", FIELD(trace_id_label_name), CheckTraceIdLabelName),
      Key::Number("max_span_multiplier", FIELD(max_span_multiplier), 1),
      Key::Bool("disable_collection", FIELD(disable_collection)),
      Key::Enum<HistogramKind>("generate_native_histograms", FIELD(generate_native_histograms),
                               {{"classic", HistogramKind::kClassic},
                                {"native", HistogramKind::kNative},
                                {"both", HistogramKind::kBoth}}),
      Key::Number("native_histogram_bucket_factor", FIELD(native_histogram_bucket_factor),
                  kMinBucketFactor),
      Key::Integer("native_histogram_max_bucket_number", FIELD(native_histogram_max_bucket_number),
                   1, kMaxNativeBuckets),
      Key::Duration("native_histogram_min_reset_duration",
                    FIELD(native_histogram_min_reset_duration), 0, 30 * kDay),
      Key::TableList("relabel", FIELD(relabel), RelabelRuleKeys(), true),
      Key::StringTable("external_labels", FIELD(external_labels), CheckLabelName),
      // clang-format on
  };
  AppendSpanMetricsKeys(&keys);
  AppendServiceGraphsKeys(&keys);
  keys.push_back(Key::StringList("host_info.host_identifiers", FIELD(host_info.host_identifiers)));
  keys.push_back(Key::String("host_info.metric_name", FIELD(host_info.metric_name)));
  return keys;
}

}  // namespace spanmeter
