// How the series of a registry survive a restart: what they consist of, written to a record and
// read back bit by bit.

#include <array>
#include <cstring>
#include <limits>
#include <string_view>
#include <vector>

#include "spanmeter/state_stream.h"
#include "spanmeter/trace_id.h"

#include "registry/native_buckets.h"
#include "registry/native_histogram.h"
#include "registry/series.h"

namespace spanmeter {

namespace {

constexpr uint64_t kMaxNarrow = std::numeric_limits<uint32_t>::max();

// Beyond the indices of all numbers that there are.
constexpr int64_t kMaxNativeIndex = int64_t{1} << 20;

constexpr const char* kNoSeries = "it is damaged: a label set that is none";

void SaveExemplar(const Exemplar& exemplar, StateWriter* writer) {
  writer->Number(exemplar.bucket);
  writer->Bytes({reinterpret_cast<const char*>(exemplar.trace_id), kTraceIdSize});
  writer->Double(exemplar.value);
  writer->Signed(exemplar.timestamp_ms);
}

}  // namespace

void NativeHistogram::Save(StateWriter* writer) const {
  writer->Signed(schema_);
  writer->Double(zero_count_);
  writer->Time(last_reset_nanos_);
  writer->Number(started_over_ ? 1 : 0);
  writer->Number(wide_ ? 1 : 0);
  writer->Number(size_);
  int64_t previous = 0;
  for (size_t i = 0; i < size_; ++i) {
    writer->Signed(indices()[i] - previous);
    previous = indices()[i];
    if (wide_) {
      writer->Double(wide_counts()[i]);
    } else {
      writer->Number(narrow_counts()[i]);
    }
  }
}

bool NativeHistogram::Restore(StateReader* reader) {
  const int64_t schema = reader->Signed();
  zero_count_ = reader->Double();
  last_reset_nanos_ = reader->Time();
  started_over_ = reader->Number() != 0;
  const bool wide = reader->Number() != 0;
  const uint64_t size = reader->Number();
  if (schema < kMinNativeSchema || schema > kMaxNativeSchema || size > kMaxBuckets) {
    return reader->Fail(kNoSeries);
  }
  schema_ = static_cast<int8_t>(schema);
  if (size > 0) Reallocate(size, wide);
  int64_t index = 0;
  for (uint64_t i = 0; i < size; ++i) {
    const int64_t step = reader->Signed();
    const bool ascends = i == 0 || step > 0;
    if (!ascends || step < -2 * kMaxNativeIndex || step > 2 * kMaxNativeIndex) {
      return reader->Fail(kNoSeries);
    }
    index += step;
    if (index < -kMaxNativeIndex || index > kMaxNativeIndex) return reader->Fail(kNoSeries);
    indices()[i] = static_cast<int32_t>(index);
    if (wide) {
      wide_counts()[i] = reader->Double();
      continue;
    }
    const uint64_t count = reader->Number();
    if (count > kMaxNarrow) return reader->Fail(kNoSeries);
    narrow_counts()[i] = static_cast<uint32_t>(count);
  }
  size_ = static_cast<uint16_t>(size);
  return true;
}

void SeriesLayout::Save(const Series& series, StateWriter* writer) const {
  writer->Signed(series.birth_ms_);
  writer->Time(series.last_update_nanos_);
  writer->Number(series.present_);
  for (size_t i = 0; i < metrics.size(); ++i) {
    if ((series.present_ >> i & 1) != 0) SaveMetric(i, series, writer);
  }
}

void SeriesLayout::SaveMetric(size_t i, const Series& series, StateWriter* writer) const {
  const Metric& metric = metrics[i];
  writer->Double(Value(series, i));
  if (metric.created_offset != 0) writer->Signed(CreatedMs(series, i));
  if (!metric.IsHistogram()) return;
  if (metric.IsClassic()) {
    const bool wide = (series.wide_ >> i & 1) != 0;
    writer->Number(wide ? 1 : 0);
    std::array<double, kMaxHistogramBounds + 1> counts;
    CopyCounts(series, i, counts.data());
    for (size_t bucket = 0; bucket < metric.ClassicBuckets(); ++bucket) {
      if (wide) {
        writer->Double(counts[bucket]);
      } else {
        writer->Number(static_cast<uint64_t>(counts[bucket]));
      }
    }
  }
  if (metric.native != nullptr) Native(series, i).Save(writer);
  std::vector<Exemplar> exemplars;
  CopyExemplars(series, i, &exemplars);
  writer->Number(exemplars.size());
  for (const Exemplar& exemplar : exemplars) SaveExemplar(exemplar, writer);
}

bool SeriesLayout::Restore(StateReader* reader, Series* series) const {
  series->birth_ms_ = reader->Stamp();
  series->last_update_nanos_ = reader->Time();
  const uint64_t present = reader->Number();
  if (present == 0 || present >= uint64_t{1} << metrics.size()) return reader->Fail(kNoSeries);
  series->present_ = static_cast<uint8_t>(present);
  for (size_t i = 0; i < metrics.size(); ++i) {
    if ((present >> i & 1) != 0 && !RestoreMetric(i, reader, series)) return false;
  }
  return reader->EndRecord();
}

bool SeriesLayout::RestoreMetric(size_t i, StateReader* reader, Series* series) const {
  const Metric& metric = metrics[i];
  const double value = reader->Double();
  std::memcpy(series->at(metric.offset), &value, sizeof value);
  if (metric.created_offset != 0) StoreCreated(i, reader->Stamp(), series);
  if (!metric.IsHistogram()) return reader->ok();
  if (metric.IsClassic() && !RestoreCounts(i, reader, series)) return false;
  if (metric.native != nullptr && !native(i, series)->Restore(reader)) return false;
  return RestoreExemplars(i, reader, series);
}

bool SeriesLayout::RestoreCounts(size_t i, StateReader* reader, Series* series) const {
  char* const counts = series->at(metrics[i].offset + sizeof(double));
  const size_t buckets = metrics[i].ClassicBuckets();
  if (reader->Number() != 0) {
    Widen(i, series);
    double* wide;
    std::memcpy(&wide, counts, sizeof wide);
    for (size_t bucket = 0; bucket < buckets; ++bucket) wide[bucket] = reader->Double();
    return true;
  }
  for (size_t bucket = 0; bucket < buckets; ++bucket) {
    const uint64_t count = reader->Number();
    if (count > kMaxNarrow) return reader->Fail(kNoSeries);
    const auto narrow = static_cast<uint32_t>(count);
    std::memcpy(counts + bucket * sizeof narrow, &narrow, sizeof narrow);
  }
  return true;
}

bool SeriesLayout::RestoreExemplars(size_t i, StateReader* reader, Series* series) const {
  const Metric& metric = metrics[i];
  const uint64_t size = reader->Number();
  const size_t most = metric.IsClassic() ? metric.ClassicBuckets() : NativeExemplars::kMost;
  if (size > most) return reader->Fail(kNoSeries);
  for (uint64_t n = 0; n < size; ++n) {
    const uint64_t bucket = reader->Number();
    const std::string_view trace_id = reader->Bytes();
    const double value = reader->Double();
    const int64_t wall_ms = reader->Stamp();
    if (!reader->ok() || trace_id.size() != kTraceIdSize || bucket >= most) {
      return reader->Fail(kNoSeries);
    }
    if (!metric.IsClassic()) {
      native_exemplars(i, series)->Set(trace_id.data(), value, metric.native->schema, wall_ms);
      continue;
    }
    auto* const slot = reinterpret_cast<uint8_t*>(series->at(metric.slots_offset)) + bucket;
    if (*slot == 0 && !AddExemplarPlace(slot, series)) continue;
    series->exemplars_[*slot - 1].Set(trace_id.data(), value, wall_ms);
  }
  return true;
}

}  // namespace spanmeter
