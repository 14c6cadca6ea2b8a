#include "otlp/request_metrics.h"

namespace spanmeter {

namespace {

// A request takes about 30 microseconds at 100 spans and some milliseconds at the largest sizes.
prometheus::Histogram::BucketBoundaries Seconds() {
  return {0.00003, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1};
}

prometheus::Histogram::BucketBoundaries Bytes() {
  return {1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24};
}

}  // namespace

OtlpRequestMetrics::OtlpRequestMetrics(SelfMetrics* metrics, const std::string& transport,
                                       const std::vector<std::string>& codes,
                                       uint64_t max_in_flight) {
  prometheus::Registry& registry = metrics->registry();
  auto& requests =
      prometheus::BuildCounter()
          .Name("spanmeter_otlp_requests_total")
          .Help(
              "OTLP export requests by their answer. What gRPC refuses before a request is "
              "complete (too large, unknown encoding) is not among them.")
          .Register(registry);
  for (const std::string& code : codes) {
    requests_[code] = &requests.Add({{"transport", transport}, {"code", code}});
  }
  duration_ = &prometheus::BuildHistogram()
                   .Name("spanmeter_otlp_request_duration_seconds")
                   .Help("Time from the whole request being received to its answer.")
                   .Register(registry)
                   .Add({{"transport", transport}}, Seconds());
  size_ = &prometheus::BuildHistogram()
               .Name("spanmeter_otlp_request_size_bytes")
               .Help("Size of OTLP export requests as received, that is compressed.")
               .Register(registry)
               .Add({{"transport", transport}}, Bytes());
  in_flight_bytes_ = &prometheus::BuildGauge()
                          .Name("spanmeter_otlp_in_flight_bytes")
                          .Help(
                              "Bytes of requests being worked on, as received plus decompressed, "
                              "plus what JSON is "
                              "turned into.")
                          .Register(registry)
                          .Add({{"transport", transport}});
  prometheus::BuildGauge()
      .Name("spanmeter_otlp_max_in_flight_bytes")
      .Help("Bytes in flight beyond which requests are refused with the advice to retry.")
      .Register(registry)
      .Add({{"transport", transport}})
      .Set(static_cast<double>(max_in_flight));
}

void OtlpRequestMetrics::Count(const std::string& code, double seconds, double bytes) {
  requests_.at(code)->Increment();
  duration_->Observe(seconds);
  size_->Observe(bytes);
}

}  // namespace spanmeter
