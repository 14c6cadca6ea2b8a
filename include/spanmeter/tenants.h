// All tenants of a process: who a request belongs to, and what everybody together shows.

#ifndef SPANMETER_TENANTS_H_
#define SPANMETER_TENANTS_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/generator.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/options.h"
#include "spanmeter/sample_sink.h"
#include "spanmeter/self_metrics.h"

namespace spanmeter {

class StateReader;
class StateWriter;

// Thread-safe. Without tenancy there is one tenant, kSingleTenant, from the beginning; with it they
// come with their first request and go when nothing is left of them.
class Tenants {
 public:
  // Of `options` the tenancy, the generator's and the tenants' count; they must be valid. `clock`,
  // `logger` and `metrics` must outlive this, and this the last collection of `metrics`.
  Tenants(const Options& options, const Clock* clock, const Logger* logger, SelfMetrics* metrics);
  Tenants(const Tenants&) = delete;
  Tenants& operator=(const Tenants&) = delete;

  enum class Refusal : uint8_t {
    kNone,
    kMissing,  // the request names no tenant
    kInvalid,  // what it names cannot be one
    kTooMany,  // there are max_tenants others
  };
  struct Found {
    std::shared_ptr<Generator> generator;  // null when refused
    Refusal refusal = Refusal::kNone;
    std::string message;  // why it was refused, for the client
  };
  // The generator of a request that names the tenants `ids`, one as a rule. Without tenancy they do
  // not matter. A refusal is counted.
  Found Find(const std::vector<std::string_view>& ids);

  // Presents the series of all tenants, or of one; false when the sink ended the visit.
  bool Visit(SampleSink* sink) const;
  bool Visit(std::string_view tenant, SampleSink* sink) const;
  // Every tenant, by name.
  std::vector<std::shared_ptr<Generator>> All() const;
  // The tenant, or null when it is not there.
  std::shared_ptr<Generator> Get(std::string_view tenant) const;
  // Whether the tenant is there, with or without series, or has options of its own.
  bool Has(std::string_view tenant) const;

  // Puts other options in force; returns, as "tenant/metric", what begins anew because its labels
  // or buckets changed. REQUIRES: tenancy.enabled does not change.
  std::vector<std::string> Reload(const Options& options);

  // Writes the state of all tenants. REQUIRES: there are no requests and no maintenance meanwhile.
  void Save(StateWriter* writer) const;
  // Reads that from the current record on. Each tenant comes back with the options that it has by
  // now, also beyond max_tenants; none does when tenancy was switched on or off. False when the
  // records make no sense, which the reader then explains: all tenants begin anew. REQUIRES: nobody
  // used any of the tenants yet.
  bool Restore(StateReader* reader, RestoredState* restored);

  // To be called every MaintenanceIntervalNanos().
  void Maintain();
  int64_t MaintenanceIntervalNanos() const;

 private:
  static constexpr size_t kRefusals = 4;
  const GeneratorOptions& OptionsOfLocked(const std::string& tenant) const REQUIRES_LOCK(mutex_);
  std::shared_ptr<Generator> AddLocked(std::string_view tenant) REQUIRES_LOCK(mutex_);
  bool RestoreAll(StateReader* reader, RestoredState* restored);
  // The tenant that the current record begins, in its place; null when there cannot be one.
  std::shared_ptr<Generator> AddSaved(std::string_view tenant);
  Found Refuse(Refusal refusal, std::string message);
  void Collect(std::vector<prometheus::MetricFamily>* families) const;

  const bool enabled_;
  const Clock* const clock_;
  const Logger* const logger_;
  std::array<std::atomic<uint64_t>, kRefusals> refusals_ = {};
  LogThrottle refusal_throttle_;

  mutable Mutex mutex_;
  Options options_ GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<Generator>, std::less<>> generators_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_TENANTS_H_
