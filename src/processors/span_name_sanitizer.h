// The option span_name_sanitization: from the keys of a request's updates to keys with templates
// instead of names, or to an estimate of how many label sets that would leave.

#ifndef SPANMETER_PROCESSORS_SPAN_NAME_SANITIZER_H_
#define SPANMETER_PROCESSORS_SPAN_NAME_SANITIZER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/demand_sketch.h"
#include "spanmeter/mutex.h"
#include "spanmeter/options.h"
#include "spanmeter/processor.h"
#include "spanmeter/registry.h"
#include "spanmeter/span_metrics.h"

#include "processors/span_labels.h"
#include "processors/span_name_clusters.h"

namespace spanmeter {

// What all requests of a tenant share. Thread-safe.
class SpanNameSanitizer {
 public:
  // Takes over what `previous` has learnt and counted; null: begins anew. `clock` must outlive the
  // sanitizer. REQUIRES: the option is not off.
  SpanNameSanitizer(const GeneratorOptions& options, const Clock* clock,
                    const SpanNameSanitizer* previous);

  std::vector<ProcessorStat> Stats() const;
  std::vector<SpanNameTemplate> Templates(size_t limit) const;

  // See Processor.
  void Save(StateWriter* writer) const;
  void Restore(StateReader* reader);

 private:
  friend class SpanNameRewriter;

  bool dry_run() const { return mode_ == SpanNameSanitization::kDryRun; }

  const SpanNameSanitization mode_;
  const Clock* const clock_;
  // Shared with the processor of the configuration before, whose last requests may still use it.
  const std::shared_ptr<SpanNameClusters> clusters_;

  mutable Mutex demand_mutex_;
  // Of label sets as they would be; dry run only.
  DemandSketch demand_ GUARDED_BY(demand_mutex_);
};

// One session's share. Names are only noted while spans are visited and learnt from in Apply(), so
// that a request which turns out to be broken has taught nothing. Not thread-safe.
class SpanNameRewriter {
 public:
  // `sanitizer` may be null: there is nothing to do then. It must outlive the rewriter.
  explicit SpanNameRewriter(SpanNameSanitizer* sanitizer) : sanitizer_(sanitizer) {}

  void Clear() { noted_.clear(); }

  // Notes that the update with this index has a span name.
  void Note(size_t update, const SpanNamePosition& position) {
    if (sanitizer_ != nullptr) noted_.push_back({static_cast<uint32_t>(update), position});
  }

  // Learns from the noted names and puts the templates into the keys of the batch.
  void Apply(UpdateBatch* batch);

  size_t PendingBytes() const { return noted_.size() * kBytesPerName; }

 private:
  // What a name takes here and, in Apply(), elsewhere, besides a template.
  static constexpr size_t kBytesPerName = 128;

  struct Noted {
    uint32_t update = 0;
    SpanNamePosition position;
  };

  static void AppendWithTemplate(const UpdateBatch& from, const Noted& noted, std::string_view text,
                                 UpdateBatch* to);
  void EstimateDemand(const UpdateBatch& batch, int64_t now_nanos);

  SpanNameSanitizer* const sanitizer_;
  std::vector<Noted> noted_;
  SpanNameBatch names_;
  UpdateBatch scratch_;
  std::vector<uint64_t> hashes_;
};

}  // namespace spanmeter

#endif  // SPANMETER_PROCESSORS_SPAN_NAME_SANITIZER_H_
