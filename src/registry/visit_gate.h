// Keeps what a reader still looks at: series that expire during a visit are freed after it.

#ifndef SPANMETER_REGISTRY_VISIT_GATE_H_
#define SPANMETER_REGISTRY_VISIT_GATE_H_

#include <cstdint>
#include <deque>
#include <set>

#include "spanmeter/mutex.h"

#include "registry/series.h"

namespace spanmeter {

// Thread-safe.
class VisitGate {
 public:
  VisitGate() = default;
  ~VisitGate();
  VisitGate(const VisitGate&) = delete;
  VisitGate& operator=(const VisitGate&) = delete;

  // Begins a visit: no series that can be found from now on is freed before Leave().
  uint64_t Enter();
  void Leave(uint64_t visit);

  // Frees `series`, which must not be found any more, as soon as no visit can hold it.
  void Retire(const SeriesLayout* layout, Series* series);

  // How many series wait for a visit to end or are being freed. None: their layouts are not needed
  // any more, as long as no series is retired meanwhile.
  size_t retired() const;

 private:
  struct Retired {
    uint64_t before;  // visits with a lower number may still hold it
    const SeriesLayout* layout;
    Series* series;
  };

  mutable Mutex mutex_;  // taken while a shard's lock is held, never the other way round
  uint64_t next_visit_ GUARDED_BY(mutex_) = 0;
  std::set<uint64_t> visits_ GUARDED_BY(mutex_);
  std::deque<Retired> retired_ GUARDED_BY(mutex_);  // ascending by `before`
  size_t being_freed_ GUARDED_BY(mutex_) = 0;       // which are in retired_ no longer
};

// Holds a visit open for the length of a scope.
class VisitScope {
 public:
  explicit VisitScope(VisitGate* gate) : gate_(gate), number_(gate->Enter()) {}
  ~VisitScope() { gate_->Leave(number_); }
  VisitScope(const VisitScope&) = delete;
  VisitScope& operator=(const VisitScope&) = delete;

 private:
  VisitGate* const gate_;
  const uint64_t number_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_VISIT_GATE_H_
