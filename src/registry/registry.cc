#include "spanmeter/registry.h"

#include <algorithm>
#include <bitset>
#include <cstdint>
#include <deque>
#include <random>
#include <set>
#include <string>
#include <utility>

#include "spanmeter/key_hash.h"
#include "spanmeter/state_stream.h"

#include "registry/family.h"
#include "registry/family_reader.h"
#include "registry/family_state.h"
#include "registry/label_set_walker.h"

namespace spanmeter {

class Registry::Impl {
 public:
  Impl(const GeneratorOptions& o, const Clock* clock, uint64_t hash_mask)
      : options(o), shared(std::make_shared<FamilyShared>(o, clock, RandomSeed(), hash_mask)) {}
  Impl(const GeneratorOptions& o, const Impl& previous)
      : options(o), shared(previous.shared), others(previous.families) {}

  const GeneratorOptions options;
  const std::shared_ptr<FamilyShared> shared;
  std::vector<std::shared_ptr<Family>> families;
  // Of the previous registry, those that were not taken over (yet).
  std::vector<std::shared_ptr<Family>> others;

 private:
  static uint64_t RandomSeed() {
    std::random_device device;
    return static_cast<uint64_t>(device()) << 32 | device();
  }
};

Registry::Registry(const GeneratorOptions& options, const Clock* clock, uint64_t hash_mask)
    : impl_(std::make_unique<Impl>(options, clock, hash_mask)) {}

Registry::Registry(const GeneratorOptions& options, Registry* previous)
    : impl_(std::make_unique<Impl>(options, *previous->impl_)) {
  FamilyShared& shared = *impl_->shared;
  const bool labels_were_limited = shared.label_limiter.enabled();
  const int64_t stale_nanos = shared.stale_nanos;
  shared.SetLimits(options);
  for (const auto& family : impl_->others) {
    if (!labels_were_limited && shared.label_limiter.enabled()) family->HoldLabels();
    if (stale_nanos != options.stale_duration) family->ResetDemand(options.stale_duration);
  }
}

Registry::~Registry() = default;

FamilyId Registry::AddFamily(FamilyOptions options) {
  FamilySpec spec(std::move(options), impl_->options);
  const auto same = std::find_if(impl_->others.begin(), impl_->others.end(),
                                 [&spec](const auto& family) { return family->spec() == spec; });
  if (same != impl_->others.end()) {
    impl_->families.push_back(std::move(*same));
    impl_->others.erase(same);
  } else {
    impl_->families.push_back(std::make_shared<Family>(std::move(spec), impl_->shared.get()));
  }
  return static_cast<FamilyId>(impl_->families.size() - 1);
}

std::vector<std::string> Registry::EndOtherFamilies() {
  std::vector<std::string> names;
  for (auto& family : impl_->others) {
    family->End();
    for (const FamilyMetric& metric : family->spec().options.metrics) names.push_back(metric.name);
    const MutexLock lock(&impl_->shared->mutex);
    impl_->shared->ended.push_back(std::move(family));
  }
  impl_->others.clear();
  return names;
}

// Replaces the keys by those that the rules make of them, and leaves out what they drop.
void Registry::Relabel(UpdateBatch* batch, ApplyResult* result) {
  std::string& relabelled = batch->relabelled_;
  relabelled.clear();
  for (Update& update : batch->updates_) {
    const size_t begin = relabelled.size();
    if (impl_->families[update.family]->Relabel(batch->KeyOf(update), &relabelled)) {
      update.key_begin = static_cast<uint32_t>(begin);
      update.key_size = static_cast<uint32_t>(relabelled.size() - begin);
    } else {
      ++result->dropped[update.family];
      update.metrics = 0;
    }
  }
  batch->keys_.swap(relabelled);
  std::erase_if(batch->updates_, [](const Update& update) { return update.metrics == 0; });
}

ApplyResult Registry::Apply(UpdateBatch* batch) {
  ApplyResult result;
  if (batch->updates_.empty()) return result;
  if (!impl_->options.relabel.empty()) {
    Relabel(batch, &result);
    if (batch->updates_.empty()) return result;
  }
  const Instant now = Instant::Now(*impl_->shared->clock);
  std::vector<Update>& updates = batch->updates_;

  // Group the updates by family and shard with a counting sort: one lock for each group.
  constexpr size_t kGroups = kMaxFamilies * Family::kShards;
  const auto group_of = [](const Update& update) {
    return update.family * Family::kShards + Family::ShardOf(update.hash);
  };
  std::array<uint32_t, kGroups + 1> begin = {};
  for (Update& update : updates) {
    update.hash = impl_->shared->HashOf(batch->KeyOf(update));
    ++begin[group_of(update) + 1];
  }
  for (size_t i = 1; i <= kGroups; ++i) begin[i] += begin[i - 1];
  batch->grouped_.resize(updates.size());
  {
    std::array<uint32_t, kGroups> next;
    std::copy_n(begin.begin(), kGroups, next.begin());
    for (uint32_t i = 0; i < updates.size(); ++i) {
      batch->grouped_[next[group_of(updates[i])]++] = i;
    }
  }

  // Fast path: the series exist. Requests begin at different shards, and pass over those at which
  // another one is, to come back to them: waiting would cost more than the work itself.
  batch->missed_.clear();
  const size_t first_shard = updates.front().hash % Family::kShards;
  std::bitset<kGroups> busy;
  for (size_t family = 0; family < impl_->families.size(); ++family) {
    for (size_t i = 0; i < Family::kShards; ++i) {
      const size_t shard = (first_shard + i) % Family::kShards;
      const size_t group = family * Family::kShards + shard;
      if (begin[group] == begin[group + 1]) continue;
      const auto indices =
          std::span(batch->grouped_).subspan(begin[group], begin[group + 1] - begin[group]);
      busy[group] =
          !impl_->families[family]->TryApplyHits(shard, indices, *batch, now, &batch->missed_);
    }
  }
  for (size_t group = 0; busy.any() && group < kGroups; ++group) {
    if (!busy[group]) continue;
    const auto indices =
        std::span(batch->grouped_).subspan(begin[group], begin[group + 1] - begin[group]);
    impl_->families[group / Family::kShards]->ApplyHits(group % Family::kShards, indices, *batch,
                                                        now, &batch->missed_);
    busy[group] = false;
  }

  // Slow path: births and refusals, in the order of the spans, so that which label sets fit a limit
  // does not depend on hashes.
  std::sort(batch->missed_.begin(), batch->missed_.end());
  for (const uint32_t i : batch->missed_) {
    impl_->families[updates[i].family]->ApplyMiss(updates[i], batch->KeyOf(updates[i]), now);
  }
  return result;
}

void Registry::Expire() {
  FamilyShared& shared = *impl_->shared;
  const int64_t now = shared.clock->MonotonicNanos();
  for (const auto& family : impl_->families) family->Expire(now);
  shared.label_limiter.Expire(now);
  const MutexLock lock(&shared.mutex);
  if (shared.gate.retired() == 0) shared.ended.clear();
}

bool Registry::Visit(SampleSink* sink) {
  // Not owned.
  const std::shared_ptr<Registry> self(std::shared_ptr<Registry>(), this);
  return VisitRegistries({&self, 1}, sink);
}

namespace {

using Readers = std::vector<std::unique_ptr<FamilyReader>>;

using Names = std::vector<std::string>;

// Whether a name that is not in `order` yet stands before `name` in `names`.
bool Waits(const std::string& name, const Names& names, const Names& order) {
  const auto end = std::find(names.begin(), names.end(), name);
  return end != names.end() && std::any_of(names.begin(), end, [&order](const std::string& before) {
           return std::find(order.begin(), order.end(), before) == order.end();
         });
}

// The names of all metrics, such that each stands behind those that stand before it in a family.
// Families of different tenants have parts of one order, so there is such a list.
Names OrderOfMetrics(const Readers& readers) {
  std::set<Names> families;  // few, however many tenants there are
  for (const auto& reader : readers) {
    Names names;
    for (const FamilyMetric& metric : reader->metrics()) names.push_back(metric.name);
    families.insert(std::move(names));
  }
  Names order;
  for (size_t before = SIZE_MAX; before != order.size();) {
    before = order.size();
    for (const Names& family : families) {
      for (const std::string& name : family) {
        if (std::find(order.begin(), order.end(), name) != order.end()) continue;
        const bool waits = std::any_of(families.begin(), families.end(), [&](const Names& other) {
          return Waits(name, other, order);
        });
        if (waits) break;
        order.push_back(name);
      }
    }
  }
  return order;
}

bool PresentMetric(const std::string& name, const Readers& readers) {
  for (const auto& reader : readers) {
    for (size_t i = 0; i < reader->metrics().size(); ++i) {
      if (reader->metrics()[i].name == name && !reader->Present(i)) return false;
    }
  }
  return true;
}

}  // namespace

bool VisitRegistries(std::span<const std::shared_ptr<Registry>> registries, SampleSink* sink) {
  std::deque<VisitScope> visits;
  MetricAnnouncer announcer(sink);
  Readers readers;
  for (const auto& registry : registries) {
    const Registry::Impl& impl = *registry->impl_;
    if (impl.options.disable_collection) continue;
    visits.emplace_back(&impl.shared->gate);
    const int64_t now = impl.shared->clock->MonotonicNanos();
    for (const auto& family : impl.families) {
      readers.push_back(std::make_unique<FamilyReader>(
          family.get(), now, &impl.options.trace_id_label_name, &announcer));
    }
  }
  for (const std::string& name : OrderOfMetrics(readers)) {
    if (!PresentMetric(name, readers)) return false;
  }
  return true;
}

void Registry::KeepEnded(bool keep) { impl_->shared->ended_series.Keep(keep); }

bool Registry::HasEnded() const { return !impl_->shared->ended_series.empty(); }

bool Registry::VisitEnded(SampleSink* sink) {
  const std::vector<EndedSeries::LabelSet> label_sets = impl_->shared->ended_series.Take();
  std::set<EndedSeries::Metrics> families;
  for (const auto& label_set : label_sets) families.insert(label_set.metrics);
  for (const EndedSeries::Metrics& metrics : families) {
    for (size_t i = 0; i < metrics->size(); ++i) {
      if (!sink->BeginMetric((*metrics)[i])) return false;
      for (const auto& label_set : label_sets) {
        const bool present = label_set.metrics == metrics && (label_set.present >> i & 1) != 0;
        if (present && !sink->Ended(label_set.labels, label_set.born_ms)) return false;
      }
    }
  }
  return true;
}

bool Registry::Walk(WalkScope scope, LabelSetVisitor* visitor) {
  FamilyShared& shared = *impl_->shared;
  const VisitScope visit(&shared.gate);
  return LabelSetWalker(impl_->families, shared.clock->MonotonicNanos(), scope, visitor).Walk();
}

RegistryStats Registry::GetStats() const {
  const FamilyShared& shared = *impl_->shared;
  const int64_t now = shared.clock->MonotonicNanos();
  RegistryStats stats;
  stats.active_series = shared.limiter.active_series();
  stats.active_entities = shared.limiter.active_entities();
  stats.series_created = shared.series_created.load(std::memory_order_relaxed);
  stats.series_expired = shared.series_expired.load(std::memory_order_relaxed);
  stats.updates_limited = shared.updates_limited.load(std::memory_order_relaxed);
  stats.series_demand = stats.active_series;
  stats.entity_demand = stats.active_entities;
  for (const auto& family : impl_->families) {
    const uint64_t refused = family->OverflowEstimate(now);
    stats.series_demand += refused * family->series_per_label_set();
    stats.entity_demand += refused;
  }
  if (shared.label_limiter.enabled()) stats.labels = shared.label_limiter.GetStats(now);
  return stats;
}

void Registry::Save(StateWriter* writer) const {
  SaveRegistry(impl_->families, impl_->shared.get(), writer);
}

bool Registry::Restore(StateReader* reader, RestoredState* restored) {
  return RestoreRegistry(impl_->families, impl_->shared.get(), reader, restored);
}

}  // namespace spanmeter
