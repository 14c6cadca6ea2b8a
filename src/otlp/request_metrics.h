// What every OTLP receiver reports about its requests.

#ifndef SPANMETER_OTLP_REQUEST_METRICS_H_
#define SPANMETER_OTLP_REQUEST_METRICS_H_

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>

#include "spanmeter/self_metrics.h"

namespace spanmeter {

// Thread-safe.
class OtlpRequestMetrics {
 public:
  // `transport` is the value of the label of that name. `codes` are all that Count() will be told:
  // each is shown from the start, so that its first increment is not lost on rate(). `metrics` must
  // outlive this.
  OtlpRequestMetrics(SelfMetrics* metrics, const std::string& transport,
                     const std::vector<std::string>& codes, uint64_t max_in_flight);

  // A request was answered. `bytes` is its size as received. REQUIRES: `code` is one of `codes`.
  void Count(const std::string& code, double seconds, double bytes);

  // A request was refused before it was received. REQUIRES: as for Count().
  void CountRefused(const std::string& code) { requests_.at(code)->Increment(); }

  // Bytes of requests that are being worked on.
  prometheus::Gauge* in_flight_bytes() { return in_flight_bytes_; }

 private:
  std::map<std::string, prometheus::Counter*> requests_;
  prometheus::Histogram* duration_;
  prometheus::Histogram* size_;
  prometheus::Gauge* in_flight_bytes_;
};

}  // namespace spanmeter

#endif  // SPANMETER_OTLP_REQUEST_METRICS_H_
