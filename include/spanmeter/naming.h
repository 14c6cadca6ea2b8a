// What generated metrics and their labels are called: by Tempo's metrics-generator, or by the
// connectors spanmetrics and servicegraph of the OpenTelemetry Collector behind its Prometheus
// exporter. One table (naming.cc) says it; whoever makes or looks for a metric asks for it by its
// role, so that nobody else knows of namings.

#ifndef SPANMETER_NAMING_H_
#define SPANMETER_NAMING_H_

#include <array>
#include <optional>
#include <string_view>

#include "spanmeter/options.h"

namespace spanmeter {

// The names of one naming, by role. Where one is empty, the naming has no such thing. Counters end
// in _total.
struct MetricNames {
  // Metrics.
  std::string_view calls;
  std::string_view duration_seconds;
  std::string_view duration_milliseconds;
  std::string_view size;
  std::string_view target_info;
  std::string_view requests;
  std::string_view failed_requests;
  std::string_view server_seconds;
  std::string_view client_seconds;
  std::string_view messaging_seconds;
  std::string_view connection_info;

  // Labels of span metrics.
  std::string_view service;
  std::string_view span_name;
  std::string_view span_kind;
  std::string_view status_code;
  std::string_view status_message;
  // Labels of service graphs.
  std::string_view client;
  std::string_view server;
  std::string_view connection_type;
  std::string_view virtual_node;
  std::string_view failed;
  std::string_view client_prefix;
  std::string_view server_prefix;

  // Stand in front of a label that would begin with a digit, or with a single underscore. Where the
  // last one is empty, target_info leaves attributes that begin with a digit out.
  std::string_view before_digit;
  std::string_view before_underscore;
  std::string_view before_digit_in_target_info;

  std::string_view duration(DurationUnit unit) const {
    return unit == DurationUnit::kSeconds ? duration_seconds : duration_milliseconds;
  }
};

inline constexpr std::array kNamings = {Naming::kTempo, Naming::kOtel};

// Valid for ever.
const MetricNames& NamesOf(Naming naming);

// The naming by which a metric of this name is one of the span metrics, or of service graphs; null:
// it is none.
const MetricNames* NamesOfSpanMetric(std::string_view metric);
const MetricNames* NamesOfEdgeMetric(std::string_view metric);

// How many nanoseconds a unit has.
double NanosOf(DurationUnit unit);
// "seconds".
std::string_view NameOf(DurationUnit unit);

// Makes `options` those of another naming, and of another unit where one is given: what has its
// naming's default value gets the new one's, and buckets in another unit do so whatever they are.
// Without a `unit` a new naming brings its own; without either nothing changes.
void ChangeNaming(Naming naming, std::optional<DurationUnit> unit, GeneratorOptions* options);

}  // namespace spanmeter

#endif  // SPANMETER_NAMING_H_
