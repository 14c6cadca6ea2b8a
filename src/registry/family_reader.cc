#include "registry/family_reader.h"

#include <algorithm>
#include <cstring>

#include "registry/native_buckets.h"

namespace spanmeter {

namespace {

// So many label sets are copied while a shard is locked.
constexpr size_t kReadChunk = 64;

// The place of a series that has expired is empty.
void Prefetch(const Series* series) {
  if (series == nullptr) return;
  const char* const address = reinterpret_cast<const char*>(series);
  __builtin_prefetch(address);
  __builtin_prefetch(address + 64);
  __builtin_prefetch(address + 128);
}

}  // namespace

double FamilyReader::NativeNote::CountAt(double value) const {
  if (!(value > kNativeZeroThreshold)) return zero_count;
  const int32_t index = NativeBucketIndex(value, schema);
  const NativeBucket* const end = buckets + size;
  const NativeBucket* const bucket = std::lower_bound(
      buckets, end, index, [](const NativeBucket& b, int32_t i) { return b.index < i; });
  return bucket != end && bucket->index == index ? bucket->count : 0;
}

FamilyReader::FamilyReader(Family* family, int64_t now_nanos, const std::string* exemplar_label,
                           MetricAnnouncer* announcer)
    : family_(*family),
      layout_(family->layout_),
      now_nanos_(now_nanos),
      exemplar_label_(*exemplar_label),
      announcer_(*announcer),
      sink_(announcer->sink()) {
  for (size_t i = 1; i < layout_.metrics.size(); ++i) row_words_ += WordsOf(i);
  if (layout_.metrics.size() > 1) ++row_words_;
}

bool FamilyReader::Present(size_t metric) { return metric == 0 ? ReadAll() : PresentNoted(metric); }

bool FamilyReader::ReadAll() {
  for (Family::Shard& shard : family_.shards_) {
    if (!ReadShard(&shard)) return false;
  }
  return ReadOverflow();
}

bool FamilyReader::ReadShard(Family::Shard* shard) {
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

bool FamilyReader::ReadOverflow() {
  StartChunk();
  overflow_row_ = row_count_;
  {
    const MutexLock lock(&family_.overflow_mutex_);
    if (family_.overflow_ != nullptr) CopySeries(*family_.overflow_);
  }
  return PresentChunk();
}

void FamilyReader::StartChunk() {
  copied_.clear();
  counts_.clear();
  exemplars_.clear();
  copied_buckets_.Clear();
}

void FamilyReader::CopySeries(const Series& series) {
  if (family_.StaleAt(series, now_nanos_)) return;
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

FamilyReader::NativeNote FamilyReader::NoteNative(const Series& series, size_t metric,
                                                  BucketArena* arena) {
  const NativeHistogram& native = layout_.Native(series, metric);
  NativeBucket* const buckets = arena->Take(native.size());
  native.CopyBuckets(buckets);
  return {buckets, native.zero_count(), static_cast<int16_t>(native.schema()),
          native.started_over(), static_cast<uint32_t>(native.size())};
}

void FamilyReader::NoteOthers(const Series& series) {
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

FamilyReader::Reading FamilyReader::ReadNoted(size_t metric, const Series* series,
                                              const double* words) const {
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

// A metric is announced before its first series: without series there is no metric.
bool FamilyReader::Announce(size_t metric) {
  MetricInfo info = (*family_.infos_)[metric];
  info.exemplar_label = exemplar_label_;
  return announcer_.Announce(info);
}

bool FamilyReader::PresentChunk() {
  const bool any =
      std::any_of(copied_.begin(), copied_.end(), [](const Copied& copy) { return copy.present; });
  if (any && !Announce(0)) return false;
  const double* counts = counts_.data();
  const Exemplar* exemplars = exemplars_.data();
  for (Copied& copy : copied_) {
    const Exemplar* const exemplars_end = exemplars_.data() + copy.exemplars_end;
    copy.reading.counts = counts;
    if (copy.present) {
      if (!PresentReading(0, copy.reading, {exemplars, exemplars_end})) return false;
    }
    exemplars = exemplars_end;
    counts += ClassicBuckets(0);
  }
  return true;
}

bool FamilyReader::PresentReading(size_t metric, const Reading& reading,
                                  std::span<const Exemplar> exemplars) {
  const std::string_view labels = reading.series->labels();
  if (!IsHistogram(metric)) return sink_.Number(labels, reading.value, reading.created_ms);
  if (IsNative(metric)) return PresentNative(metric, reading, exemplars);
  AddUp(metric, reading.counts);
  return sink_.Histogram(labels, {cumulative_, reading.value, exemplars}, reading.created_ms);
}

void FamilyReader::AddUp(size_t metric, const double* counts) {
  cumulative_.resize(ClassicBuckets(metric));
  double below = 0;
  for (size_t i = 0; i < cumulative_.size(); ++i) {
    below += counts[i];
    cumulative_[i] = below;
  }
}

bool FamilyReader::PresentNative(size_t metric, const Reading& reading,
                                 std::span<const Exemplar> exemplars) {
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
  native.started_over = reading.native.started_over;
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
  return sink_.Histogram(reading.series->labels(), {cumulative_, reading.value, exemplars, &native},
                         reading.created_ms);
}

bool FamilyReader::PresentNoted(size_t metric) {
  size_t offset = 1;
  for (size_t i = 1; i < metric; ++i) offset += WordsOf(i);
  bool announced = false;
  for (size_t i = 0; i < row_count_; ++i) {
    const double* row = rows_.Piece(i, row_words_);
    uint64_t head;
    std::memcpy(&head, row, sizeof head);
    if ((head >> 56 >> metric & 1) == 0) continue;
    const auto* series = reinterpret_cast<const Series*>(head & ((uint64_t{1} << 56) - 1));
    if (!announced && !Announce(metric)) return false;
    announced = true;
    const Reading reading = ReadNoted(metric, series, row + offset);
    exemplars_.clear();
    if (IsHistogram(metric)) {
      Mutex* const mutex = i >= overflow_row_
                               ? &family_.overflow_mutex_
                               : &family_.shards_[Family::ShardOf(series->hash())].mutex;
      CopyNewestExemplars(mutex, metric, reading);
    }
    if (!PresentReading(metric, reading, exemplars_)) return false;
  }
  return true;
}

// Exemplars are not noted down but taken as they are now; those of observations that the noted
// counts do not know yet are left out.
void FamilyReader::CopyNewestExemplars(Mutex* mutex, size_t metric, const Reading& reading) {
  {
    const MutexLock lock(mutex);
    layout_.CopyExemplars(*reading.series, metric, &exemplars_);
  }
  if (IsNative(metric)) return;  // PresentNative() does it
  std::erase_if(exemplars_,
                [&reading](const Exemplar& e) { return reading.counts[e.bucket] == 0; });
}

}  // namespace spanmeter
