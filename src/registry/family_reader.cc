// Family::Visit(): reading all series of a family without stopping its writers.
//
// The formats want each metric with all of its series in one piece, but the metrics of one label
// set must belong to one instant. So the series are walked once, the family's first metric is
// presented on the way, and the other metrics' values are noted down to be presented afterwards.
// The first metric should therefore be the largest: of a family with calls, size and a latency
// histogram, 24 bytes per label set are noted. Of a native histogram that is not the first, 16
// bytes are noted for each bucket that has counted something.

#include <algorithm>
#include <cstring>
#include <vector>

#include "registry/arena.h"
#include "registry/family.h"
#include "registry/native_buckets.h"

namespace spanmeter {

namespace {

// So many label sets are copied while a shard is locked.
constexpr size_t kReadChunk = 64;

constexpr size_t kBlockWords = size_t{1} << 15;
constexpr size_t kBlockBuckets = size_t{1} << 12;
static_assert(NativeHistogram::kMaxBuckets <= kBlockBuckets);

// A copy of a native histogram.
struct NativeNote {
  const NativeBucket* buckets;
  double zero_count;
  int32_t schema;
  uint32_t size;

  // How many observations there are of those in the bucket of `value`.
  double CountAt(double value) const {
    if (!(value > kNativeZeroThreshold)) return zero_count;
    const int32_t index = NativeBucketIndex(value, schema);
    const NativeBucket* const end = buckets + size;
    const NativeBucket* const bucket = std::lower_bound(
        buckets, end, index, [](const NativeBucket& b, int32_t i) { return b.index < i; });
    return bucket != end && bucket->index == index ? bucket->count : 0;
  }
};
constexpr size_t kNoteWords = sizeof(NativeNote) / sizeof(double);
static_assert(sizeof(NativeNote) == kNoteWords * sizeof(double));

}  // namespace

// One visit of one family.
class FamilyReader {
 public:
  FamilyReader(Family* family, int64_t now_nanos, SampleSink* sink)
      : family_(*family), layout_(family->layout_), now_nanos_(now_nanos), sink_(*sink) {
    for (size_t i = 1; i < layout_.metrics.size(); ++i) row_words_ += WordsOf(i);
    if (layout_.metrics.size() > 1) ++row_words_;
  }

  bool Read() {
    for (size_t shard = 0; shard < Family::kShards; ++shard) {
      if (!ReadShard(&family_.shards_[shard])) return false;
    }
    if (!ReadOverflow()) return false;
    for (size_t metric = 1; metric < layout_.metrics.size(); ++metric) {
      if (!PresentNoted(metric)) return false;
    }
    return true;
  }

 private:
  using BucketArena = Arena<NativeBucket, kBlockBuckets>;

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

  bool ReadShard(Family::Shard* shard) {
    for (size_t next = 0;;) {
      StartChunk();
      bool more = false;
      {
        const MutexLock lock(&shard->mutex);
        for (; next < shard->series.size() && copied_.size() < kReadChunk; ++next) {
          constexpr size_t kAhead = 4;
          if (next + kAhead < shard->series.size()) Prefetch(shard->series[next + kAhead]);
          if (shard->series[next] != nullptr) CopySeries(*shard->series[next]);
        }
        more = next < shard->series.size();
      }
      if (!PresentChunk()) return false;
      if (!more) return true;
    }
  }

  static void Prefetch(const Series* series) {
    const char* const address = reinterpret_cast<const char*>(series);
    __builtin_prefetch(address);
    __builtin_prefetch(address + 64);
    __builtin_prefetch(address + 128);
  }

  bool ReadOverflow() {
    StartChunk();
    overflow_row_ = row_count_;
    {
      const MutexLock lock(&family_.overflow_mutex_);
      if (family_.overflow_ != nullptr) CopySeries(*family_.overflow_);
    }
    return PresentChunk();
  }

  void StartChunk() {
    copied_.clear();
    counts_.clear();
    exemplars_.clear();
    copied_buckets_.Clear();
  }

  // REQUIRES: the lock that protects `series` is held.
  void CopySeries(const Series& series) {
    if (series.StaleAt(now_nanos_, family_.stale_nanos_)) return;
    Copied& copy = copied_.emplace_back();
    copy.present = (series.present() & 1) != 0;
    Reading& reading = copy.reading;
    reading.series = &series;
    reading.value = layout_.Value(series, 0);
    reading.created_ms = layout_.CreatedMs(series, 0);
    if (IsHistogram(0)) {
      const size_t begin = counts_.size();
      counts_.resize(begin + ClassicBuckets(0));
      layout_.CopyCounts(series, 0, counts_.data() + begin);
      layout_.CopyExemplars(series, 0, &exemplars_);
      if (IsNative(0)) reading.native = NoteNative(series, 0, &copied_buckets_);
    }
    copy.exemplars_end = exemplars_.size();
    if (row_words_ != 0) NoteOthers(series);
  }

  NativeNote NoteNative(const Series& series, size_t metric, BucketArena* arena) {
    const NativeHistogram& native = layout_.Native(series, metric);
    NativeBucket* const buckets = arena->Take(native.size());
    native.CopyBuckets(buckets);
    return {buckets, native.zero_count(), native.schema(), static_cast<uint32_t>(native.size())};
  }

  void NoteOthers(const Series& series) {
    double* row = rows_.Take(row_words_);
    ++row_count_;
    // Which metrics exist may change before they are presented: it is noted with the address, whose
    // upper bits are free.
    const uint64_t head =
        reinterpret_cast<uint64_t>(&series) | static_cast<uint64_t>(series.present()) << 56;
    std::memcpy(row++, &head, sizeof head);
    for (size_t metric = 1; metric < layout_.metrics.size(); ++metric) {
      *row++ = layout_.Value(series, metric);
      if (IsHistogram(metric)) {
        layout_.CopyCounts(series, metric, row);
        row += ClassicBuckets(metric);
      }
      if (HasCreated(metric)) {
        const int64_t created_ms = layout_.CreatedMs(series, metric);
        std::memcpy(row++, &created_ms, sizeof created_ms);
      }
      if (IsNative(metric)) {
        const NativeNote native = NoteNative(series, metric, &noted_buckets_);
        std::memcpy(row, &native, sizeof native);
        row += kNoteWords;
      }
    }
  }

  // `words` are the metric's of a row.
  Reading ReadNoted(size_t metric, const Series* series, const double* words) const {
    Reading reading;
    reading.series = series;
    reading.value = *words++;
    reading.counts = words;
    words += ClassicBuckets(metric);
    reading.created_ms = series->birth_ms();
    if (HasCreated(metric)) std::memcpy(&reading.created_ms, words++, sizeof reading.created_ms);
    if (IsNative(metric)) std::memcpy(&reading.native, words, sizeof reading.native);
    return reading;
  }

  // Announces a metric before its first series: without series there is no metric.
  bool Announce(size_t metric, bool* announced) {
    if (*announced) return true;
    *announced = true;
    return sink_.BeginMetric(family_.infos_[metric]);
  }

  bool PresentChunk() {
    const double* counts = counts_.data();
    const Exemplar* exemplars = exemplars_.data();
    for (Copied& copy : copied_) {
      const Exemplar* const exemplars_end = exemplars_.data() + copy.exemplars_end;
      copy.reading.counts = counts;
      if (copy.present) {
        if (!Announce(0, &first_announced_)) return false;
        if (!Present(0, copy.reading, {exemplars, exemplars_end})) return false;
      }
      exemplars = exemplars_end;
      counts += ClassicBuckets(0);
    }
    return true;
  }

  bool Present(size_t metric, const Reading& reading, std::span<const Exemplar> exemplars) {
    const std::string_view labels = reading.series->labels();
    if (!IsHistogram(metric)) return sink_.Number(labels, reading.value, reading.created_ms);
    if (IsNative(metric)) return PresentNative(metric, reading, exemplars);
    AddUp(metric, reading.counts);
    return sink_.Histogram(labels, {cumulative_, reading.value, exemplars}, reading.created_ms);
  }

  void AddUp(size_t metric, const double* counts) {
    cumulative_.resize(ClassicBuckets(metric));
    double below = 0;
    for (size_t i = 0; i < cumulative_.size(); ++i) {
      below += counts[i];
      cumulative_[i] = below;
    }
  }

  bool PresentNative(size_t metric, const Reading& reading, std::span<const Exemplar> exemplars) {
    // An exemplar may be of an observation that is not counted, because the histogram has started
    // over since, or because it was noted before.
    known_exemplars_.clear();
    const bool classic = layout_.metrics[metric].IsClassic();
    for (const Exemplar& e : exemplars) {
      const double count = classic ? reading.counts[e.bucket] : reading.native.CountAt(e.value);
      if (count != 0) known_exemplars_.push_back(e);
    }
    exemplars = known_exemplars_;
    NativeHistogramPoint native;
    native.schema = reading.native.schema;
    native.zero_threshold = kNativeZeroThreshold;
    native.zero_count = reading.native.zero_count;
    native.buckets = {reading.native.buckets, reading.native.size};
    if (classic) {
      AddUp(metric, reading.counts);
    } else {
      // Formats without native histograms show the bucket for everything, with the newest exemplar.
      double count = native.zero_count;
      for (const NativeBucket& bucket : native.buckets) count += bucket.count;
      cumulative_.assign(1, count);
      native.exemplars = exemplars;
      if (!exemplars.empty()) exemplars = exemplars.last(1);
    }
    return sink_.Histogram(reading.series->labels(),
                           {cumulative_, reading.value, exemplars, &native}, reading.created_ms);
  }

  bool PresentNoted(size_t metric) {
    size_t offset = 1;
    for (size_t i = 1; i < metric; ++i) offset += WordsOf(i);
    bool announced = false;
    for (size_t i = 0; i < row_count_; ++i) {
      const double* row = rows_.Piece(i, row_words_);
      uint64_t head;
      std::memcpy(&head, row, sizeof head);
      if ((head >> 56 >> metric & 1) == 0) continue;
      const auto* series = reinterpret_cast<const Series*>(head & ((uint64_t{1} << 56) - 1));
      if (!Announce(metric, &announced)) return false;
      const Reading reading = ReadNoted(metric, series, row + offset);
      exemplars_.clear();
      if (IsHistogram(metric)) {
        Mutex* const mutex = i >= overflow_row_
                                 ? &family_.overflow_mutex_
                                 : &family_.shards_[Family::ShardOf(series->hash())].mutex;
        CopyNewestExemplars(mutex, metric, reading);
      }
      if (!Present(metric, reading, exemplars_)) return false;
    }
    return true;
  }

  // Exemplars are not noted down but taken as they are now; those of observations that the noted
  // counts do not know yet are left out.
  void CopyNewestExemplars(Mutex* mutex, size_t metric, const Reading& reading) {
    {
      const MutexLock lock(mutex);
      layout_.CopyExemplars(*reading.series, metric, &exemplars_);
    }
    if (IsNative(metric)) return;  // Present() does it
    std::erase_if(exemplars_,
                  [&reading](const Exemplar& e) { return reading.counts[e.bucket] == 0; });
  }

  Family& family_;
  const SeriesLayout& layout_;
  const int64_t now_nanos_;
  SampleSink& sink_;
  bool first_announced_ = false;

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

bool Family::Visit(int64_t now_nanos, SampleSink* sink) {
  return FamilyReader(this, now_nanos, sink).Read();
}

}  // namespace spanmeter
