// Sends batches, one after the other or several at a time, in a thread.

#ifndef SPANMETER_TESTS_LOADGEN_WORKER_H_
#define SPANMETER_TESTS_LOADGEN_WORKER_H_

#include <atomic>

#include "spanmeter/mutex.h"

#include "loadgen/client.h"

namespace spanmeter::loadgen {

// All but Run() may be called by any thread.
class Worker {
 public:
  Worker() = default;
  virtual ~Worker() = default;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Sends until there is nothing more to send. To be called once.
  void Run() {
    SendAll();
    done_.store(true, std::memory_order_release);
  }
  bool done() const { return done_.load(std::memory_order_acquire); }
  Score score() const {
    const MutexLock lock(&mutex_);
    return score_;
  }

 protected:
  virtual void SendAll() = 0;

  // Lets `count` change the score.
  template <typename Count>
  void Update(Count count) {
    const MutexLock lock(&mutex_);
    count(&score_);
  }

 private:
  std::atomic<bool> done_{false};
  mutable Mutex mutex_;
  Score score_ GUARDED_BY(mutex_);
};

// A refused request is not sent again, but its connection rests for a moment, or a server that is
// down would be asked as fast as the processor allows.
inline constexpr auto kRefusedPause = std::chrono::milliseconds(100);

// Even when nothing is due for long, an end of the run is noticed.
inline constexpr auto kLongestWait = std::chrono::milliseconds(200);

// rejected_spans of an ExportTraceServiceResponse; 0 when there are none.
uint64_t RejectedSpans(const std::string& response);

}  // namespace spanmeter::loadgen

#endif  // SPANMETER_TESTS_LOADGEN_WORKER_H_
