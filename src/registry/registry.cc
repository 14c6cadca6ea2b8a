#include "spanmeter/registry.h"

#include <algorithm>
#include <bitset>
#include <random>
#include <utility>

#include "spanmeter/key_hash.h"

#include "registry/family.h"

namespace spanmeter {

class Registry::Impl {
 public:
  Impl(const GeneratorOptions& options, const Clock* clock_arg, uint64_t hash_mask_arg)
      : clock(clock_arg), hash_mask(hash_mask_arg), shared(options, clock_arg, RandomSeed()) {}

  const Clock* const clock;
  const uint64_t hash_mask;
  FamilyShared shared;
  std::vector<std::unique_ptr<Family>> families;

 private:
  static uint64_t RandomSeed() {
    std::random_device device;
    return static_cast<uint64_t>(device()) << 32 | device();
  }
};

Registry::Registry(const GeneratorOptions& options, const Clock* clock, uint64_t hash_mask)
    : impl_(std::make_unique<Impl>(options, clock, hash_mask)) {}

Registry::~Registry() = default;

FamilyId Registry::AddFamily(FamilyOptions options) {
  impl_->families.push_back(std::make_unique<Family>(std::move(options), &impl_->shared));
  return static_cast<FamilyId>(impl_->families.size() - 1);
}

void Registry::Apply(UpdateBatch* batch) {
  if (batch->updates_.empty()) return;
  const Instant now = Instant::Now(*impl_->clock);
  std::vector<Update>& updates = batch->updates_;

  // Group the updates by family and shard with a counting sort: one lock for each group.
  constexpr size_t kGroups = kMaxFamilies * Family::kShards;
  const auto group_of = [](const Update& update) {
    return update.family * Family::kShards + Family::ShardOf(update.hash);
  };
  std::array<uint32_t, kGroups + 1> begin = {};
  for (Update& update : updates) {
    update.hash = KeyHash(batch->KeyOf(update), impl_->shared.hash_seed) & impl_->hash_mask;
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
}

void Registry::Expire() {
  const int64_t now = impl_->clock->MonotonicNanos();
  for (const auto& family : impl_->families) family->Expire(now);
}

bool Registry::Visit(SampleSink* sink) {
  if (impl_->shared.options.disable_collection) return true;
  const int64_t now = impl_->clock->MonotonicNanos();
  const VisitScope visit(&impl_->shared.gate);
  for (const auto& family : impl_->families) {
    if (!family->Visit(now, sink)) return false;
  }
  return true;
}

RegistryStats Registry::GetStats() const {
  const int64_t now = impl_->clock->MonotonicNanos();
  const FamilyShared& shared = impl_->shared;
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
  return stats;
}

}  // namespace spanmeter
