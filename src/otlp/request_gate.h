// Lets requests in until it is closed, and knows when the last of them has been answered.

#ifndef SPANMETER_OTLP_REQUEST_GATE_H_
#define SPANMETER_OTLP_REQUEST_GATE_H_

#include <chrono>
#include <cstdint>
#include <semaphore>

#include "spanmeter/mutex.h"

namespace spanmeter {

// Thread-safe.
class RequestGate {
 public:
  // Lets a request in; false once the gate is closed.
  bool Enter() {
    const MutexLock lock(&mutex_);
    if (closed_) return false;
    ++inside_;
    return true;
  }

  // A request that was let in has been answered.
  void Leave() {
    const MutexLock lock(&mutex_);
    --inside_;
    if (closed_ && inside_ == 0) empty_.release();
  }

  // Lets nobody in from now on. To be called once.
  void Close() {
    const MutexLock lock(&mutex_);
    closed_ = true;
    if (inside_ == 0) empty_.release();
  }

  // Waits until everybody has left, but no longer than that; says whether they have. To be called
  // once, after Close().
  bool WaitUntilEmpty(std::chrono::nanoseconds at_most) { return empty_.try_acquire_for(at_most); }

 private:
  Mutex mutex_;
  bool closed_ GUARDED_BY(mutex_) = false;
  uint64_t inside_ GUARDED_BY(mutex_) = 0;
  std::binary_semaphore empty_{0};
};

}  // namespace spanmeter

#endif  // SPANMETER_OTLP_REQUEST_GATE_H_
