// What is pushed of one tenant, and what has to be remembered between two collections.

#ifndef SPANMETER_REMOTE_WRITE_TENANT_COLLECTOR_H_
#define SPANMETER_REMOTE_WRITE_TENANT_COLLECTOR_H_

#include <cstdint>
#include <limits>
#include <map>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "spanmeter/block.h"
#include "spanmeter/registry.h"
#include "spanmeter/relabel.h"
#include "spanmeter/remote_write_options.h"
#include "spanmeter/sample_sink.h"

namespace spanmeter {

// A collection has one stamp. It shows all series that were born before it:
//
// - Counters and histograms that were not in the collection before begin with a sample of zero at
//   the end of the minute before, so that rates see their first increments; at another time if the
//   receiver could already have a later sample of a series with the same labels.
// - Series that are gone get a stale marker.
//
// Not thread-safe.
class TenantCollector {
 public:
  // Receivers may have samples of this tenant up to and including `known_until_ms`, from a former
  // process or collector. What was born before `new_since_ms` is not new: it was collected before,
  // or has counted for a while when nobody collected.
  TenantCollector(std::string tenant, int64_t known_until_ms,
                  int64_t new_since_ms = std::numeric_limits<int64_t>::min());

  // Where to, and how.
  struct Target {
    const RemoteWriteOptions* options;
    const Relabeler* relabeler;  // null without rules
    Protocol protocol;
  };
  // Returns the blocks for each target. REQUIRES: `stamp_ms` is later than last_stamp_ms().
  std::vector<std::vector<Block>> Collect(Registry* registry, int64_t stamp_ms,
                                          std::span<const Target> targets);

  // The metrics that the last collection had, by name.
  const std::map<std::string, MetricInfo>& metrics() const { return metrics_; }

  // Nothing was sent with a later stamp.
  int64_t last_stamp_ms() const { return last_stamp_ms_; }

 private:
  friend class CollectorSink;

  // When a new series of these labels has its zero sample; 0 = it has none.
  int64_t ZeroMs(uint64_t labels_hash) const;
  void NoteEnded(uint64_t labels_hash, int64_t last_sample_ms);
  void ForgetEnded();

  const std::string tenant_;
  int64_t last_stamp_ms_;
  // Of the collection that is under way or was last: its stamp, and since when series are new in
  // it, which is the stamp of the one before it.
  int64_t stamp_ms_ = 0;
  int64_t before_ms_;
  // No zero sample at or before this.
  int64_t zero_floor_ms_;
  // Label sets that ended within about the last minute, by their hash: the last stamp of a sample.
  // Different ones may share a hash: then a zero sample is later than it could be.
  std::unordered_map<uint64_t, int64_t> ended_;
  // Points that each target got last time.
  uint64_t last_points_ = 0;
  std::map<std::string, MetricInfo> metrics_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_TENANT_COLLECTOR_H_
