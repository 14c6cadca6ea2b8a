#include "registry/series.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

namespace spanmeter {

namespace {

size_t BucketCount(const SeriesLayout::Metric& metric) { return metric.bounds->size() + 1; }

size_t RoundUp(size_t size, size_t alignment) {
  return (size + alignment - 1) / alignment * alignment;
}

size_t BucketOf(const std::vector<double>& bounds, double value) {
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

// Moves the counts at `counts` into doubles of their own.
void Widen(char* counts, size_t buckets) {
  auto* wide = static_cast<double*>(std::malloc(buckets * sizeof(double)));
  if (wide == nullptr) throw std::bad_alloc();
  for (size_t i = 0; i < buckets; ++i) {
    uint32_t count;
    std::memcpy(&count, counts + i * sizeof count, sizeof count);
    wide[i] = count;
  }
  std::memcpy(counts, &wide, sizeof wide);
}

}  // namespace

SeriesLayout::SeriesLayout(const std::vector<FamilyMetric>* family_metrics) {
  // All numbers first: they share the header's cache lines.
  size_t offset = sizeof(Series);
  for (const FamilyMetric& m : *family_metrics) {
    Metric metric = {m.type, &m.bounds, 0, 0, 1};
    if (m.type != MetricType::kHistogram) {
      metric.offset = static_cast<uint32_t>(offset);
      offset += sizeof(double);
    }
    metrics.push_back(metric);
  }
  for (Metric& metric : metrics) {
    if (metric.type != MetricType::kHistogram) continue;
    const size_t buckets = BucketCount(metric);
    metric.offset = static_cast<uint32_t>(offset);
    offset += sizeof(double) + std::max(buckets * sizeof(uint32_t), sizeof(double*));
    metric.slots_offset = static_cast<uint32_t>(offset);
    offset = RoundUp(offset + buckets, alignof(double));
    metric.series = static_cast<uint32_t>(2 + buckets);
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
  }
  std::free(series->exemplars_);
  std::free(series);
}

uint32_t SeriesLayout::Apply(const Update& update, int64_t now_nanos, Series* series) const {
  // Requests may overtake each other between reading the clock and getting here.
  series->last_update_nanos_ = std::max(series->last_update_nanos_, now_nanos);
  uint32_t born = 0;
  const auto joining = static_cast<uint8_t>(update.metrics & ~series->present_);
  if (joining != 0) [[unlikely]] {
    born = SeriesOf(joining);
    series->present_ |= joining;
  }
  for (size_t i = 0; i < metrics.size(); ++i) {
    if ((update.metrics >> i & 1) == 0) continue;
    const Metric& metric = metrics[i];
    char* const value = series->at(metric.offset);
    switch (metric.type) {
      case MetricType::kHistogram: {
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
          Widen(counts, BucketCount(metric));
          series->wide_ |= static_cast<uint8_t>(1 << i);
        }
        LoadWide(counts)[bucket] += update.weight;
        break;
      }
      case MetricType::kGauge:
        std::memcpy(value, &update.values[i], sizeof(double));
        break;
      case MetricType::kCounter:
      case MetricType::kUntyped:
        AddDouble(value, update.values[i]);
        break;
    }
  }
  return born;
}

void SeriesLayout::PrefetchExemplars(const Series& series) const {
  if (series.exemplars_ != nullptr) {
    __builtin_prefetch(series.exemplars_, 1);
    __builtin_prefetch(series.exemplars_ + 2, 1);
  }
}

void SeriesLayout::ApplyExemplars(const Update& update, int64_t wall_ms, Series* series) const {
  for (size_t i = 0; i < metrics.size(); ++i) {
    const Metric& metric = metrics[i];
    if ((update.metrics >> i & 1) == 0 || metric.type != MetricType::kHistogram) continue;
    const size_t bucket = BucketOf(*metric.bounds, update.values[i]);
    auto* const slot = reinterpret_cast<uint8_t*>(series->at(metric.slots_offset)) + bucket;
    if (*slot == 0) {
      // A place number is one byte. Several histograms with hundreds of bounds could use up all of
      // them; buckets that come later then have no exemplar.
      if (series->exemplar_count_ == std::numeric_limits<uint8_t>::max()) continue;
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
    }
    StoredExemplar& exemplar = series->exemplars_[*slot - 1];
    std::memcpy(exemplar.trace_id, update.trace_id, kTraceIdSize);
    exemplar.value = update.values[i];
    exemplar.timestamp_ms = wall_ms;
  }
}

double SeriesLayout::Value(const Series& series, size_t metric) const {
  return LoadDouble(series.at(metrics[metric].offset));
}

void SeriesLayout::CopyCounts(const Series& series, size_t metric, double* counts) const {
  const char* const stored = series.at(metrics[metric].offset + sizeof(double));
  const size_t buckets = BucketCount(metrics[metric]);
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

void SeriesLayout::CopyExemplars(const Series& series, size_t metric,
                                 std::vector<Exemplar>* exemplars) const {
  if (series.exemplar_count_ == 0) return;
  const auto* const slots =
      reinterpret_cast<const uint8_t*>(series.at(metrics[metric].slots_offset));
  for (size_t bucket = 0; bucket < BucketCount(metrics[metric]); ++bucket) {
    if (slots[bucket] == 0) continue;
    const StoredExemplar& stored = series.exemplars_[slots[bucket] - 1];
    Exemplar& exemplar = exemplars->emplace_back();
    exemplar.bucket = static_cast<uint32_t>(bucket);
    exemplar.value = stored.value;
    exemplar.timestamp_ms = stored.timestamp_ms;
    std::memcpy(exemplar.trace_id, stored.trace_id, kTraceIdSize);
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
