#include "registry/limiter.h"

namespace spanmeter {

Limiter::Limiter(const GeneratorOptions& options)
    : max_series_(options.limiter_type == LimiterType::kSeries ? options.max_active_series : 0),
      max_entities_(options.limiter_type == LimiterType::kEntity ? options.max_active_entities
                                                                 : 0) {}

bool Limiter::Admit(uint64_t series, uint64_t entity) {
  uint64_t active = active_series_.load(std::memory_order_relaxed);
  do {
    if (max_series_ != 0 && active + series > max_series_) return false;
  } while (
      !active_series_.compare_exchange_weak(active, active + series, std::memory_order_relaxed));
  const MutexLock lock(&mutex_);
  const auto known = entities_.find(entity);
  if (known != entities_.end()) {
    ++known->second;
    return true;
  }
  if (max_entities_ != 0 && entities_.size() >= max_entities_) {
    active_series_.fetch_sub(series, std::memory_order_relaxed);
    return false;
  }
  entities_.emplace(entity, 1);
  return true;
}

void Limiter::Release(uint64_t series, uint64_t entity) {
  active_series_.fetch_sub(series, std::memory_order_relaxed);
  const MutexLock lock(&mutex_);
  const auto known = entities_.find(entity);
  if (--known->second == 0) entities_.erase(known);
}

uint64_t Limiter::active_entities() const {
  const MutexLock lock(&mutex_);
  return entities_.size();
}

}  // namespace spanmeter
