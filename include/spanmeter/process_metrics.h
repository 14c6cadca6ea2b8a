// What every Prometheus target says about its process, and which build it is.

#ifndef SPANMETER_PROCESS_METRICS_H_
#define SPANMETER_PROCESS_METRICS_H_

#include <string>

#include "spanmeter/self_metrics.h"

namespace spanmeter {

// Adds the process metrics under the names that all Prometheus client libraries use
// (https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics): CPU seconds,
// memory, file descriptors, threads, start time. Read from /proc at each collection; a value that
// cannot be read is left out.
void AddProcessMetrics(SelfMetrics* metrics);

// Adds the gauge `spanmeter_build_info`, always 1, with the labels `version` and `compiler`.
void AddBuildInfo(const std::string& version, SelfMetrics* metrics);

}  // namespace spanmeter

#endif  // SPANMETER_PROCESS_METRICS_H_
