// Family::Visit(): reading all series of a family without stopping its writers.
//
// The formats want each metric with all of its series in one piece, but the metrics of one label
// set must belong to one instant. So the series are walked once, the family's first metric is
// presented on the way, and the other metrics' values are noted down to be presented afterwards.
// The first metric should therefore be the largest: of a family with calls, size and a latency
// histogram, 24 bytes per label set are noted.

#include <algorithm>
#include <cstring>
#include <memory>

#include "registry/family.h"

namespace spanmeter {

namespace {

// So many label sets are copied while a shard is locked.
constexpr size_t kReadChunk = 64;

// Words are handed out from blocks of this size, so that a growing list is never copied.
constexpr size_t kBlockWords = size_t{1} << 15;

}  // namespace

// One visit of one family.
class FamilyReader {
 public:
  FamilyReader(Family* family, int64_t now_nanos, const std::string& exemplar_label,
               SampleSink* sink)
      : family_(*family),
        layout_(family->layout_),
        now_nanos_(now_nanos),
        exemplar_label_(exemplar_label),
        sink_(*sink) {
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
  // A copy of what the first metric of a label set says.
  struct Copied {
    const Series* series;
    bool present;
    double value;  // number, or sum of a histogram
    size_t exemplars_end;
  };

  bool IsHistogram(size_t metric) const {
    return layout_.metrics[metric].type == MetricType::kHistogram;
  }
  size_t Buckets(size_t metric) const { return layout_.metrics[metric].bounds->size() + 1; }
  size_t WordsOf(size_t metric) const { return IsHistogram(metric) ? 1 + Buckets(metric) : 1; }

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
    overflow_row_ = rows_;
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
  }

  // REQUIRES: the lock that protects `series` is held.
  void CopySeries(const Series& series) {
    if (family_.StaleAt(series, now_nanos_)) return;
    Copied& copy = copied_.emplace_back();
    copy.series = &series;
    copy.present = (series.present() & 1) != 0;
    copy.value = layout_.Value(series, 0);
    if (IsHistogram(0)) {
      const size_t begin = counts_.size();
      counts_.resize(begin + Buckets(0));
      layout_.CopyCounts(series, 0, counts_.data() + begin);
      layout_.CopyExemplars(series, 0, &exemplars_);
    }
    copy.exemplars_end = exemplars_.size();
    if (row_words_ != 0) NoteOthers(series);
  }

  void NoteOthers(const Series& series) {
    if (blocks_.empty() || block_used_ + row_words_ > kBlockWords) {
      blocks_.push_back(std::make_unique<double[]>(kBlockWords));
      block_used_ = 0;
    }
    double* row = blocks_.back().get() + block_used_;
    block_used_ += row_words_;
    ++rows_;
    // Which metrics exist may change before they are presented: it is noted with the address, whose
    // upper bits are free.
    const uint64_t head =
        reinterpret_cast<uint64_t>(&series) | static_cast<uint64_t>(series.present()) << 56;
    std::memcpy(row++, &head, sizeof head);
    for (size_t metric = 1; metric < layout_.metrics.size(); ++metric) {
      row[0] = layout_.Value(series, metric);
      if (IsHistogram(metric)) layout_.CopyCounts(series, metric, row + 1);
      row += WordsOf(metric);
    }
  }

  // Announces a metric before its first series: without series there is no metric.
  bool Announce(size_t metric, bool* announced) {
    if (*announced) return true;
    *announced = true;
    MetricInfo info = family_.infos_[metric];
    info.exemplar_label = exemplar_label_;
    return sink_.BeginMetric(info);
  }

  bool PresentChunk() {
    const double* counts = counts_.data();
    size_t exemplars_begin = 0;
    for (const Copied& copy : copied_) {
      const std::span<const Exemplar> exemplars(exemplars_.data() + exemplars_begin,
                                                copy.exemplars_end - exemplars_begin);
      exemplars_begin = copy.exemplars_end;
      if (copy.present) {
        if (!Announce(0, &first_announced_)) return false;
        if (!Present(0, *copy.series, copy.value, counts, exemplars)) return false;
      }
      if (IsHistogram(0)) counts += Buckets(0);
    }
    return true;
  }

  bool Present(size_t metric, const Series& series, double value, const double* counts,
               std::span<const Exemplar> exemplars) {
    if (!IsHistogram(metric)) return sink_.Number(series.labels(), value, series.birth_ms());
    cumulative_.resize(Buckets(metric));
    double below = 0;
    for (size_t i = 0; i < cumulative_.size(); ++i) {
      below += counts[i];
      cumulative_[i] = below;
    }
    return sink_.Histogram(series.labels(), {cumulative_, value, exemplars}, series.birth_ms());
  }

  bool PresentNoted(size_t metric) {
    size_t offset = 1;
    for (size_t i = 1; i < metric; ++i) offset += WordsOf(i);
    bool announced = false;
    const size_t rows_per_block = kBlockWords / row_words_;
    for (size_t i = 0; i < rows_; ++i) {
      const double* row = blocks_[i / rows_per_block].get() + i % rows_per_block * row_words_;
      uint64_t head;
      std::memcpy(&head, row, sizeof head);
      if ((head >> 56 >> metric & 1) == 0) continue;
      const auto* series = reinterpret_cast<const Series*>(head & ((uint64_t{1} << 56) - 1));
      if (!Announce(metric, &announced)) return false;
      exemplars_.clear();
      if (IsHistogram(metric)) {
        Mutex* const mutex = i >= overflow_row_
                                 ? &family_.overflow_mutex_
                                 : &family_.shards_[Family::ShardOf(series->hash())].mutex;
        CopyNewestExemplars(mutex, *series, metric, row + offset + 1);
      }
      if (!Present(metric, *series, row[offset], row + offset + 1, exemplars_)) return false;
    }
    return true;
  }

  // Exemplars are not noted down but taken as they are now; those of observations that the noted
  // counts do not know yet are left out.
  void CopyNewestExemplars(Mutex* mutex, const Series& series, size_t metric,
                           const double* counts) {
    {
      const MutexLock lock(mutex);
      layout_.CopyExemplars(series, metric, &exemplars_);
    }
    std::erase_if(exemplars_, [counts](const Exemplar& e) { return counts[e.bucket] == 0; });
  }

  Family& family_;
  const SeriesLayout& layout_;
  const int64_t now_nanos_;
  const std::string& exemplar_label_;
  SampleSink& sink_;
  bool first_announced_ = false;

  std::vector<Copied> copied_;
  std::vector<double> counts_;       // of the copied, one after the other
  std::vector<Exemplar> exemplars_;  // likewise
  std::vector<double> cumulative_;

  // The noted metrics: rows of `row_words_` words, each the head and then the metrics' values.
  size_t row_words_ = 0;
  size_t rows_ = 0;
  size_t overflow_row_ = 0;  // the first that does not belong to a shard
  size_t block_used_ = 0;
  std::vector<std::unique_ptr<double[]>> blocks_;
};

bool Family::Visit(int64_t now_nanos, const std::string& exemplar_label, SampleSink* sink) {
  return FamilyReader(this, now_nanos, exemplar_label, sink).Read();
}

}  // namespace spanmeter
