#include "config/keys.h"

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

#include "config/address.h"

// What a key fills, as a function from a struct to its member; works for const and other structs.
// A macro, because a member path cannot be passed in any other way that fits on the key's line.
#define FIELD(member) ([](auto& target) -> auto& { return target.member; })

namespace spanmeter {

namespace {

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;
constexpr uint64_t kGiB = 1 << 30;
constexpr int64_t kDay = int64_t{86'400} * kNanosPerSecond;

// More than a machine could keep, and far from overflow.
constexpr uint64_t kMaxSeries = 1'000'000'000;
constexpr uint64_t kMaxNativeBuckets = 1'000;
// The buckets of the finest schema are that much wider than their neighbours.
constexpr double kMinBucketFactor = 1.002;
constexpr size_t kMaxTraceIdLabelName = 96;

constexpr std::string_view kSpanMetrics = "span-metrics";

// A part of a processor by its name in `processors`.
struct SubProcessor {
  std::string_view name;
  bool ProcessorSelection::*selected;
};
constexpr std::array<SubProcessor, 3> kSubProcessors = {{
    {"span-metrics-count", &ProcessorSelection::span_metrics_count},
    {"span-metrics-latency", &ProcessorSelection::span_metrics_latency},
    {"span-metrics-size", &ProcessorSelection::span_metrics_size},
}};

// What a later version will have. Entries whose name ends in '*' stand for all names that begin so.
struct Unsupported {
  std::string_view name;
  std::string_view feature;
};
constexpr std::array<Unsupported, 9> kUnsupportedKeys = {{
    {"otlp.http", "OTLP over HTTP"},
    {"tenancy", "tenants"},
    {"tenants", "tenants"},
    {"remote_write", "remote write"},
    {"generator.service_graphs", "service graphs"},
    {"generator.host_info", "host info"},
    {"generator.max_cardinality_per_label", "limit of values per label"},
    {"generator.span_name_sanitization", "grouping of span names"},
    {"generator.collection_interval", "remote write"},
}};
constexpr std::array<Unsupported, 2> kUnsupportedProcessors = {{
    {"service-graphs*", "service graphs"},
    {"host-info*", "host info"},
}};

template <size_t n>
std::string DescribeUnsupported(const std::array<Unsupported, n>& table, std::string_view name) {
  for (const Unsupported& entry : table) {
    const bool matches = entry.name.back() == '*'
                             ? name.starts_with(entry.name.substr(0, entry.name.size() - 1))
                             : name == entry.name;
    if (matches) {
      return "this version has no " + std::string(entry.feature) + " yet: remove " +
             std::string(name);
    }
  }
  return "";
}

bool IsLegalLabelName(std::string_view name) {
  return !name.empty() && !(name[0] >= '0' && name[0] <= '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_';
         });
}

std::string CheckOptionalLabelName(const std::string& name) {
  return name.empty() ? "" : CheckLabelName(name);
}

std::string CheckTraceIdLabelName(const std::string& name) {
  if (!IsLegalLabelName(name)) return "is not a label name: it must match [a-zA-Z_][a-zA-Z0-9_]*";
  if (name.size() > kMaxTraceIdLabelName) {
    return "is " + std::to_string(name.size()) + " characters long: at most " +
           std::to_string(kMaxTraceIdLabelName) +
           " leave room for the trace id in the 128 characters of an exemplar";
  }
  return "";
}

std::string CheckListenAddress(const std::string& text) {
  std::string error;
  return ParseListenAddress(text, &error) ? "" : error;
}

// The files of TLS. Reading one of them switches TLS on; contradictions.cc switches it off again
// when all are empty.
template <std::string ServerTlsOptions::*file>
struct TlsFile {
  std::string& operator()(Options& options) const {
    if (!options.otlp_grpc.tls) options.otlp_grpc.tls.emplace();
    return (*options.otlp_grpc.tls).*file;
  }
  std::string operator()(const Options& options) const {
    return options.otlp_grpc.tls ? (*options.otlp_grpc.tls).*file : "";
  }
};

std::optional<ProcessorSelection> ReadProcessors(const ConfigValue& value, ConfigReader* reader) {
  const toml::array* array = reader->Array(value);
  if (array == nullptr) return std::nullopt;
  std::vector<std::string> known = {std::string(kSpanMetrics)};
  for (const SubProcessor& part : kSubProcessors) known.emplace_back(part.name);

  ProcessorSelection selection = {false, false, false};
  for (size_t i = 0; i < array->size(); ++i) {
    const ConfigValue element = {ElementPath(value.path, i), &(*array)[i]};
    const std::optional<std::string> name = reader->String(element);
    if (!name) continue;
    bool is_known = false;
    for (const SubProcessor& part : kSubProcessors) {
      if (*name != kSpanMetrics && *name != part.name) continue;
      selection.*part.selected = true;
      is_known = true;
    }
    if (is_known) continue;
    const std::string unsupported = DescribeUnsupported(kUnsupportedProcessors, *name);
    if (!unsupported.empty()) {
      reader->Report(element.path, element.path + ": " + unsupported);
      continue;
    }
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
    if (selection.*part.selected) names.emplace_back(part.name);
  }
  if (names.size() == kSubProcessors.size()) names = {std::string(kSpanMetrics)};
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

ConfigKeys<DimensionMapping> DimensionMappingKeys() {
  using Key = KeyOf<DimensionMapping>;
  return {
      Key::String("name", FIELD(name)).Required(),
      Key::StringList("source_labels", FIELD(source_labels)).Required(),
      Key::String("join", FIELD(join)),
  };
}

}  // namespace

std::string CheckLabelName(const std::string& name) {
  if (!IsLegalLabelName(name)) return "is not a label name: it must match [a-zA-Z_][a-zA-Z0-9_]*";
  for (const std::string_view reserved : {"le", "__name__", "metric_overflow"}) {
    if (name == reserved) return "is a reserved label name: choose another";
  }
  return "";
}

std::string DescribeUnsupportedKey(const std::string& path) {
  const std::string message = DescribeUnsupported(kUnsupportedKeys, path);
  return message.empty() ? "" : path + ": " + message;
}

ConfigKeys<Options> AllConfigKeys() {
  using Key = KeyOf<Options>;
  using Tls = ServerTlsOptions;
  const std::string grpc = "otlp.grpc.";
  const std::string gen = "generator.";
  const std::string sm = "generator.span_metrics.";
  const std::string intrinsic = "generator.span_metrics.intrinsic_dimensions.";
  return {
      Key::Enum<LogLevel>("log.level", FIELD(log.level),
                          {{"debug", LogLevel::kDebug},
                           {"info", LogLevel::kInfo},
                           {"warn", LogLevel::kWarn},
                           {"error", LogLevel::kError}}),
      Key::Enum<LogFormat>("log.format", FIELD(log.format),
                           {{"logfmt", LogFormat::kLogfmt}, {"json", LogFormat::kJson}}),

      // clang-format off: one line a key.
      Key::String(grpc + "listen", FIELD(otlp_grpc.listen), CheckListenAddress),
      Key::ByteSize(grpc + "max_message_size", FIELD(otlp_grpc.max_message_size), kKiB, 256 * kMiB),
      Key::ByteSize(grpc + "max_in_flight", FIELD(otlp_grpc.max_in_flight), kKiB, 1024 * kGiB),
      Key::String(grpc + "tls.cert_file", TlsFile<&Tls::cert_file>()),
      Key::String(grpc + "tls.key_file", TlsFile<&Tls::key_file>()),
      Key::String(grpc + "tls.client_ca_file", TlsFile<&Tls::client_ca_file>()),

      Key::String("http.listen", FIELD(http.listen), CheckListenAddress),
      Key::Bool("http.openmetrics_created", FIELD(http.openmetrics_created)),

      Key::Make(gen + "processors", FIELD(generator.processors), ReadProcessors, FormatProcessors),
      Key::String(gen + "inject_tenant_id_as", FIELD(generator.inject_tenant_id_as),
                  CheckOptionalLabelName),
      Key::Enum<LimiterType>(gen + "limiter_type", FIELD(generator.limiter_type),
                             {{"series", LimiterType::kSeries}, {"entity", LimiterType::kEntity}}),
      Key::Integer(gen + "max_active_series", FIELD(generator.max_active_series), 0, kMaxSeries),
      Key::Integer(gen + "max_active_entities", FIELD(generator.max_active_entities), 0,
                   kMaxSeries),
      Key::Duration(gen + "stale_duration", FIELD(generator.stale_duration), kNanosPerSecond,
                    30 * kDay),
      Key::Duration(gen + "ingestion_time_range_slack", FIELD(generator.ingestion_time_range_slack),
                    0, 36'500 * kDay),
      Key::Integer(gen + "max_label_name_length", FIELD(generator.max_label_name_length), 0, kMiB),
      Key::Integer(gen + "max_label_value_length", FIELD(generator.max_label_value_length), 0,
                   kMiB),
      Key::String(gen + "trace_id_label_name", FIELD(generator.trace_id_label_name),
                  CheckTraceIdLabelName),
      Key::Number(gen + "max_span_multiplier", FIELD(generator.max_span_multiplier), 1),
      Key::Bool(gen + "disable_collection", FIELD(generator.disable_collection)),
      Key::Enum<HistogramKind>(gen + "generate_native_histograms",
                               FIELD(generator.generate_native_histograms),
                               {{"classic", HistogramKind::kClassic},
                                {"native", HistogramKind::kNative},
                                {"both", HistogramKind::kBoth}}),
      Key::Number(gen + "native_histogram_bucket_factor",
                  FIELD(generator.native_histogram_bucket_factor), kMinBucketFactor),
      Key::Integer(gen + "native_histogram_max_bucket_number",
                   FIELD(generator.native_histogram_max_bucket_number), 1, kMaxNativeBuckets),
      Key::Duration(gen + "native_histogram_min_reset_duration",
                    FIELD(generator.native_histogram_min_reset_duration), 0, 30 * kDay),
      Key::StringTable(gen + "external_labels", FIELD(generator.external_labels), CheckLabelName),

      Key::Make(sm + "histogram_buckets", FIELD(generator.span_metrics.histogram_buckets),
                ReadBuckets, FormatBuckets),
      Key::StringList(sm + "dimensions", FIELD(generator.span_metrics.dimensions)),
      Key::TableList(sm + "dimension_mappings", FIELD(generator.span_metrics.dimension_mappings),
                     DimensionMappingKeys(), true),
      Key::Bool(sm + "enable_target_info", FIELD(generator.span_metrics.enable_target_info)),
      Key::StringList(sm + "target_info_excluded_dimensions",
                      FIELD(generator.span_metrics.target_info_excluded_dimensions)),
      Key::Bool(sm + "enable_instance_label", FIELD(generator.span_metrics.enable_instance_label)),
      Key::String(sm + "span_multiplier_key", FIELD(generator.span_metrics.span_multiplier_key)),
      Key::Bool(sm + "enable_tracestate_span_multiplier",
                FIELD(generator.span_metrics.enable_tracestate_span_multiplier)),
      Key::TableList(sm + "filter_policies", FIELD(generator.span_metrics.filter_policies),
                     FilterPolicyKeys(), true),
      Key::Bool(intrinsic + "service", FIELD(generator.span_metrics.intrinsic_dimensions.service)),
      Key::Bool(intrinsic + "span_name",
                FIELD(generator.span_metrics.intrinsic_dimensions.span_name)),
      Key::Bool(intrinsic + "span_kind",
                FIELD(generator.span_metrics.intrinsic_dimensions.span_kind)),
      Key::Bool(intrinsic + "status_code",
                FIELD(generator.span_metrics.intrinsic_dimensions.status_code)),
      Key::Bool(intrinsic + "status_message",
                FIELD(generator.span_metrics.intrinsic_dimensions.status_message)),
      // clang-format on
  };
}

}  // namespace spanmeter
