// Family by family, reading all series without stopping their writers.
//
// The formats want each metric with all of its series in one piece, but the metrics of one label
// set must belong to one instant. So the series are walked once, the family's first metric is
// presented on the way, and the other metrics' values are noted down to be presented afterwards.
// The first metric should therefore be the largest: of a family with calls, size and a latency
// histogram, 24 bytes per label set are noted. Of a native histogram that is not the first, 16
// bytes are noted for each bucket that has counted something.

#ifndef SPANMETER_REGISTRY_FAMILY_READER_H_
#define SPANMETER_REGISTRY_FAMILY_READER_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "spanmeter/sample_sink.h"

#include "registry/arena.h"
#include "registry/family.h"

namespace spanmeter {

// Tells a sink which metric comes next, unless it knows.
class MetricAnnouncer {
 public:
  // The sink must outlive the announcer.
  explicit MetricAnnouncer(SampleSink* sink) : sink_(*sink) {}

  bool Announce(const MetricInfo& metric) {
    if (last_ == metric) return true;
    last_ = metric;
    return sink_.BeginMetric(metric);
  }
  SampleSink& sink() { return sink_; }

 private:
  SampleSink& sink_;
  std::optional<MetricInfo> last_;
};

// One visit of one family. Not thread-safe; within a visit of the gate.
class FamilyReader {
 public:
  // All arguments must outlive the reader.
  FamilyReader(Family* family, int64_t now_nanos, const std::string* exemplar_label,
               MetricAnnouncer* announcer);

  const std::vector<FamilyMetric>& metrics() const { return family_.spec().options.metrics; }

  // Presents a metric. The first one is to be presented before the others, which are shown as they
  // were at that time. Returns false when the sink ended the visit.
  bool Present(size_t metric);

 private:
  static constexpr size_t kBlockWords = size_t{1} << 15;
  static constexpr size_t kBlockBuckets = size_t{1} << 12;
  static_assert(NativeHistogram::kMaxBuckets <= kBlockBuckets);
  using BucketArena = Arena<NativeBucket, kBlockBuckets>;

  // A copy of a native histogram.
  struct NativeNote {
    const NativeBucket* buckets;
    double zero_count;
    int16_t schema;
    bool started_over;
    uint32_t size;

    // How many observations there are of those in the bucket of `value`.
    double CountAt(double value) const;
  };
  static constexpr size_t kNoteWords = sizeof(NativeNote) / sizeof(double);
  static_assert(sizeof(NativeNote) == kNoteWords * sizeof(double));

  // What a metric of a label set says, as of one instant.
  struct Reading {
    const Series* series;
    double value;  // number, or sum of a histogram
    int64_t created_ms;
    const double* counts;  // of the classic buckets
    NativeNote native;     // where the metric has it
  };

  // A copy of what the first metric of a label set says.
  struct Copied {
    bool present;
    Reading reading;
    size_t exemplars_end;
  };

  bool IsHistogram(size_t metric) const { return layout_.metrics[metric].IsHistogram(); }
  bool IsNative(size_t metric) const { return layout_.metrics[metric].native != nullptr; }
  // Where a metric has no created time of its own, it is the birth of the series.
  bool HasCreated(size_t metric) const { return layout_.metrics[metric].created_offset != 0; }
  size_t ClassicBuckets(size_t metric) const { return layout_.metrics[metric].ClassicBuckets(); }
  // A row has for each metric its value, its classic counts, and if it has them its created time
  // and its native histogram.
  size_t WordsOf(size_t metric) const {
    return 1 + ClassicBuckets(metric) + (HasCreated(metric) ? 1 : 0) +
           (IsNative(metric) ? kNoteWords : 0);
  }

  bool ReadAll();
  bool ReadShard(Family::Shard* shard);
  bool ReadOverflow();
  void StartChunk();
  // REQUIRES: the lock that protects `series` is held.
  void CopySeries(const Series& series);
  NativeNote NoteNative(const Series& series, size_t metric, BucketArena* arena);
  void NoteOthers(const Series& series);
  // `words` are the metric's of a row.
  Reading ReadNoted(size_t metric, const Series* series, const double* words) const;
  bool Announce(size_t metric);
  bool PresentChunk();
  bool PresentReading(size_t metric, const Reading& reading, std::span<const Exemplar> exemplars);
  void AddUp(size_t metric, const double* counts);
  bool PresentNative(size_t metric, const Reading& reading, std::span<const Exemplar> exemplars);
  bool PresentNoted(size_t metric);
  void CopyNewestExemplars(Mutex* mutex, size_t metric, const Reading& reading);

  Family& family_;
  const SeriesLayout& layout_;
  const int64_t now_nanos_;
  const std::string& exemplar_label_;
  MetricAnnouncer& announcer_;
  SampleSink& sink_;

  std::vector<Copied> copied_;
  std::vector<double> counts_;       // of the copied, one after the other
  std::vector<Exemplar> exemplars_;  // likewise
  BucketArena copied_buckets_;       // likewise

  // The noted metrics: rows of `row_words_` words, each the head and then the metrics' values.
  size_t row_words_ = 0;
  size_t row_count_ = 0;
  size_t overflow_row_ = 0;  // the first that does not belong to a shard
  Arena<double, kBlockWords> rows_;
  BucketArena noted_buckets_;

  // Of what is being presented.
  std::vector<double> cumulative_;
  std::vector<Exemplar> known_exemplars_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_FAMILY_READER_H_
