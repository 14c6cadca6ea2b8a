#include "registry/family.h"

#include <algorithm>
#include <utility>

#include "spanmeter/key_hash.h"

namespace spanmeter {

namespace {

// So many updates are looked up together: enough to hide the memory's latency behind each other,
// few enough that what was prefetched is still in the first-level cache when it is used.
constexpr size_t kPrefetchGroup = 16;

// So many label sets are looked at, or removed, while a shard is locked for expiry.
constexpr size_t kExpireChunk = 256;

std::vector<MetricInfo> MakeInfos(const FamilyOptions& family) {
  std::vector<MetricInfo> infos;
  for (const FamilyMetric& metric : family.metrics) {
    MetricInfo& info = infos.emplace_back();
    info.name = metric.name;
    info.help = metric.help;
    info.type = metric.type;
    info.bounds = metric.bounds;
    info.classic = metric.classic;
    info.native = metric.native.has_value();
  }
  return infos;
}

std::unique_ptr<const Relabeler> MakeRelabeler(const FamilySpec& spec) {
  if (spec.relabel.empty()) return nullptr;
  std::vector<OptionProblem> problems;  // the configuration was found to have none
  return std::make_unique<Relabeler>(spec.relabel, "", kLabelsOfTheRegistry, &problems);
}

std::unique_ptr<KeyRewriter> MakeRewriter(const FamilySpec& spec, const Relabeler* relabeler,
                                          uint64_t hash_seed) {
  if (relabeler == nullptr) return nullptr;
  std::vector<std::string> external_labels;
  for (const auto& [name, value] : spec.external_labels) external_labels.push_back(name);
  return std::make_unique<KeyRewriter>(relabeler, spec.options.labels, spec.options.own_labels,
                                       std::move(external_labels), spec.max_relabelled_length,
                                       hash_seed);
}

}  // namespace

FamilySpec::FamilySpec(FamilyOptions family, const GeneratorOptions& generator)
    : options(std::move(family)), relabel(generator.relabel) {
  for (const auto& [name, value] : generator.external_labels) {
    if (!value.empty()) external_labels.emplace(name, value);
  }
  if (!relabel.empty()) max_relabelled_length = generator.max_label_value_length;
}

Family::Family(FamilySpec spec, FamilyShared* shared)
    : spec_(std::move(spec)),
      options_(spec_.options),
      layout_(&options_.metrics, shared->clock),
      labels_(options_.labels, options_.own_labels || !spec_.relabel.empty(),
              spec_.external_labels),
      infos_(std::make_shared<const std::vector<MetricInfo>>(MakeInfos(options_))),
      relabeler_(MakeRelabeler(spec_)),
      rewriter_(MakeRewriter(spec_, relabeler_.get(), shared->hash_seed)),
      series_per_label_set_(
          layout_.SeriesOf(static_cast<uint8_t>((1u << options_.metrics.size()) - 1))),
      labels_are_limited_(!options_.is_info()),
      shared_(shared),
      overflow_demand_(shared->stale_nanos) {}

Family::~Family() {
  for (Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    for (Series* series : shard.series) {
      if (series != nullptr) layout_.Delete(series);
    }
  }
  const MutexLock lock(&overflow_mutex_);
  if (overflow_ != nullptr) layout_.Delete(overflow_);
}

void Family::ApplyHits(size_t shard, std::span<const uint32_t> indices, const UpdateBatch& batch,
                       Instant now, std::vector<uint32_t>* missed) {
  const MutexLock lock(&shards_[shard].mutex);
  ApplyHitsLocked(&shards_[shard], indices, batch, now, missed);
}

bool Family::TryApplyHits(size_t shard, std::span<const uint32_t> indices, const UpdateBatch& batch,
                          Instant now, std::vector<uint32_t>* missed) {
  Shard& tried = shards_[shard];
  if (!tried.mutex.TryLock()) return false;
  const MutexLock lock(&tried.mutex, std::adopt_lock);
  ApplyHitsLocked(&tried, indices, batch, now, missed);
  return true;
}

void Family::ApplyHitsLocked(Shard* shard, std::span<const uint32_t> indices,
                             const UpdateBatch& batch, Instant now, std::vector<uint32_t>* missed) {
  const std::vector<Update>& updates = batch.updates();
  // Read anew under the lock: an exemplar must not look older than a visit that passed before it.
  now.wall_ms = shared_->clock->WallNanos() / kNanosPerMilli;
  const int64_t stale_nanos = shared_->stale_nanos.load(std::memory_order_relaxed);
  Series* found[kPrefetchGroup];
  // Series with an update that has to wait for its turn; their later updates wait behind it.
  std::vector<const Series*> waiting;
  while (!indices.empty()) {
    const size_t n = std::min(indices.size(), kPrefetchGroup);
    for (size_t i = 0; i < n; ++i) shard->table.PrefetchSlot(updates[indices[i]].hash);
    for (size_t i = 0; i < n; ++i) shard->table.PrefetchSeries(updates[indices[i]].hash);
    for (size_t i = 0; i < n; ++i) {
      const Update& update = updates[indices[i]];
      Series* const series = shard->table.Find(update.hash, batch.KeyOf(update));
      found[i] = nullptr;
      if (series == nullptr || series->StaleAt(now.monotonic_nanos, stale_nanos)) [[unlikely]] {
        missed->push_back(indices[i]);
        continue;
      }
      if ((update.metrics & ~series->present()) != 0 || !waiting.empty()) [[unlikely]] {
        // A metric that joins takes part in the limits, so it is a birth.
        const bool joins = (update.metrics & ~series->present()) != 0;
        if (joins || std::find(waiting.begin(), waiting.end(), series) != waiting.end()) {
          if (joins) waiting.push_back(series);
          missed->push_back(indices[i]);
          continue;
        }
      }
      found[i] = series;
      layout_.Apply(update, now.monotonic_nanos, series);
      layout_.PrefetchExemplars(*series);
    }
    for (size_t i = 0; i < n; ++i) {
      const Update& update = updates[indices[i]];
      if (found[i] == nullptr || update.trace_id == nullptr) continue;
      layout_.ApplyExemplars(update, now.wall_ms, found[i]);
    }
    indices = indices.subspan(n);
  }
}

void Family::ApplyMiss(const Update& update, std::string_view key, Instant now) {
  if (labels_are_limited_ && shared_->label_limiter.enabled()) {
    // What lives has a place for its values, so only others have to ask.
    if (ApplyToSeries(update, key, now, /*create=*/false)) return;
    if (const std::optional<std::string> folded = FoldLabels(key, now)) {
      NoteRefused(key, now);
      Update moved = update;
      moved.hash = shared_->HashOf(*folded);
      if (ApplyToSeries(moved, *folded, now, /*create=*/true)) return;
      shared_->updates_limited.fetch_add(1, std::memory_order_relaxed);
      return ApplyOverflow(update, now);
    }
  }
  if (ApplyToSeries(update, key, now, /*create=*/true)) return;
  shared_->updates_limited.fetch_add(1, std::memory_order_relaxed);
  NoteRefused(key, now);
  ApplyOverflow(update, now);
}

bool Family::ApplyToSeries(const Update& update, std::string_view key, Instant now, bool create) {
  Shard& shard = shards_[ShardOf(update.hash)];
  const MutexLock lock(&shard.mutex);
  if (shard.ended) return true;  // nowhere to be seen any more
  Series* series = LiveSeriesLocked(&shard, update, key, now);
  if (series != nullptr) {
    // Another request, or an earlier update of this one, created it in the meantime.
    now.wall_ms = shared_->clock->WallNanos() / kNanosPerMilli;
    const uint32_t joined = layout_.Apply(update, now.monotonic_nanos, series);
    if (joined != 0) {
      shared_->limiter.Join(joined);
      CountCreated(joined);
    }
  } else if (create) {
    // Read anew: were the request as old as its first reading, a series could be born with the
    // birth time of one that has expired meanwhile, and look like it stepping back.
    now = Instant::Now(*shared_->clock);
    series = NewSeriesLocked(&shard, update, key, now);
    if (series != nullptr) CountCreated(layout_.Apply(update, now.monotonic_nanos, series));
  }
  if (series == nullptr) return false;
  if (update.trace_id != nullptr) layout_.ApplyExemplars(update, now.wall_ms, series);
  return true;
}

Series* Family::LiveSeriesLocked(Shard* shard, const Update& update, std::string_view key,
                                 Instant now) {
  Series* const series = shard->table.Find(update.hash, key);
  if (series == nullptr || !StaleAt(*series, now.monotonic_nanos)) return series;
  RemoveLocked(shard, series);
  return nullptr;
}

std::optional<std::string> Family::FoldLabels(std::string_view key, Instant now) {
  DecodedKey decoded;
  labels_.Decode(key, &decoded);
  std::vector<bool> refused;
  if (!shared_->label_limiter.Refuses(decoded.labels, now.monotonic_nanos, &refused)) {
    return std::nullopt;
  }
  return labels_.Fold(decoded, key, refused);
}

void Family::NoteRefused(std::string_view key, Instant now) {
  const MutexLock lock(&overflow_mutex_);
  overflow_demand_.Add(KeyHash(key, kDemandSeed), now.monotonic_nanos);
}

void Family::ApplyOverflow(const Update& update, Instant now) {
  Update sum = update;
  for (size_t i = 0; i < options_.metrics.size(); ++i) {
    if (options_.metrics[i].info) sum.metrics &= static_cast<uint8_t>(~(1U << i));
  }
  if (sum.metrics == 0) return;
  const MutexLock lock(&overflow_mutex_);
  if (overflow_ended_) return;
  if (overflow_ != nullptr && StaleAt(*overflow_, now.monotonic_nanos)) {
    Retire(overflow_);
    overflow_ = nullptr;
  }
  if (overflow_ == nullptr) {
    now = Instant::Now(*shared_->clock);
    overflow_ = layout_.New(0, "", labels_.RenderOverflow(), now.wall_ms);
  }
  layout_.Apply(sum, now.monotonic_nanos, overflow_);
  if (sum.trace_id != nullptr) layout_.ApplyExemplars(sum, now.wall_ms, overflow_);
}

Series* Family::NewSeriesLocked(Shard* shard, const Update& update, std::string_view key,
                                Instant now) {
  const uint32_t count = layout_.SeriesOf(update.metrics);
  // Rendering is most of a refusal's cost, and under a flood of new label sets refusals are what
  // happens all the time: leave it out where the outcome is certain.
  if (key.size() > kMaxKeyBytes || shared_->limiter.SeriesFull(count)) return nullptr;
  const std::string labels = labels_.Render(key);
  if (!shared_->limiter.Admit(count, KeyHash(labels, shared_->hash_seed))) return nullptr;

  Series* const series = layout_.New(update.hash, key, labels, now.wall_ms);
  InsertLocked(shard, series, now.monotonic_nanos);
  return series;
}

void Family::InsertLocked(Shard* shard, Series* series, int64_t last_update_nanos) {
  if (labels_are_limited_ && shared_->label_limiter.enabled()) {
    DecodedKey decoded;
    labels_.Decode(series->key(), &decoded);
    shared_->label_limiter.Hold(decoded.labels, last_update_nanos);
    series->holds_labels = true;
  }
  if (shard->free_indices.empty()) {
    series->index = static_cast<uint32_t>(shard->series.size());
    shard->series.push_back(series);
  } else {
    series->index = shard->free_indices.back();
    shard->free_indices.pop_back();
    shard->series[series->index] = series;
  }
  shard->table.Insert(series);
}

void Family::RemoveLocked(Shard* shard, Series* series) {
  shard->table.Erase(series);
  shard->series[series->index] = nullptr;
  shard->free_indices.push_back(series->index);
  const uint32_t count = layout_.SeriesOf(series->present());
  shared_->limiter.Release(count, KeyHash(series->labels(), shared_->hash_seed));
  if (series->holds_labels) {
    DecodedKey decoded;
    labels_.Decode(series->key(), &decoded);
    shared_->label_limiter.Release(decoded.labels, series->last_update_nanos());
  }
  shared_->series_expired.fetch_add(count, std::memory_order_relaxed);
  Retire(series);
}

void Family::Retire(Series* series) {
  if (shared_->ended_series.kept()) {
    shared_->ended_series.Add(
        {infos_, series->present(), series->birth_ms(), std::string(series->labels())});
  }
  shared_->gate.Retire(&layout_, series);
}

// Calls `visit` for each series, under its shard's lock, which is given up now and then.
void Family::ForEachSeries(const std::function<void(Shard*, Series*)>& visit) {
  for (Shard& shard : shards_) {
    for (size_t begin = 0;; begin += kExpireChunk) {
      const MutexLock lock(&shard.mutex);
      const size_t size = shard.series.size();
      if (begin >= size) {
        // Give back the tail that nobody uses any more; what is in the middle is reused.
        if (shard.free_indices.size() == size) {
          shard.series.clear();
          shard.series.shrink_to_fit();
          shard.free_indices.clear();
          shard.free_indices.shrink_to_fit();
        }
        break;
      }
      for (size_t i = begin; i < std::min(begin + kExpireChunk, size); ++i) {
        constexpr size_t kAhead = 8;
        if (i + kAhead < size) __builtin_prefetch(shard.series[i + kAhead]);
        Series* const series = shard.series[i];
        if (series != nullptr) visit(&shard, series);
      }
    }
  }
}

void Family::Expire(int64_t now_nanos) {
  ForEachSeries([&](Shard* shard, Series* series) REQUIRES_LOCK(shard->mutex) {
    if (StaleAt(*series, now_nanos)) RemoveLocked(shard, series);
  });
  const MutexLock lock(&overflow_mutex_);
  if (overflow_ != nullptr && StaleAt(*overflow_, now_nanos)) {
    Retire(overflow_);
    overflow_ = nullptr;
  }
}

void Family::End() {
  for (Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    shard.ended = true;
  }
  ForEachSeries([&](Shard* shard, Series* series)
                    REQUIRES_LOCK(shard->mutex) { RemoveLocked(shard, series); });
  const MutexLock lock(&overflow_mutex_);
  overflow_ended_ = true;
  if (overflow_ == nullptr) return;
  Retire(overflow_);
  overflow_ = nullptr;
}

void Family::HoldLabels() {
  if (!labels_are_limited_) return;
  ForEachSeries([&](Shard* /*shard*/, Series* series) {
    if (series->holds_labels) return;
    DecodedKey decoded;
    labels_.Decode(series->key(), &decoded);
    shared_->label_limiter.Hold(decoded.labels, series->last_update_nanos());
    series->holds_labels = true;
  });
}

void Family::ResetDemand(int64_t stale_nanos) {
  const MutexLock lock(&overflow_mutex_);
  overflow_demand_ = DemandSketch(stale_nanos);
}

uint64_t Family::OverflowEstimate(int64_t now_nanos) const {
  const MutexLock lock(&overflow_mutex_);
  return overflow_demand_.Estimate(now_nanos);
}

void Family::CountCreated(uint64_t series) {
  shared_->series_created.fetch_add(series, std::memory_order_relaxed);
}

}  // namespace spanmeter
