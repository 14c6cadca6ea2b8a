#include "spanmeter/naming.h"

#include <initializer_list>
#include <string>
#include <vector>

namespace spanmeter {

namespace {

struct Row {
  std::string_view MetricNames::*role;
  std::string_view tempo;
  std::string_view otel;
};

// The connectors have no size, no time between messages and no status message; these follow the
// same rules as what they do have.
constexpr Row kTable[] = {
    {&MetricNames::calls, "traces_spanmetrics_calls_total", "traces_span_metrics_calls_total"},
    {&MetricNames::duration_seconds, "traces_spanmetrics_latency",
     "traces_span_metrics_duration_seconds"},
    {&MetricNames::duration_milliseconds, "", "traces_span_metrics_duration_milliseconds"},
    {&MetricNames::size, "traces_spanmetrics_size_total", "traces_span_metrics_size_bytes_total"},
    {&MetricNames::target_info, "traces_target_info", "target_info"},
    {&MetricNames::requests, "traces_service_graph_request_total",
     "traces_service_graph_request_total"},
    {&MetricNames::failed_requests, "traces_service_graph_request_failed_total",
     "traces_service_graph_request_failed_total"},
    {&MetricNames::server_seconds, "traces_service_graph_request_server_seconds",
     "traces_service_graph_request_server_seconds"},
    {&MetricNames::client_seconds, "traces_service_graph_request_client_seconds",
     "traces_service_graph_request_client_seconds"},
    {&MetricNames::messaging_seconds, "traces_service_graph_request_messaging_system_seconds",
     "traces_service_graph_request_messaging_system_seconds"},
    {&MetricNames::connection_info, "traces_service_graph_connection_info",
     "traces_service_graph_connection_info"},

    {&MetricNames::service, "service", "service_name"},
    {&MetricNames::span_name, "span_name", "span_name"},
    {&MetricNames::span_kind, "span_kind", "span_kind"},
    {&MetricNames::status_code, "status_code", "status_code"},
    {&MetricNames::status_message, "status_message", "status_message"},

    {&MetricNames::client, "client", "client"},
    {&MetricNames::server, "server", "server"},
    {&MetricNames::connection_type, "connection_type", "connection_type"},
    {&MetricNames::virtual_node, "virtual_node", "virtual_node"},
    {&MetricNames::failed, "", "failed"},
    {&MetricNames::client_prefix, "client_", "client_"},
    {&MetricNames::server_prefix, "server_", "server_"},

    {&MetricNames::before_digit, "_", "key_"},
    {&MetricNames::before_underscore, "", "key"},
    {&MetricNames::before_digit_in_target_info, "", "key_"},
};

constexpr MetricNames Column(std::string_view Row::*naming) {
  MetricNames names;
  for (const Row& row : kTable) names.*row.role = row.*naming;
  return names;
}
constexpr MetricNames kTempoNames = Column(&Row::tempo);
constexpr MetricNames kOtelNames = Column(&Row::otel);

// Of the options that follow the naming, the values where the configuration says nothing.
struct NamingDefaults {
  DurationUnit unit;
  std::vector<double> service_graph_buckets;
  bool client_server_prefix;
  std::string trace_id_label;
};

NamingDefaults DefaultsOf(Naming naming) {
  const GeneratorOptions tempo;
  if (naming == Naming::kTempo) {
    return {DurationUnit::kSeconds, tempo.service_graphs.histogram_buckets,
            tempo.service_graphs.enable_client_server_prefix, tempo.trace_id_label_name};
  }
  return {DurationUnit::kMilliseconds,
          {0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1, 1.4, 2, 5, 10, 15},
          true,
          "trace_id"};
}

std::vector<double> DefaultSpanBuckets(Naming naming, DurationUnit unit) {
  if (naming == Naming::kTempo) return SpanMetricsOptions().histogram_buckets;
  // The same list, to the last one.
  if (unit == DurationUnit::kSeconds) return DefaultsOf(naming).service_graph_buckets;
  return {2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10000, 15000};
}

// The first naming by which `metric` plays one of the roles.
const MetricNames* NamesWith(std::string_view metric,
                             std::initializer_list<std::string_view MetricNames::*> roles) {
  for (const MetricNames* names : {&kTempoNames, &kOtelNames}) {
    for (const auto role : roles) {
      if (!metric.empty() && names->*role == metric) return names;
    }
  }
  return nullptr;
}

}  // namespace

const MetricNames& NamesOf(Naming naming) {
  return naming == Naming::kTempo ? kTempoNames : kOtelNames;
}

const MetricNames* NamesOfSpanMetric(std::string_view metric) {
  return NamesWith(metric, {&MetricNames::calls, &MetricNames::duration_seconds,
                            &MetricNames::duration_milliseconds, &MetricNames::size});
}

const MetricNames* NamesOfEdgeMetric(std::string_view metric) {
  return NamesWith(metric, {&MetricNames::requests, &MetricNames::failed_requests,
                            &MetricNames::server_seconds, &MetricNames::client_seconds,
                            &MetricNames::messaging_seconds, &MetricNames::connection_info});
}

double NanosOf(DurationUnit unit) { return unit == DurationUnit::kSeconds ? 1e9 : 1e6; }

std::string_view NameOf(DurationUnit unit) {
  return unit == DurationUnit::kSeconds ? "seconds" : "milliseconds";
}

void ChangeNaming(Naming naming, std::optional<DurationUnit> unit, GeneratorOptions* options) {
  const NamingDefaults before = DefaultsOf(options->naming);
  const NamingDefaults after = DefaultsOf(naming);
  SpanMetricsOptions& span_metrics = options->span_metrics;
  const DurationUnit unit_before = span_metrics.histogram_unit;
  const DurationUnit unit_after =
      unit.value_or(naming == options->naming ? unit_before : after.unit);
  if (unit_after != unit_before ||
      span_metrics.histogram_buckets == DefaultSpanBuckets(options->naming, unit_before)) {
    span_metrics.histogram_buckets = DefaultSpanBuckets(naming, unit_after);
  }
  span_metrics.histogram_unit = unit_after;

  const auto replace = [](const auto& old_default, const auto& new_default, auto* value) {
    if (*value == old_default) *value = new_default;
  };
  ServiceGraphsOptions& service_graphs = options->service_graphs;
  replace(before.service_graph_buckets, after.service_graph_buckets,
          &service_graphs.histogram_buckets);
  replace(before.client_server_prefix, after.client_server_prefix,
          &service_graphs.enable_client_server_prefix);
  replace(before.trace_id_label, after.trace_id_label, &options->trace_id_label_name);
  options->naming = naming;
}

}  // namespace spanmeter
