// A processor turns spans into updates of a registry. It knows nothing of gRPC, HTTP or Prometheus
// formats.

#ifndef SPANMETER_PROCESSOR_H_
#define SPANMETER_PROCESSOR_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "spanmeter/registry.h"
#include "spanmeter/span_view.h"

namespace spanmeter {

class StateReader;
class StateWriter;

// Why a span was not counted. The names are those of the `reason` label, of the log and of the
// page.
enum class DiscardReason : uint8_t {
  kFiltered,          // a filter policy keeps it out
  kInvalidUtf8,       // a label value is not valid UTF-8
  kOutsideTimeRange,  // ends too far from now
  kInvalidId,         // trace, span or parent id of a wrong length or all zero
  kRelabeled,         // a relabelling rule drops its label set
};
inline constexpr size_t kDiscardReasons = 5;
constexpr std::string_view DiscardReasonName(DiscardReason reason) {
  constexpr std::array<std::string_view, kDiscardReasons> kNames = {
      "filtered", "invalid_utf8", "outside_time_range", "invalid_id", "relabeled"};
  return kNames[static_cast<size_t>(reason)];
}

// What a session did with the spans of one request.
struct ProcessorCounts {
  std::array<uint64_t, kDiscardReasons> discarded = {};
  // Span multipliers that were larger than max_span_multiplier and not believed.
  uint64_t multipliers_rejected = 0;
};

// A number that a processor keeps about itself. The names are complete: spanmeter_..._total.
struct ProcessorStat {
  std::string_view name;
  std::string_view help;
  bool is_counter = true;  // else a gauge
  // A label besides the tenant; empty: none.
  std::string_view label_name;
  std::string_view label_value;
  double value = 0;
};

// One request's way through a processor, reused for the next request. Not thread-safe.
//
// Calls come as StartRequest, then for each resource StartResource and its spans, then Commit; or
// StartRequest again, when the request turned out to be broken: whatever was collected is
// forgotten. Nothing has a lasting effect before Commit().
class ProcessorSession {
 public:
  virtual ~ProcessorSession() = default;

  virtual void StartRequest() = 0;
  virtual void StartResource(const ResourceView& resource) = 0;
  // Only spans within the ingestion time range.
  virtual void Span(const SpanView& span) = 0;
  // A valid span of the current resource that is outside of it.
  virtual void SpanOutsideTimeRange() {}
  // About how many bytes the collected updates take.
  virtual size_t PendingBytes() const = 0;
  // Applies what was collected and forgets it. The request's bytes are still valid. Returns what
  // happened since StartRequest() or the last Commit(), whichever was later: a large request is
  // committed in parts, even within a resource, once it is known to be valid.
  virtual ProcessorCounts Commit() = 0;
};

// Thread-safe.
class Processor {
 public:
  virtual ~Processor() = default;

  // The name in `processors` and in the `processor` label.
  virtual std::string_view name() const = 0;
  // The processor must outlive its sessions.
  virtual std::unique_ptr<ProcessorSession> NewSession() = 0;
  // To be called at least once a second: does what is due without a span.
  virtual void Maintain() {}
  // What it counts about itself, for /metrics/self and the page.
  virtual std::vector<ProcessorStat> Stats() const { return {}; }

  // Writes what it remembers besides what is in the registry. REQUIRES: nothing is committed and
  // nothing maintained meanwhile.
  virtual void Save(StateWriter* /*writer*/) const {}
  // If the current record begins what Save() of such a processor wrote, reads it up to the first
  // record of another kind, adds to `restored` and returns true. Nothing is in force of it where
  // the options do not allow that any more. The reader says whether the records made sense; if not,
  // the processor is of no use. REQUIRES: the processor was not used yet.
  virtual bool Restore(StateReader* /*reader*/, RestoredState* /*restored*/) { return false; }
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSOR_H_
