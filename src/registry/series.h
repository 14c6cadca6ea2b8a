// The memory of one label set: its key, its rendered labels and the values of its metrics in one
// block, laid out per family so that an update touches as few cache lines as possible.

#ifndef SPANMETER_REGISTRY_SERIES_H_
#define SPANMETER_REGISTRY_SERIES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "spanmeter/clock.h"
#include "spanmeter/registry.h"

#include "registry/native_exemplars.h"
#include "registry/native_histogram.h"
#include "registry/stored_exemplar.h"

namespace spanmeter {

class StateReader;
class StateWriter;

struct SeriesLayout;

// One label set with its metrics. Created by SeriesLayout::New(); not thread-safe: the shard's lock
// protects everything but the key and the labels, which never change.
class Series {
 public:
  uint64_t hash() const { return hash_; }
  std::string_view key() const { return {tail(), key_size_}; }
  // As the text format writes them between the braces.
  std::string_view labels() const { return {tail() + key_size_, labels_size_}; }
  // When the series was born, wall clock.
  int64_t birth_ms() const { return birth_ms_; }
  // Monotonic clock.
  int64_t last_update_nanos() const { return last_update_nanos_; }
  bool StaleAt(int64_t now_nanos, int64_t stale_nanos) const {
    return now_nanos - last_update_nanos_ >= stale_nanos;
  }
  // Bit i: metric i exists.
  uint8_t present() const { return present_; }

 private:
  friend struct SeriesLayout;

  const char* tail() const { return reinterpret_cast<const char*>(this) + tail_offset_; }
  char* at(size_t offset) { return reinterpret_cast<char*>(this) + offset; }
  const char* at(size_t offset) const { return reinterpret_cast<const char*>(this) + offset; }

  uint64_t hash_;
  int64_t last_update_nanos_;
  int64_t birth_ms_;
  // Grown one by one as buckets see their first exemplar: most series use a few buckets only.
  StoredExemplar* exemplars_;
  uint32_t key_size_;
  uint32_t labels_size_;
  uint32_t tail_offset_;
  uint8_t exemplar_count_;
  uint8_t exemplar_capacity_;
  uint8_t present_;
  // Bit i: the counts of histogram i are doubles in an array of their own.
  uint8_t wide_;

 public:
  // Position in the shard's list of series.
  uint32_t index = 0;
  // Whether the label limiter keeps places for the values of its labels.
  bool holds_labels = false;
};
static_assert(sizeof(Series) == 56);

// Where the metrics of a family stand in its series. Immutable after construction, thread-safe.
struct SeriesLayout {
  // What an update does to a metric.
  enum class Kind : uint8_t {
    kAdd,
    kSet,
    kClassic,  // observes, in classic buckets; may have native ones in addition
    kNative,   // observes, in native buckets only
  };

  struct Metric {
    Kind kind;
    const std::vector<double>* bounds;     // histograms
    const NativeHistogramOptions* native;  // histograms with native buckets, else null
    // A number's double, or a histogram's: the sum, then, where it is classic, bucket counts (32
    // bits each, or a pointer to doubles once one does not fit), then one byte per bucket: its
    // exemplar's place plus one.
    uint32_t offset;
    uint32_t slots_offset;
    // A NativeHistogram; followed by NativeExemplars where there are no classic buckets.
    uint32_t native_offset;
    // When the metric came into being or started over, in ms since the Unix epoch, as 64 bits. 0:
    // that is never later than the series' birth, and not kept.
    uint32_t created_offset;
    // What the limits count it as.
    uint32_t series;

    bool IsHistogram() const { return kind >= Kind::kClassic; }
    bool IsClassic() const { return kind == Kind::kClassic; }
    size_t ClassicBuckets() const { return IsClassic() ? bounds->size() + 1 : 0; }
  };

  // `metrics` and `clock` must outlive the layout.
  SeriesLayout(const std::vector<FamilyMetric>* metrics, const Clock* clock);

  // Creates a series without metrics; release with Delete().
  Series* New(uint64_t hash, std::string_view key, std::string_view labels, int64_t birth_ms) const;
  void Delete(Series* series) const;

  // Applies `update`. Returns how many series (as the limits count them) came into being with it.
  uint32_t Apply(const Update& update, int64_t now_nanos, Series* series) const;
  // The second half of an update, apart from Apply() so that its memory can be prefetched
  // meanwhile. REQUIRES: `update` was applied to `series` and has a trace id.
  void ApplyExemplars(const Update& update, int64_t wall_ms, Series* series) const;
  void PrefetchExemplars(const Series& series) const;

  // A number's value, or the sum of a histogram.
  double Value(const Series& series, size_t metric) const;
  // When the metric, which exists, came into being or started over, in ms since the Unix epoch.
  int64_t CreatedMs(const Series& series, size_t metric) const;
  // Writes the counts of each classic bucket's own observations: ClassicBuckets() elements.
  void CopyCounts(const Series& series, size_t metric, double* counts) const;
  // REQUIRES: the metric has a native histogram.
  const NativeHistogram& Native(const Series& series, size_t metric) const;
  // Appends the exemplars of a histogram: ascending by bucket; without classic buckets by age, the
  // newest last, and without saying the bucket.
  void CopyExemplars(const Series& series, size_t metric, std::vector<Exemplar>* exemplars) const;

  // Appends all that a label set consists of, but for its key, to the current record.
  void Save(const Series& series, StateWriter* writer) const;
  // Reads that into a series that New() has just made. False when the record makes no sense; the
  // series is then of no use.
  bool Restore(StateReader* reader, Series* series) const;

  // What the limits count a label set with the metrics of `present` as.
  uint32_t SeriesOf(uint8_t present) const;

  std::vector<Metric> metrics;
  size_t tail_offset = 0;

 private:
  void Join(uint8_t joining, int64_t now_nanos, Series* series) const;
  void ApplyNative(const Update& update, int64_t now_nanos, Series* series) const;
  void StartOver(size_t i, Series* series) const;
  void SaveMetric(size_t i, const Series& series, StateWriter* writer) const;
  bool RestoreMetric(size_t i, StateReader* reader, Series* series) const;
  bool RestoreCounts(size_t i, StateReader* reader, Series* series) const;
  bool RestoreExemplars(size_t i, StateReader* reader, Series* series) const;
  // Moves the counts of the classic histogram into doubles of their own.
  void Widen(size_t i, Series* series) const;
  // Gives a bucket that has none a place for its exemplar; false when there are no more.
  static bool AddExemplarPlace(uint8_t* slot, Series* series);
  NativeHistogram* native(size_t i, Series* series) const;
  NativeExemplars* native_exemplars(size_t i, Series* series) const;
  const NativeExemplars& native_exemplars(size_t i, const Series& series) const;
  void PrefetchNativeExemplars(const Series& series) const;
  int64_t NowMs() const;
  void StoreCreated(size_t i, int64_t created_ms, Series* series) const;

  const Clock* clock_;
  // Bit i: metric i has a created time; a native histogram; nothing but a native histogram.
  uint8_t created_mask_ = 0;
  uint8_t native_mask_ = 0;
  uint8_t native_only_mask_ = 0;
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_SERIES_H_
