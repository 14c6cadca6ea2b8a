// Label sets that came to their end, for a reader that passes on ends.

#ifndef SPANMETER_REGISTRY_ENDED_SERIES_H_
#define SPANMETER_REGISTRY_ENDED_SERIES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "spanmeter/mutex.h"
#include "spanmeter/sample_sink.h"

namespace spanmeter {

// Thread-safe.
class EndedSeries {
 public:
  using Metrics = std::shared_ptr<const std::vector<MetricInfo>>;
  struct LabelSet {
    Metrics metrics;      // of its family
    uint8_t present = 0;  // bit i: the label set had metric i
    int64_t born_ms = 0;
    std::string labels;
  };

  // Should nobody ask for what is kept, no more than this is.
  static constexpr size_t kMaxLabelSets = size_t{1} << 20;
  static constexpr size_t kMaxBytes = size_t{256} << 20;

  // While nothing is kept, ends are forgotten at once.
  void Keep(bool keep) {
    const MutexLock lock(&mutex_);
    kept_ = keep;
    if (!keep) Reset();
  }
  bool kept() const { return kept_; }

  void Add(LabelSet label_set) {
    const MutexLock lock(&mutex_);
    const size_t bytes = sizeof(LabelSet) + label_set.labels.size();
    if (!kept_ || label_sets_.size() >= kMaxLabelSets || bytes_ + bytes > kMaxBytes) return;
    bytes_ += bytes;
    label_sets_.push_back(std::move(label_set));
  }
  // Everything since the last time.
  std::vector<LabelSet> Take() {
    const MutexLock lock(&mutex_);
    std::vector<LabelSet> taken = std::move(label_sets_);
    Reset();
    return taken;
  }
  bool empty() const {
    const MutexLock lock(&mutex_);
    return label_sets_.empty();
  }

 private:
  void Reset() REQUIRES_LOCK(mutex_) {
    label_sets_ = {};
    bytes_ = 0;
  }

  std::atomic<bool> kept_{false};
  mutable Mutex mutex_;  // taken while a shard's lock is held, never the other way round
  std::vector<LabelSet> label_sets_ GUARDED_BY(mutex_);
  size_t bytes_ GUARDED_BY(mutex_) = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_ENDED_SERIES_H_
