#include "registry/visit_gate.h"

namespace spanmeter {

VisitGate::~VisitGate() {
  for (const Retired& r : retired_) r.layout->Delete(r.series);
}

uint64_t VisitGate::Enter() {
  const MutexLock lock(&mutex_);
  visits_.insert(next_visit_);
  return next_visit_++;
}

void VisitGate::Leave(uint64_t visit) {
  std::deque<Retired> free;
  {
    const MutexLock lock(&mutex_);
    visits_.erase(visit);
    const uint64_t oldest = visits_.empty() ? next_visit_ : *visits_.begin();
    while (!retired_.empty() && retired_.front().before <= oldest) {
      free.push_back(retired_.front());
      retired_.pop_front();
    }
    being_freed_ += free.size();
  }
  // Outside of the lock: a shard may be waiting for it.
  for (const Retired& r : free) r.layout->Delete(r.series);
  if (free.empty()) return;
  const MutexLock lock(&mutex_);
  being_freed_ -= free.size();
}

void VisitGate::Retire(const SeriesLayout* layout, Series* series) {
  {
    const MutexLock lock(&mutex_);
    if (!visits_.empty()) {
      retired_.push_back({next_visit_, layout, series});
      return;
    }
  }
  layout->Delete(series);
}

size_t VisitGate::retired() const {
  const MutexLock lock(&mutex_);
  return retired_.size() + being_freed_;
}

}  // namespace spanmeter
