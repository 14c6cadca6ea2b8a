// Lifelike traffic of a small shop: what a newcomer wants to see on a dashboard.

#ifndef SPANMETER_TESTS_LOADGEN_SHOP_H_
#define SPANMETER_TESTS_LOADGEN_SHOP_H_

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "spanmeter/mutex.h"

#include "loadgen/batch_source.h"
#include "loadgen/span_encoder.h"

namespace spanmeter::loadgen {

// One operation of a service, and what it causes while it runs.
struct Step {
  std::string service;
  Kind kind = kInternal;
  std::string name;
  Attributes attributes;
  // Time that the operation itself takes: log-normal, median and spread (sigma of the logarithm).
  double median_ms = 1;
  double spread = 0.4;
  // How often the operation fails by itself, and with what message. It also fails with a server
  // that it calls.
  double error_rate = 0;
  std::string error;
  std::vector<Step> children;
};

// Visits of customers, each a trace through frontend, cart, catalogue, checkout, payment, inventory
// and shipping, with their databases, their cache and their queue. Every service sends its own
// spans.
class Shop final : public BatchSource {
 public:
  explicit Shop(bool gzip);

  Batch Next() override;

 private:
  struct Outcome {
    double end_ms = 0;
    bool failed = false;
  };

  void AddVisits() REQUIRES_LOCK(mutex_);
  // Lets `step` happen from `start_ms` on; appends its spans, with times relative to the start of
  // the trace, to spans_.
  Outcome Simulate(const Step& step, double start_ms, const std::string& trace_id,
                   const std::string& parent_id) REQUIRES_LOCK(mutex_);
  std::string RandomId(size_t bytes) REQUIRES_LOCK(mutex_);
  bool Happens(double probability) REQUIRES_LOCK(mutex_);

  const bool gzip_;
  const std::vector<std::pair<double, Step>> visits_;  // with their weights
  Mutex mutex_;
  std::mt19937_64 random_ GUARDED_BY(mutex_);
  std::map<std::string, std::vector<SpanFields>> spans_ GUARDED_BY(mutex_);  // by service
  std::deque<Batch> ready_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_SHOP_H_
