#include "registry/series.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

namespace spanmeter {

namespace {

size_t RoundUp(size_t size, size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

SeriesLayout::Kind KindOf(const FamilyMetric& metric) {
  switch (metric.type) {
    case MetricType::kHistogram:
      return metric.classic ? SeriesLayout::Kind::kClassic : SeriesLayout::Kind::kNative;
    case MetricType::kGauge:
      return SeriesLayout::Kind::kSet;
    case MetricType::kCounter:
    case MetricType::kUntyped:
      break;
  }
  return SeriesLayout::Kind::kAdd;
}

inline size_t BucketOf(const std::vector<double>& bounds, double value) {
  // Bounds are few and ascending, and most latencies are low: a linear search without surprises for
  // the branch predictor beats bisection up to some 30 bounds.
  constexpr size_t kLinearBounds = 32;
  if (bounds.size() > kLinearBounds) {
    return static_cast<size_t>(std::lower_bound(bounds.begin(), bounds.end(), value) -
                               bounds.begin());
  }
  size_t bucket = 0;
  for (const double bound : bounds) bucket += value > bound ? 1 : 0;
  return bucket;
}

double LoadDouble(const char* p) {
  double value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

void AddDouble(char* p, double increment) {
  const double value = LoadDouble(p) + increment;
  std::memcpy(p, &value, sizeof value);
}

double* LoadWide(const char* p) {
  double* wide;
  std::memcpy(&wide, p, sizeof wide);
  return wide;
}

}  // namespace

SeriesLayout::SeriesLayout(const std::vector<FamilyMetric>* family_metrics, const Clock* clock)
    : clock_(clock) {
  // All numbers first: they share the header's cache lines.
  size_t offset = sizeof(Series);
  const auto take = [&offset](size_t size) {
    const auto taken = static_cast<uint32_t>(offset);
    offset = RoundUp(offset + size, alignof(double));
    return taken;
  };
  for (const FamilyMetric& m : *family_metrics) {
    const bool histogram = m.type == MetricType::kHistogram;
    Metric metric = {KindOf(m), &m.bounds, nullptr, 0, 0, 0, 0, 1};
    if (histogram && m.native) metric.native = &*m.native;
    if (!histogram) metric.offset = take(sizeof(double));
    metrics.push_back(metric);
  }
  for (size_t i = 0; i < metrics.size(); ++i) {
    Metric& metric = metrics[i];
    if (metric.IsHistogram()) {
      const size_t buckets = metric.ClassicBuckets();
      const size_t count_bytes =
          metric.IsClassic() ? std::max(buckets * sizeof(uint32_t), sizeof(double*)) : 0;
      metric.offset = static_cast<uint32_t>(offset);
      metric.slots_offset = static_cast<uint32_t>(offset + sizeof(double) + count_bytes);
      take(sizeof(double) + count_bytes + buckets);
      metric.series = static_cast<uint32_t>(metric.IsClassic() ? 2 + buckets : 0);
    }
    if (metric.native != nullptr) {
      metric.native_offset =
          take(sizeof(NativeHistogram) + (metric.IsClassic() ? 0 : sizeof(NativeExemplars)));
      metric.series += 1;
      native_mask_ |= static_cast<uint8_t>(1U << i);
      if (!metric.IsClassic()) native_only_mask_ |= static_cast<uint8_t>(1U << i);
    }
  }
  // Rarely written, so behind everything else.
  for (size_t i = 0; i < metrics.size(); ++i) {
    if (metrics[i].native == nullptr && !(*family_metrics)[i].joins) continue;
    metrics[i].created_offset = take(sizeof(int64_t));
    created_mask_ |= static_cast<uint8_t>(1U << i);
  }
  tail_offset = offset;
}

Series* SeriesLayout::New(uint64_t hash, std::string_view key, std::string_view labels,
                          int64_t birth_ms) const {
  void* memory = std::malloc(tail_offset + key.size() + labels.size());
  if (memory == nullptr) throw std::bad_alloc();
  std::memset(memory, 0, tail_offset);
  auto* series = new (memory) Series;
  series->hash_ = hash;
  series->last_update_nanos_ = 0;
  series->birth_ms_ = birth_ms;
  series->exemplars_ = nullptr;
  series->key_size_ = static_cast<uint32_t>(key.size());
  series->labels_size_ = static_cast<uint32_t>(labels.size());
  series->tail_offset_ = static_cast<uint32_t>(tail_offset);
  series->exemplar_count_ = 0;
  series->exemplar_capacity_ = 0;
  series->present_ = 0;
  series->wide_ = 0;
  for (size_t i = 0; i < metrics.size(); ++i) {
    const Metric& metric = metrics[i];
    if (metric.native == nullptr) continue;
    new (series->at(metric.native_offset)) NativeHistogram(*metric.native);
    if (!metric.IsClassic()) {
      new (series->at(metric.native_offset + sizeof(NativeHistogram))) NativeExemplars;
    }
  }
  char* tail = series->at(tail_offset);
  if (!key.empty()) std::memcpy(tail, key.data(), key.size());
  if (!labels.empty()) std::memcpy(tail + key.size(), labels.data(), labels.size());
  return series;
}

void SeriesLayout::Delete(Series* series) const {
  for (size_t i = 0; i < metrics.size(); ++i) {
    if ((series->wide_ >> i & 1) != 0) {
      std::free(LoadWide(series->at(metrics[i].offset + sizeof(double))));
    }
    if (metrics[i].native == nullptr) continue;
    std::destroy_at(native(i, series));
    if (!metrics[i].IsClassic()) std::destroy_at(native_exemplars(i, series));
  }
  std::free(series->exemplars_);
  std::free(series);
}

void SeriesLayout::Widen(size_t i, Series* series) const {
  char* const counts = series->at(metrics[i].offset + sizeof(double));
  const size_t buckets = metrics[i].bounds->size() + 1;
  auto* wide = static_cast<double*>(std::malloc(buckets * sizeof(double)));
  if (wide == nullptr) throw std::bad_alloc();
  CopyCounts(*series, i, wide);
  std::memcpy(counts, &wide, sizeof wide);
  series->wide_ |= static_cast<uint8_t>(1 << i);
}

NativeHistogram* SeriesLayout::native(size_t i, Series* series) const {
  return reinterpret_cast<NativeHistogram*>(series->at(metrics[i].native_offset));
}

NativeExemplars* SeriesLayout::native_exemplars(size_t i, Series* series) const {
  return reinterpret_cast<NativeExemplars*>(
      series->at(metrics[i].native_offset + sizeof(NativeHistogram)));
}

const NativeExemplars& SeriesLayout::native_exemplars(size_t i, const Series& series) const {
  return *reinterpret_cast<const NativeExemplars*>(
      series.at(metrics[i].native_offset + sizeof(NativeHistogram)));
}

uint32_t SeriesLayout::Apply(const Update& update, int64_t now_nanos, Series* series) const {
  // Requests may overtake each other between reading the clock and getting here.
  series->last_update_nanos_ = std::max(series->last_update_nanos_, now_nanos);
  uint32_t born = 0;
  const auto joining = static_cast<uint8_t>(update.metrics & ~series->present_);
  if (joining != 0) [[unlikely]] {
    born = SeriesOf(joining);
    Join(joining, now_nanos, series);
  }
  // First, because it may have all of the histogram start over.
  if ((update.metrics & native_mask_) != 0) ApplyNative(update, now_nanos, series);
  // What does not change is read once: the stores below could be to anything.
  const Metric* const all = metrics.data();
  const size_t size = metrics.size();
  for (size_t i = 0; i < size; ++i) {
    if ((update.metrics >> i & 1) == 0) continue;
    const Metric& metric = all[i];
    char* const value = series->at(metric.offset);
    switch (metric.kind) {
      case Kind::kClassic: {
        AddDouble(value, update.values[i] * update.weight);
        const size_t bucket = BucketOf(*metric.bounds, update.values[i]);
        char* const counts = value + sizeof(double);
        if ((series->wide_ >> i & 1) == 0) {
          // Fast path: a whole weight into a count that has room for it.
          char* const cell = counts + bucket * sizeof(uint32_t);
          uint32_t count;
          std::memcpy(&count, cell, sizeof count);
          if (update.weight == 1 && count != std::numeric_limits<uint32_t>::max()) [[likely]] {
            ++count;
            std::memcpy(cell, &count, sizeof count);
            break;
          }
          const double sum = count + update.weight;
          if (sum <= std::numeric_limits<uint32_t>::max() && sum == std::floor(sum)) {
            count = static_cast<uint32_t>(sum);
            std::memcpy(cell, &count, sizeof count);
            break;
          }
          Widen(i, series);
        }
        LoadWide(counts)[bucket] += update.weight;
        break;
      }
      case Kind::kNative:
        AddDouble(value, update.values[i] * update.weight);
        break;
      case Kind::kSet:
        std::memcpy(value, &update.values[i], sizeof(double));
        break;
      case Kind::kAdd:
        AddDouble(value, update.values[i]);
        break;
    }
  }
  return born;
}

// The metrics of `joining` come into being.
void SeriesLayout::Join(uint8_t joining, int64_t now_nanos, Series* series) const {
  if ((joining & created_mask_) != 0) {
    const int64_t created_ms =
        series->present_ == 0 ? series->birth_ms_ : std::max(series->birth_ms_, NowMs());
    for (size_t i = 0; i < metrics.size(); ++i) {
      if ((joining & created_mask_) >> i & 1) StoreCreated(i, created_ms, series);
      if ((joining & native_mask_) >> i & 1) native(i, series)->Start(now_nanos);
    }
  }
  series->present_ |= joining;
}

void SeriesLayout::ApplyNative(const Update& update, int64_t now_nanos, Series* series) const {
  for (size_t i = 0; i < metrics.size(); ++i) {
    if (((update.metrics & native_mask_) >> i & 1) == 0) continue;
    const bool started_over =
        native(i, series)->Observe(update.values[i], update.weight, *metrics[i].native, now_nanos);
    if (started_over) StartOver(i, series);
  }
}

// The native histogram has started over. The formats have one count and one sum for it and the
// classic buckets, so these start over as well.
void SeriesLayout::StartOver(size_t i, Series* series) const {
  const Metric& metric = metrics[i];
  // The clock is read anew: a reader may have seen the histogram after this request read it.
  StoreCreated(i, std::max(CreatedMs(*series, i), NowMs()), series);
  std::memset(series->at(metric.offset), 0, sizeof(double));
  if (!metric.IsClassic()) {
    native_exemplars(i, series)->Clear();
    return;
  }
  char* const counts = series->at(metric.offset + sizeof(double));
  const size_t buckets = metric.ClassicBuckets();
  if ((series->wide_ >> i & 1) != 0) {
    std::fill_n(LoadWide(counts), buckets, 0.0);
  } else {
    std::memset(counts, 0, buckets * sizeof(uint32_t));
  }
  // The places stay with their buckets: they are few.
  const auto* const slots = reinterpret_cast<const uint8_t*>(series->at(metric.slots_offset));
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    if (slots[bucket] == 0) continue;
    series->exemplars_[slots[bucket] - 1].timestamp_ms = StoredExemplar::kNone;
  }
}

int64_t SeriesLayout::NowMs() const { return clock_->WallNanos() / kNanosPerMilli; }

void SeriesLayout::StoreCreated(size_t i, int64_t created_ms, Series* series) const {
  std::memcpy(series->at(metrics[i].created_offset), &created_ms, sizeof created_ms);
}

int64_t SeriesLayout::CreatedMs(const Series& series, size_t metric) const {
  if (metrics[metric].created_offset == 0) return series.birth_ms();
  int64_t created_ms;
  std::memcpy(&created_ms, series.at(metrics[metric].created_offset), sizeof created_ms);
  return created_ms;
}

void SeriesLayout::PrefetchExemplars(const Series& series) const {
  if (series.exemplars_ != nullptr) {
    __builtin_prefetch(series.exemplars_, 1);
    __builtin_prefetch(series.exemplars_ + 2, 1);
  }
  if (native_only_mask_ != 0) PrefetchNativeExemplars(series);
}

void SeriesLayout::PrefetchNativeExemplars(const Series& series) const {
  for (size_t i = 0; i < metrics.size(); ++i) {
    if ((native_only_mask_ >> i & 1) != 0) native_exemplars(i, series).Prefetch();
  }
}

void SeriesLayout::ApplyExemplars(const Update& update, int64_t wall_ms, Series* series) const {
  const Metric* const all = metrics.data();
  const size_t size = metrics.size();
  for (size_t i = 0; i < size; ++i) {
    const Metric& metric = all[i];
    if ((update.metrics >> i & 1) == 0 || !metric.IsHistogram()) continue;
    const double value = update.values[i];
    if (!metric.IsClassic()) {
      native_exemplars(i, series)->Set(update.trace_id, value, metric.native->schema, wall_ms);
      continue;
    }
    const size_t bucket = BucketOf(*metric.bounds, value);
    auto* const slot = reinterpret_cast<uint8_t*>(series->at(metric.slots_offset)) + bucket;
    if (*slot == 0 && !AddExemplarPlace(slot, series)) continue;
    series->exemplars_[*slot - 1].Set(update.trace_id, value, wall_ms);
  }
}

bool SeriesLayout::AddExemplarPlace(uint8_t* slot, Series* series) {
  // A place number is one byte. Several histograms with hundreds of bounds could use up all of
  // them; buckets that come later then have no exemplar.
  if (series->exemplar_count_ == std::numeric_limits<uint8_t>::max()) return false;
  if (series->exemplar_count_ == series->exemplar_capacity_) {
    const size_t capacity =
        std::min<size_t>(std::max<size_t>(1, series->exemplar_capacity_ * size_t{2}),
                         std::numeric_limits<uint8_t>::max());
    void* grown = std::realloc(series->exemplars_, capacity * sizeof(StoredExemplar));
    if (grown == nullptr) throw std::bad_alloc();
    series->exemplars_ = static_cast<StoredExemplar*>(grown);
    series->exemplar_capacity_ = static_cast<uint8_t>(capacity);
  }
  *slot = ++series->exemplar_count_;
  return true;
}

double SeriesLayout::Value(const Series& series, size_t metric) const {
  return LoadDouble(series.at(metrics[metric].offset));
}

void SeriesLayout::CopyCounts(const Series& series, size_t metric, double* counts) const {
  const char* const stored = series.at(metrics[metric].offset + sizeof(double));
  const size_t buckets = metrics[metric].ClassicBuckets();
  if ((series.wide_ >> metric & 1) != 0) {
    std::memcpy(counts, LoadWide(stored), buckets * sizeof(double));
    return;
  }
  for (size_t i = 0; i < buckets; ++i) {
    uint32_t count;
    std::memcpy(&count, stored + i * sizeof count, sizeof count);
    counts[i] = count;
  }
}

const NativeHistogram& SeriesLayout::Native(const Series& series, size_t metric) const {
  return *reinterpret_cast<const NativeHistogram*>(series.at(metrics[metric].native_offset));
}

void SeriesLayout::CopyExemplars(const Series& series, size_t metric,
                                 std::vector<Exemplar>* exemplars) const {
  if (!metrics[metric].IsClassic()) {
    native_exemplars(metric, series).Copy(exemplars);
    return;
  }
  if (series.exemplar_count_ == 0) return;
  const auto* const slots =
      reinterpret_cast<const uint8_t*>(series.at(metrics[metric].slots_offset));
  for (size_t bucket = 0; bucket < metrics[metric].ClassicBuckets(); ++bucket) {
    if (slots[bucket] == 0) continue;
    const StoredExemplar& stored = series.exemplars_[slots[bucket] - 1];
    if (stored.timestamp_ms == StoredExemplar::kNone) continue;
    exemplars->push_back(stored.ToExemplar(static_cast<uint32_t>(bucket)));
  }
}

uint32_t SeriesLayout::SeriesOf(uint8_t present) const {
  uint32_t count = 0;
  for (size_t i = 0; i < metrics.size(); ++i) {
    if ((present >> i & 1) != 0) count += metrics[i].series;
  }
  return count;
}

}  // namespace spanmeter
