// One tenant's way from spans to series: its options, its processors and its registry.

#ifndef SPANMETER_GENERATOR_H_
#define SPANMETER_GENERATOR_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/metric_family.h>

#include "spanmeter/attribute_index.h"
#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/mutex.h"
#include "spanmeter/options.h"
#include "spanmeter/processor.h"
#include "spanmeter/registry.h"
#include "spanmeter/span_metrics.h"
#include "spanmeter/span_view.h"
#include "spanmeter/tenant_id.h"

namespace spanmeter {

class StateReader;
class StateWriter;

class Generator;
class GeneratorMetrics;
struct GeneratorState;

// One request on its way into a generator. Not thread-safe.
//
// Nothing visited counts before Commit(). Should a request blow up to more updates than are kept in
// memory (kMaxPendingBytes), the rest is not collected and too_large() becomes true; the caller
// then finishes the validation, calls StartValidRequest() and visits everything once more.
//
// A session works by the options that were in force when it was lent, whatever a reload changes
// meanwhile.
class GeneratorSession final : public SpanVisitor {
 public:
  // A batch of 8,192 ordinary spans takes about 2 MiB.
  static constexpr size_t kMaxPendingBytes = size_t{16} << 20;

  ~GeneratorSession() override;

  // The attribute keys that the processors look at.
  const AttributeIndex& attributes() const;

  // Forgets what was visited and begins a request that may still turn out to be broken.
  void StartRequest();
  // The same for a request that is known to be valid: it may be applied in parts.
  void StartValidRequest();
  void StartResource(const ResourceView& resource) override;
  void Span(const SpanView& span) override;
  bool too_large() const { return too_large_; }

  struct Received {
    uint64_t spans = 0;        // valid and invalid ones
    uint64_t invalid_ids = 0;  // of these, refused by the decoder
    uint64_t bytes = 0;        // of the request, uncompressed
  };
  // Counts everything since the start. REQUIRES: the request's bytes are still valid, !too_large().
  void Commit(const Received& received);

 private:
  friend class Generator;
  GeneratorSession(Generator* generator, std::shared_ptr<GeneratorState> state);

  bool OutsideTimeRange(uint64_t end_time_unix_nano) const;
  void CommitProcessors();

  Generator* const generator_;
  const std::shared_ptr<GeneratorState> state_;
  std::vector<std::unique_ptr<ProcessorSession>> processors_;
  int64_t wall_nanos_ = 0;
  uint64_t outside_time_range_ = 0;
  bool known_valid_ = false;
  bool too_large_ = false;
};

// Of a tenant's options, those that say when it is pushed.
struct CollectionOptions {
  int64_t interval_nanos = 0;
  bool disabled = false;
};

// Since the start of the generator.
struct GeneratorTotals {
  struct Discarded {
    std::string_view reason;
    std::string processor;  // "all" where a span is lost to all of them
    uint64_t spans = 0;
  };
  uint64_t spans = 0;
  uint64_t bytes = 0;
  uint64_t outside_time_range = 0;
  std::vector<Discarded> discarded;  // all reasons that there can be
};

// Thread-safe. Must outlive its sessions.
class Generator {
 public:
  // `clock` and `logger` must outlive the generator.
  Generator(std::string tenant, const GeneratorOptions& options, const Clock* clock,
            const Logger* logger);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  const std::string& tenant() const { return tenant_; }
  // What is in force, the tenant's label among the external labels.
  GeneratorOptions options() const;
  CollectionOptions collection_options() const;
  std::shared_ptr<Registry> registry() const;

  // Lends a session for one request, to be given back. Sessions are kept for reuse.
  std::unique_ptr<GeneratorSession> BorrowSession();
  void ReturnSession(std::unique_ptr<GeneratorSession> session);

  // Counts a request that asked not to be turned into metrics.
  void CountSkipped(const GeneratorSession::Received& received);

  // Puts other options in force, which must be valid. Series stay where their labels and buckets
  // do; returns the names of the metrics whose do not, which begin anew.
  std::vector<std::string> Reload(const GeneratorOptions& options);

  // To be called at least once a second: what is due without a span, and now and then the removal
  // of stale series.
  void Maintain();
  // Whether nothing is left of the tenant: no series, no end of a series that is still to be passed
  // on, no request for stale_duration, and nothing that waits for its other side.
  bool IsIdle() const;

  // Writes everything that a scrape shows of the tenant, and what is still to become of the spans
  // that it has received. REQUIRES: nothing is committed and nothing maintained meanwhile.
  void Save(StateWriter* writer) const;
  // Reads that, from the current record, whose first value, the name, was read already, up to that
  // of the next tenant, and adds to `restored`. False when the records make no sense: the generator
  // is then of no use. REQUIRES: nobody used the generator yet.
  bool Restore(StateReader* reader, RestoredState* restored);
  // What was born before this, in ms since the Unix epoch, comes from a former process; nothing
  // without a restoration.
  std::optional<int64_t> restored_until_ms() const {
    const int64_t until_ms = restored_until_ms_.load(std::memory_order_relaxed);
    return until_ms == 0 ? std::nullopt : std::optional<int64_t>(until_ms);
  }

  GeneratorTotals totals() const;
  // See SpanNameTemplates().
  std::vector<SpanNameTemplate> SpanNames(size_t limit) const;

  // Appends what the generator says about itself, with the label `tenant`.
  void AppendMetrics(std::vector<prometheus::MetricFamily>* families) const;

 private:
  friend class GeneratorSession;

  std::shared_ptr<GeneratorState> state() const;

  const std::string tenant_;
  const Clock* const clock_;
  const std::unique_ptr<GeneratorMetrics> metrics_;
  std::atomic<int64_t> last_request_nanos_;  // monotonic clock
  std::atomic<int64_t> next_expiry_nanos_{0};
  std::atomic<int64_t> restored_until_ms_{0};  // 0: not restored

  // Held while a state is maintained or replaced: nothing is maintained any more then.
  Mutex maintenance_mutex_;
  mutable Mutex mutex_;                                       // taken after the other one
  std::shared_ptr<GeneratorState> state_ GUARDED_BY(mutex_);  // never null
  // All of the current state.
  std::vector<std::unique_ptr<GeneratorSession>> idle_sessions_ GUARDED_BY(mutex_);
};

}  // namespace spanmeter

#endif  // SPANMETER_GENERATOR_H_
