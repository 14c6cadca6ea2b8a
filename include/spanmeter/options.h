// Every setting of spanmeter as plain structs with defaults. The configuration file only fills them
// (src/config); the modules read them. Durations are in nanoseconds, sizes in bytes.
// etc/spanmeter.toml documents each key for users.

#ifndef SPANMETER_OPTIONS_H_
#define SPANMETER_OPTIONS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "spanmeter/filter_options.h"
#include "spanmeter/forward_options.h"
#include "spanmeter/relabel_options.h"
#include "spanmeter/remote_write_options.h"

namespace spanmeter {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError };
enum class LogFormat : uint8_t { kLogfmt, kJson };

struct LogOptions {
  LogLevel level = LogLevel::kInfo;
  LogFormat format = LogFormat::kLogfmt;

  bool operator==(const LogOptions&) const = default;
};

// TLS of a listening port. All three are paths to PEM files.
struct ServerTlsOptions {
  std::string cert_file;
  std::string key_file;
  // Set: clients must show a certificate signed by one of these authorities (mTLS).
  std::string client_ca_file;

  bool operator==(const ServerTlsOptions&) const = default;
};

// Whoever sends this token (RFC 6750) may send spans.
struct OtlpTokenOptions {
  // Holds the token; read again when it changes.
  std::string file;
  // Whose spans may be sent with it; empty: those of any tenant.
  std::string tenant;

  bool operator==(const OtlpTokenOptions&) const = default;
};

struct OtlpGrpcOptions {
  // "host:port"; an IPv6 host stands in brackets. Port 0 lets the system choose (tests).
  std::string listen = "0.0.0.0:4317";
  // Largest request, compressed and again decompressed. 1 KiB to 256 MiB.
  uint64_t max_message_size = 16 << 20;
  // Bytes of requests being worked on; beyond it clients are told to retry later.
  // At least max_message_size.
  uint64_t max_in_flight = 64 << 20;
  // Empty: requests need no token.
  std::vector<OtlpTokenOptions> tokens;
  std::optional<ServerTlsOptions> tls;

  bool operator==(const OtlpGrpcOptions&) const = default;
};

// Which web pages may send spans (CORS).
struct CorsOptions {
  // "https://example.com", with a * for any part of it; "*" alone for any. Empty: no page may.
  std::vector<std::string> allowed_origins;
  // Header fields that pages may send besides those that OTLP needs; "*" for any.
  std::vector<std::string> allowed_headers;
  // How long browsers may keep the permission, in nanoseconds; 0 = as they like. To 24 h.
  int64_t max_age = 0;

  bool operator==(const CorsOptions&) const = default;
};

struct OtlpHttpOptions {
  bool enabled = true;
  // As for OTLP/gRPC, like everything that is called the same there.
  std::string listen = "0.0.0.0:4318";
  uint64_t max_message_size = 16 << 20;
  uint64_t max_in_flight = 64 << 20;
  std::vector<OtlpTokenOptions> tokens;
  CorsOptions cors;
  std::optional<ServerTlsOptions> tls;

  bool operator==(const OtlpHttpOptions&) const = default;
};

// What somebody may do: get /metrics and what is below it, or everything.
enum class HttpRole : uint8_t { kScrape, kAdmin };

// Somebody who logs in by a name and a password (HTTP's Basic scheme).
struct HttpUserOptions {
  std::string name;
  // A bcrypt hash; see spanmeter/password_hash.h.
  TextOrFile password_hash;
  HttpRole role = HttpRole::kScrape;

  bool operator==(const HttpUserOptions&) const = default;
};

// Somebody who sends a token (RFC 6750).
struct HttpTokenOptions {
  std::string name;
  // Holds the token; read again when it changes.
  std::string file;
  HttpRole role = HttpRole::kScrape;

  bool operator==(const HttpTokenOptions&) const = default;
};

struct HttpOptions {
  std::string listen = "0.0.0.0:9797";
  // Whether POST /-/reload reads the configuration anew.
  bool enable_lifecycle = false;
  // Adds `_created` samples to OpenMetrics scrapes.
  bool openmetrics_created = false;
  // Without users and tokens: whether the page, the API and /-/reload are for other machines, too.
  bool admin_from_anywhere = false;
  // When there is any of them, everything but health needs one.
  std::vector<HttpUserOptions> users;
  std::vector<HttpTokenOptions> tokens;
  std::optional<ServerTlsOptions> tls;
  // kTls12 or kTls13.
  TlsVersion tls_min_version = TlsVersion::kTls12;

  bool has_credentials() const { return !users.empty() || !tokens.empty(); }

  bool operator==(const HttpOptions&) const = default;
};

// An attribute that becomes a label.
struct Dimension {
  std::string name;
  // The label's value where the attribute has none; empty: there is no label then.
  std::string default_value = {};

  bool operator==(const Dimension&) const = default;
};

struct DimensionMapping {
  std::string name;
  std::vector<std::string> source_labels;
  std::string join;

  bool operator==(const DimensionMapping&) const = default;
};

// Which of a span's own properties become labels.
struct IntrinsicDimensions {
  bool service = true;
  bool span_name = true;
  bool span_kind = true;
  bool status_code = true;
  bool status_message = false;

  bool operator==(const IntrinsicDimensions&) const = default;
};

// Whose names metrics and labels have; see spanmeter/naming.h.
enum class Naming : uint8_t { kTempo, kOtel };
enum class DurationUnit : uint8_t { kSeconds, kMilliseconds };

struct SpanMetricsOptions {
  // In which durations are shown. kMilliseconds with Naming::kOtel only.
  DurationUnit histogram_unit = DurationUnit::kSeconds;
  // Upper bounds in that unit, ascending, without +Inf. Empty: only +Inf.
  std::vector<double> histogram_buckets = {0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128,
                                           0.256, 0.512, 1.024, 2.048, 4.096, 8.192, 16.384};
  IntrinsicDimensions intrinsic_dimensions;
  std::vector<Dimension> dimensions;
  std::vector<DimensionMapping> dimension_mappings;
  bool enable_target_info = false;
  std::vector<std::string> target_info_excluded_dimensions;
  bool enable_instance_label = true;
  // Attribute that holds the sampling ratio; empty: none.
  std::string span_multiplier_key;
  bool enable_tracestate_span_multiplier = false;
  std::vector<FilterPolicy> filter_policies;

  bool operator==(const SpanMetricsOptions&) const = default;
};

struct ServiceGraphsOptions {
  // Upper bounds in seconds, ascending, without +Inf. Empty: only +Inf.
  std::vector<double> histogram_buckets = {0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8};
  // How long one side of an edge waits for the other. 10 ms to 1 h.
  int64_t wait = int64_t{10} * 1'000'000'000;
  // Most sides that wait at a time; beyond it the oldest is let go. 1 to 100 million.
  uint64_t max_items = 100'000;
  std::vector<std::string> dimensions;
  bool enable_client_server_prefix = false;
  // Span attributes that name the other side of a request.
  std::vector<std::string> peer_attributes = {"peer.service", "db.name", "db.system",
                                              "db.system.name"};
  // Attributes that make a client's span a request to a database.
  std::vector<std::string> database_name_attributes = {"db.namespace", "db.name", "db.system",
                                                       "db.system.name"};
  bool enable_messaging_system_latency_histogram = false;
  bool enable_virtual_node_label = false;
  std::string span_multiplier_key;
  bool enable_tracestate_span_multiplier = false;
  std::vector<FilterPolicy> filter_policies;

  bool operator==(const ServiceGraphsOptions&) const = default;
};

struct HostInfoOptions {
  // Resource attributes; the first that is a string names the host.
  std::vector<std::string> host_identifiers = {"k8s.node.name", "host.id"};
  std::string metric_name = "traces_host_info";

  bool operator==(const HostInfoOptions&) const = default;
};

enum class LimiterType : uint8_t { kSeries, kEntity };
enum class SpanNameSanitization : uint8_t { kOff, kDryRun, kEnabled };
enum class HistogramKind : uint8_t { kClassic, kNative, kBoth };

// What `processors` switches on, sub-processors resolved.
struct ProcessorSelection {
  bool span_metrics_count = true;
  bool span_metrics_latency = true;
  bool span_metrics_size = true;
  bool service_graphs_request = false;
  bool service_graphs_latency = false;
  bool service_graphs_connection_info = false;
  bool host_info = false;

  bool span_metrics() const {
    return span_metrics_count || span_metrics_latency || span_metrics_size;
  }
  bool service_graphs() const {
    return service_graphs_request || service_graphs_latency || service_graphs_connection_info;
  }
  bool any() const { return span_metrics() || service_graphs() || host_info; }

  bool operator==(const ProcessorSelection&) const = default;
};

struct GeneratorOptions {
  ProcessorSelection processors;
  // Some options have other defaults with another naming: see ChangeNaming().
  Naming naming = Naming::kTempo;
  // Constant labels of every generated series. An empty value means no label.
  std::map<std::string, std::string> external_labels;
  // Name of a label that holds the tenant's id; empty: no such label.
  std::string inject_tenant_id_as;
  // 0 = no limit.
  uint64_t max_active_series = 0;
  uint64_t max_active_entities = 0;
  LimiterType limiter_type = LimiterType::kSeries;
  // Distinct values of a label that may be alive; 0 = no limit.
  uint64_t max_cardinality_per_label = 0;
  // Whether span names are grouped into templates.
  SpanNameSanitization span_name_sanitization = SpanNameSanitization::kOff;
  // A label set without an update for this long disappears. 1 s to 30 days.
  int64_t stale_duration = int64_t{15} * 60 * 1'000'000'000;
  // How far a span's end may be from now, either way. 0 = any.
  int64_t ingestion_time_range_slack = int64_t{5} * 60 * 1'000'000'000;
  // In bytes; 0 = not cut.
  uint64_t max_label_name_length = 1024;
  uint64_t max_label_value_length = 2048;
  // Label name of exemplars; at most 96 characters.
  std::string trace_id_label_name = "traceID";
  // Larger span multipliers are not believed. At least 1.
  double max_span_multiplier = 1'000'000;
  // Count everything, expose nothing.
  bool disable_collection = false;
  HistogramKind generate_native_histograms = HistogramKind::kClassic;
  // Of native histograms: largest ratio of a bucket's bounds, over 1; most buckets; time between
  // two resets of a histogram that has more, in nanoseconds, 0 = never reset.
  double native_histogram_bucket_factor = 1.1;
  uint64_t native_histogram_max_bucket_number = 100;
  int64_t native_histogram_min_reset_duration = int64_t{15} * 60 * 1'000'000'000;
  // How often series are pushed by remote write: at multiples of it, counted from the Unix epoch.
  // 1 s to 1 h.
  int64_t collection_interval = int64_t{15} * 1'000'000'000;
  // Applied in order to every label set before its series is looked up.
  std::vector<RelabelRule> relabel;

  SpanMetricsOptions span_metrics;
  ServiceGraphsOptions service_graphs;
  HostInfoOptions host_info;

  bool operator==(const GeneratorOptions&) const = default;
};

struct TenancyOptions {
  // The tenant is what the X-Scope-OrgID of a request says; otherwise there is one for all.
  bool enabled = false;
  // Requests for a tenant beyond these are refused. 1 to 100,000.
  uint64_t max_tenants = 100;

  bool operator==(const TenancyOptions&) const = default;
};

struct Options {
  LogOptions log;
  OtlpGrpcOptions otlp_grpc;
  OtlpHttpOptions otlp_http;
  HttpOptions http;
  TenancyOptions tenancy;
  StorageOptions storage;
  std::vector<RemoteWriteOptions> remote_write;
  std::vector<ForwardOptions> forward;
  GeneratorOptions generator;
  // The complete options of tenants that have a table of their own.
  std::map<std::string, GeneratorOptions> tenants;

  bool operator==(const Options&) const = default;
};

// A configuration that cannot work. `path` names the key below [generator], in the manner of
// `span_metrics.dimensions[2]`; `problem` says what is wrong and what would be right.
struct OptionProblem {
  std::string path;
  std::string problem;

  bool operator==(const OptionProblem&) const = default;
};

}  // namespace spanmeter

#endif  // SPANMETER_OPTIONS_H_
