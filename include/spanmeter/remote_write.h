// Pushes the series of all tenants to the receivers that are configured.

#ifndef SPANMETER_REMOTE_WRITE_H_
#define SPANMETER_REMOTE_WRITE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/options.h"
#include "spanmeter/registry.h"
#include "spanmeter/self_metrics.h"

namespace spanmeter {

// A tenant as it is to be collected.
struct CollectedTenant {
  std::string name;
  std::shared_ptr<Registry> registry;
  int64_t interval_nanos = 0;  // of collections; whole milliseconds count
  bool disabled = false;       // nothing of it is to be shown
  // What was born before this, in ms since the Unix epoch, comes from a former process, which has
  // collected it for the last time: it is not new to the receivers.
  std::optional<int64_t> restored_until_ms = std::nullopt;
};

// How the pushing goes, for people to look at.
struct RemoteWriteStatus {
  struct Counts {
    uint64_t collected = 0;
    uint64_t sent = 0;
    uint64_t retried = 0;
    uint64_t failed = 0;
    uint64_t pending = 0;
  };
  struct Dropped {
    std::string_view reason;
    uint64_t samples = 0;
    uint64_t histograms = 0;
    uint64_t exemplars = 0;
  };
  struct Receiver {
    std::string name;
    std::string url;         // without what may be secret
    bool protocol_2 = true;  // else 1.0
    // Whether the last request succeeded, or there was none yet.
    bool healthy = true;
    uint64_t shards = 0;
    uint64_t max_shards = 0;
    uint64_t queue_blocks = 0;
    uint64_t queue_bytes = 0;
    uint64_t queue_memory_bytes = 0;
    double queue_age_seconds = 0;
    Counts samples;
    Counts histograms;
    Counts exemplars;
    std::vector<Dropped> dropped;  // by every reason that there can be
    uint64_t bytes_sent = 0;
    // How far what was sent is behind what was collected.
    double lag_seconds = 0;
    std::string last_error;  // empty: none yet
    // Since the Unix epoch; 0: never.
    int64_t last_error_ms = 0;
    int64_t last_success_ms = 0;
  };
  std::vector<Receiver> receivers;

  // Of the storage. Without receivers there is none.
  bool has_storage = false;
  std::string path;        // empty: in memory only
  bool storage_up = true;  // false: the disk fails
  std::string storage_error;
  uint64_t file_bytes = 0;
  uint64_t unclaimed_bytes = 0;
  uint64_t files_set_aside = 0;
};

// Thread-safe, but for Start() and Stop().
//
// A thread collects each tenant at multiples of its interval, counted from the Unix epoch; with
// tenancy each tenant's are shifted by an amount that follows from its name, so that they do not
// all come at once. What is collected is in the storage before it is sent; a thread per receiver
// sends it.
class RemoteWrite {
 public:
  // Who is there at the moment.
  using TenantSource = std::function<std::vector<CollectedTenant>()>;

  // Of `options` the receivers, the storage and tenancy.enabled count; they must be valid.
  // `version` is spanmeter's own. The pointers must outlive this, and this the last collection of
  // `metrics`.
  RemoteWrite(const Options& options, const std::string& version, TenantSource tenants,
              const Clock* clock, const Logger* logger, SelfMetrics* metrics);
  ~RemoteWrite();
  RemoteWrite(const RemoteWrite&) = delete;
  RemoteWrite& operator=(const RemoteWrite&) = delete;

  void Start();

  // Other receivers from now on. What waits for one whose name stays goes to its new address; what
  // waits for one that is gone stays in the storage.
  void Reload(const Options& options);

  // Never waits for a collection, the disk or a receiver.
  RemoteWriteStatus status() const;

  // Collects for the last time. REQUIRES: nothing is added to the registries any more.
  void StopCollecting();
  // Does so if need be, and sends what there is, at most until `deadline_nanos` (monotonic clock).
  // What is left then stays in the storage or, without one, is lost, and said to be.
  void Stop(int64_t deadline_nanos);

 private:
  class Impl;
  const std::unique_ptr<Impl> impl_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_H_
