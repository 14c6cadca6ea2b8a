#include "registry/limiter.h"

namespace spanmeter {

void Limiter::SetLimits(const GeneratorOptions& options) {
  const bool by_series = options.limiter_type == LimiterType::kSeries;
  max_series_ = by_series ? options.max_active_series : 0;
  max_entities_ = by_series ? 0 : options.max_active_entities;
}

bool Limiter::Admit(uint64_t series, uint64_t entity) {
  const uint64_t max_series = max_series_.load(std::memory_order_relaxed);
  const uint64_t max_entities = max_entities_.load(std::memory_order_relaxed);
  uint64_t active = active_series_.load(std::memory_order_relaxed);
  do {
    if (max_series != 0 && active + series > max_series) return false;
  } while (
      !active_series_.compare_exchange_weak(active, active + series, std::memory_order_relaxed));
  const MutexLock lock(&mutex_);
  const auto known = entities_.find(entity);
  if (known != entities_.end()) {
    ++known->second;
    return true;
  }
  if (max_entities != 0 && entities_.size() >= max_entities) {
    active_series_.fetch_sub(series, std::memory_order_relaxed);
    return false;
  }
  entities_.emplace(entity, 1);
  return true;
}

void Limiter::Readmit(uint64_t series, uint64_t entity) {
  active_series_.fetch_add(series, std::memory_order_relaxed);
  const MutexLock lock(&mutex_);
  ++entities_[entity];
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
