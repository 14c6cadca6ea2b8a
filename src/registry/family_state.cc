#include "registry/family_state.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>
#include <vector>

#include "spanmeter/key_hash.h"

#include "registry/label_text.h"

namespace spanmeter {

namespace {

// So many label sets are encoded while a shard is locked.
constexpr size_t kSaveChunk = 64;

constexpr const char* kNoKey = "it is damaged: a label set without a proper key";

// Appends numbers and texts such that different sequences of them are different bytes.
class Describer {
 public:
  void Number(uint64_t value) { out_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void Text(std::string_view text) {
    Number(text.size());
    out_ += text;
  }
  std::string Take() { return std::move(out_); }

 private:
  std::string out_;
};

void DescribeMetric(const FamilyMetric& metric, Describer* out) {
  out->Text(metric.name);
  out->Number(static_cast<uint64_t>(metric.type));
  out->Number(metric.bounds.size());
  for (const double bound : metric.bounds) out->Number(std::bit_cast<uint64_t>(bound));
  out->Number(metric.native.has_value() ? 1 : 0);
  if (metric.native) {
    out->Number(static_cast<uint64_t>(metric.native->schema));
    out->Number(metric.native->max_buckets);
    out->Number(static_cast<uint64_t>(metric.native->min_reset_nanos));
  }
  out->Number((metric.classic ? 1U : 0U) | (metric.info ? 2U : 0U) | (metric.joins ? 4U : 0U));
}

void DescribeRule(const RelabelRule& rule, Describer* out) {
  out->Number(rule.source_labels.size());
  for (const std::string& label : rule.source_labels) out->Text(label);
  out->Text(rule.separator);
  out->Text(rule.regex);
  out->Number(rule.modulus);
  out->Text(rule.target_label);
  out->Text(rule.replacement);
  out->Number(static_cast<uint64_t>(rule.action));
}

}  // namespace

std::string DescribeSpec(const FamilySpec& spec) {
  Describer out;
  out.Number(spec.options.own_labels ? 1 : 0);
  out.Number(spec.options.labels.size());
  for (const FamilyLabel& label : spec.options.labels) {
    out.Text(label.name);
    out.Number(label.enum_names.size());
    for (const std::string_view name : label.enum_names) out.Text(name);
  }
  out.Number(spec.options.metrics.size());
  for (const FamilyMetric& metric : spec.options.metrics) DescribeMetric(metric, &out);
  out.Number(spec.external_labels.size());
  for (const auto& [name, value] : spec.external_labels) {
    out.Text(name);
    out.Text(value);
  }
  out.Number(spec.relabel.size());
  for (const RelabelRule& rule : spec.relabel) DescribeRule(rule, &out);
  out.Number(spec.max_relabelled_length);
  return out.Take();
}

// What the functions of this file do in a family.
class FamilyState {
 public:
  static void Save(Family* family, int64_t now_nanos, StateWriter* writer);
  static bool RestoreLabelSet(Family* family, StateReader* reader);
  static bool RestoreOverflow(Family* family, StateReader* reader);
  static bool RestoreDemand(Family* family, int64_t now_nanos, StateReader* reader);

 private:
  static void SaveShard(Family::Shard* shard, const SeriesLayout& layout, StateWriter* writer);
};

void FamilyState::Save(Family* family, int64_t now_nanos, StateWriter* writer) {
  const FamilySpec& spec = family->spec();
  writer->Begin(StateRecord::kFamily);
  writer->Bytes(DescribeSpec(spec));
  writer->Number(spec.options.metrics.size());
  for (const FamilyMetric& metric : spec.options.metrics) writer->Bytes(metric.name);
  writer->End();
  for (Family::Shard& shard : family->shards_) SaveShard(&shard, family->layout_, writer);
  const MutexLock lock(&family->overflow_mutex_);
  if (family->overflow_ != nullptr) {
    writer->Begin(StateRecord::kOverflow);
    family->layout_.Save(*family->overflow_, writer);
    writer->End();
  }
  writer->Begin(StateRecord::kDemand);
  family->overflow_demand_.Save(now_nanos, writer);
  writer->End();
}

void FamilyState::SaveShard(Family::Shard* shard, const SeriesLayout& layout, StateWriter* writer) {
  for (size_t next = 0;;) {
    writer->FlushIfLarge();
    const MutexLock lock(&shard->mutex);
    const size_t size = shard->series.size();
    if (next >= size) return;
    const size_t end = std::min(next + kSaveChunk, size);
    for (; next < end; ++next) {
      constexpr size_t kAhead = 4;
      if (next + kAhead < size) __builtin_prefetch(shard->series[next + kAhead]);
      const Series* const series = shard->series[next];
      if (series == nullptr) continue;
      writer->Begin(StateRecord::kLabelSet);
      writer->Bytes(series->key());
      layout.Save(*series, writer);
      writer->End();
    }
  }
}

bool FamilyState::RestoreLabelSet(Family* family, StateReader* reader) {
  FamilyShared& shared = *family->shared_;
  const std::string_view key = reader->Bytes();
  if (key.size() > kMaxKeyBytes || !family->labels_.IsKey(key)) return reader->Fail(kNoKey);
  const uint64_t hash = shared.HashOf(key);
  const std::string labels = family->labels_.Render(key);
  Series* const series = family->layout_.New(hash, key, labels, 0);
  if (!family->layout_.Restore(reader, series)) {
    family->layout_.Delete(series);
    return false;
  }
  Family::Shard& shard = family->shards_[Family::ShardOf(hash)];
  const MutexLock lock(&shard.mutex);
  if (shard.table.Find(hash, key) != nullptr) {
    family->layout_.Delete(series);
    return reader->Fail("it is damaged: a label set comes twice");
  }
  shared.limiter.Readmit(family->layout_.SeriesOf(series->present()),
                         KeyHash(labels, shared.hash_seed));
  family->InsertLocked(&shard, series, series->last_update_nanos());
  return true;
}

bool FamilyState::RestoreOverflow(Family* family, StateReader* reader) {
  const SeriesLayout& layout = family->layout_;
  Series* const series = layout.New(0, "", family->labels_.RenderOverflow(), 0);
  const MutexLock lock(&family->overflow_mutex_);
  if (!layout.Restore(reader, series) || family->overflow_ != nullptr) {
    layout.Delete(series);
    return reader->Fail("it is damaged: an overflow series comes twice");
  }
  family->overflow_ = series;
  return true;
}

bool FamilyState::RestoreDemand(Family* family, int64_t now_nanos, StateReader* reader) {
  const MutexLock lock(&family->overflow_mutex_);
  return family->overflow_demand_.Restore(now_nanos, reader) && reader->EndRecord();
}

namespace {

// Reads the records of one family, of which the current one is the first. `family` is null when
// there is none that continues it.
bool RestoreFamily(Family* family, int64_t now_nanos, StateReader* reader,
                   RestoredState* restored) {
  for (reader->Next();; reader->Next()) {
    const bool skip = family == nullptr;
    switch (reader->kind()) {
      case StateRecord::kLabelSet:
        if (skip) break;
        if (!FamilyState::RestoreLabelSet(family, reader)) return false;
        ++restored->label_sets;
        break;
      case StateRecord::kOverflow:
        if (!skip && !FamilyState::RestoreOverflow(family, reader)) return false;
        break;
      case StateRecord::kDemand:
        if (!skip && !FamilyState::RestoreDemand(family, now_nanos, reader)) return false;
        break;
      default:
        return reader->ok();
    }
  }
}

}  // namespace

void SaveRegistry(std::span<const std::shared_ptr<Family>> families, FamilyShared* shared,
                  StateWriter* writer) {
  const int64_t now_nanos = shared->clock->MonotonicNanos();
  writer->Begin(StateRecord::kRegistry);
  writer->Number(shared->series_created.load(std::memory_order_relaxed));
  writer->Number(shared->updates_limited.load(std::memory_order_relaxed));
  writer->End();
  shared->label_limiter.Save(now_nanos, writer);
  for (const auto& family : families) FamilyState::Save(family.get(), now_nanos, writer);
}

bool RestoreRegistry(std::span<const std::shared_ptr<Family>> families, FamilyShared* shared,
                     StateReader* reader, RestoredState* restored) {
  const int64_t now_nanos = shared->clock->MonotonicNanos();
  const uint64_t created = reader->Number();
  shared->updates_limited = reader->Number();
  if (!reader->EndRecord()) return false;
  reader->Next();
  // Before the label sets, which then hold the places.
  if (!shared->label_limiter.Restore(now_nanos, reader)) return false;

  std::vector<std::pair<std::string, Family*>> known;
  for (const auto& family : families)
    known.emplace_back(DescribeSpec(family->spec()), family.get());
  while (reader->kind() == StateRecord::kFamily) {
    const std::string_view spec = reader->Bytes();
    const auto same = std::find_if(known.begin(), known.end(),
                                   [spec](const auto& one) { return one.first == spec; });
    Family* family = nullptr;
    if (same != known.end()) {
      family = same->second;
      known.erase(same);
    }
    const uint64_t metrics = reader->Number();
    if (metrics > kMaxFamilyMetrics) return reader->Fail("it is damaged: a family that is none");
    for (uint64_t i = 0; i < metrics; ++i) {
      const std::string_view name = reader->Bytes();
      if (family == nullptr) restored->left_out.emplace_back(name);
    }
    if (!reader->EndRecord() || !RestoreFamily(family, now_nanos, reader, restored)) return false;
  }
  if (!reader->ok()) return false;
  // What was left out has ended.
  const uint64_t active = shared->limiter.active_series();
  shared->series_created = std::max(created, active);
  shared->series_expired = shared->series_created - active;
  return true;
}

}  // namespace spanmeter
