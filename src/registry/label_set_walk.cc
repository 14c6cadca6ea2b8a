#include "spanmeter/label_set_walk.h"

#include <algorithm>
#include <thread>

#include "registry/label_set_walker.h"
#include "registry/native_buckets.h"

namespace spanmeter {

namespace {

// So many label sets are copied while a shard is locked.
constexpr size_t kWalkChunk = 64;
constexpr size_t kPrefetchAhead = 4;

}  // namespace

LabelSetWalker::LabelSetWalker(std::span<const std::shared_ptr<Family>> families, int64_t now_nanos,
                               WalkScope scope, LabelSetVisitor* visitor)
    : families_(families), now_nanos_(now_nanos), scope_(scope), visitor_(*visitor) {}

bool LabelSetWalker::Walk() {
  std::vector<WalkedFamily> walked(families_.size());
  bool complete = true;
  for (size_t i = 0; complete && i < families_.size(); ++i) {
    const Family& family = *families_[i];
    walked[i].metrics = *family.infos_;
    for (size_t m = 0; m < family.layout_.metrics.size(); ++m) {
      walked[i].series[m] = family.layout_.metrics[m].series;
    }
    if (visitor_.BeginFamily(walked[i])) complete = WalkFamily(i);
  }
  visitor_.Finish(this);
  return complete;
}

bool LabelSetWalker::WalkFamily(size_t index) {
  Family& family = *families_[index];
  if (scope_ == WalkScope::kAll) {
    for (Family::Shard& shard : family.shards_) {
      if (!WalkShard(index, &shard)) return false;
    }
  }
  chunk_.clear();
  {
    const MutexLock lock(&family.overflow_mutex_);
    if (family.overflow_ != nullptr) Note(index, *family.overflow_, /*is_overflow=*/true);
  }
  return PresentChunk();
}

bool LabelSetWalker::WalkShard(size_t index, Family::Shard* shard) {
  for (size_t next = 0;;) {
    chunk_.clear();
    bool more = false;
    {
      const MutexLock lock(&shard->mutex);
      for (; next < shard->series.size() && chunk_.size() < kWalkChunk; ++next) {
        if (next + kPrefetchAhead < shard->series.size()) {
          __builtin_prefetch(shard->series[next + kPrefetchAhead]);
        }
        if (shard->series[next] != nullptr) Note(index, *shard->series[next], false);
      }
      more = next < shard->series.size();
    }
    if (!PresentChunk()) return false;
    if (!more) return true;
    // Whoever counts spans goes first.
    std::this_thread::yield();
  }
}

void LabelSetWalker::Note(size_t index, const Series& series, bool is_overflow) {
  if (families_[index]->StaleAt(series, now_nanos_)) return;
  WalkedLabelSet& noted = chunk_.emplace_back();
  noted.labels = series.labels();
  noted.born_ms = series.birth_ms();
  noted.last_update_nanos = series.last_update_nanos();
  noted.present = series.present();
  noted.is_overflow = is_overflow;
  noted.family = index;
  noted.series = &series;
}

bool LabelSetWalker::PresentChunk() {
  return std::all_of(chunk_.begin(), chunk_.end(), [this](const WalkedLabelSet& label_set) {
    return visitor_.LabelSet(label_set, this);
  });
}

void LabelSetWalker::Read(const WalkedLabelSet& label_set, LabelSetValues* values) {
  Family& family = *families_[label_set.family];
  const Series& series = *static_cast<const Series*>(label_set.series);
  const SeriesLayout& layout = family.layout_;
  values->metrics.resize(layout.metrics.size());
  const MutexLock lock(label_set.is_overflow
                           ? &family.overflow_mutex_
                           : &family.shards_[Family::ShardOf(series.hash())].mutex);
  for (size_t i = 0; i < layout.metrics.size(); ++i) {
    const SeriesLayout::Metric& metric = layout.metrics[i];
    LabelSetValues::Metric& value = values->metrics[i];
    value.present = (series.present() >> i & 1) != 0;
    if (!value.present) continue;
    value.value = layout.Value(series, i);
    value.created_ms = layout.CreatedMs(series, i);
    value.counts.resize(metric.ClassicBuckets());
    if (metric.IsClassic()) layout.CopyCounts(series, i, value.counts.data());
    value.native = metric.native != nullptr;
    if (!value.native) continue;
    const NativeHistogram& native = layout.Native(series, i);
    value.schema = native.schema();
    value.zero_threshold = kNativeZeroThreshold;
    value.zero_count = native.zero_count();
    value.buckets.resize(native.size());
    native.CopyBuckets(value.buckets.data());
  }
}

}  // namespace spanmeter
