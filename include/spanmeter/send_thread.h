// What those who empty a queue share: the thread, the pauses after failures, how it went last.

#ifndef SPANMETER_SEND_THREAD_H_
#define SPANMETER_SEND_THREAD_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <thread>

#include "spanmeter/clock.h"
#include "spanmeter/mutex.h"

namespace spanmeter {

// How long to leave a receiver alone after failures in a row. Used by one thread.
class Backoff {
 public:
  // The pause after the first failure, which doubles up to `max_nanos`.
  Backoff(int64_t min_nanos, int64_t max_nanos)
      : min_nanos_(min_nanos), max_nanos_(max_nanos), random_(std::random_device()()) {}

  // From half to all of what `failures` in a row ask for, by chance.
  int64_t Nanos(uint32_t failures) {
    constexpr uint32_t kMaxDoublings = 30;
    int64_t backoff = min_nanos_;
    for (uint32_t i = 1; i < std::min(failures, kMaxDoublings) && backoff < max_nanos_; ++i) {
      backoff *= 2;
    }
    backoff = std::min(backoff, max_nanos_);
    return std::uniform_int_distribution<int64_t>(backoff / 2, backoff)(random_);
  }

 private:
  const int64_t min_nanos_;
  const int64_t max_nanos_;
  std::minstd_rand random_;
};

// How sending went last. Thread-safe.
class SendOutcome {
 public:
  // `clock` must outlive this.
  explicit SendOutcome(const Clock* clock) : clock_(clock) {}

  void NoteSuccess() { last_success_ms_ = NowMs(); }
  void NoteError(const std::string& error) {
    const MutexLock lock(&mutex_);
    last_error_ = error;
    last_error_ms_ = NowMs();
  }
  // Fills the fields last_error (empty: none yet), last_error_ms and last_success_ms (since the
  // Unix epoch; 0: never) of a status.
  template <typename Status>
  void Describe(Status* status) const {
    status->last_success_ms = last_success_ms_;
    const MutexLock lock(&mutex_);
    status->last_error = last_error_;
    status->last_error_ms = last_error_ms_;
  }

 private:
  int64_t NowMs() const { return clock_->WallNanos() / kNanosPerMilli; }

  const Clock* const clock_;
  mutable Mutex mutex_;
  std::string last_error_ GUARDED_BY(mutex_);
  int64_t last_error_ms_ GUARDED_BY(mutex_) = 0;
  std::atomic<int64_t> last_success_ms_{0};
};

// The thread around a Loop, which has Step(), Hurry(), Done(), Cancel() and client()->Wake(), and
// is the thread's own. Thread-safe but for the constructor, Stop() and the destructor.
template <typename Loop>
class SendThread {
 public:
  // Begins to send. `loop` and `clock` must outlive this.
  SendThread(Loop* loop, const Clock* clock)
      : loop_(loop), clock_(clock), thread_([this] { Run(); }) {}
  // Stops at once.
  ~SendThread() {
    if (deadline_nanos_ == kNoDeadline) BeginStop(0);
    Stop();
  }
  SendThread(const SendThread&) = delete;
  SendThread& operator=(const SendThread&) = delete;

  // There is something new in the queue.
  void Wake() { loop_->client()->Wake(); }
  // Begins to end: sends what is in the queue, retries included, at most until `deadline_nanos`
  // (monotonic clock).
  void BeginStop(int64_t deadline_nanos) {
    deadline_nanos_ = deadline_nanos;
    Wake();
  }
  // Waits for the end. REQUIRES: BeginStop() was called.
  void Stop() {
    if (thread_.joinable()) thread_.join();
  }

 private:
  static constexpr int64_t kNoDeadline = -1;

  void Run() {
    for (;;) {
      const int64_t deadline_nanos = deadline_nanos_;
      if (deadline_nanos != kNoDeadline) {
        loop_->Hurry(deadline_nanos);
        if (loop_->Done() || clock_->MonotonicNanos() >= deadline_nanos) break;
      }
      loop_->Step();
    }
    loop_->Cancel();
  }

  Loop* const loop_;
  const Clock* const clock_;
  std::atomic<int64_t> deadline_nanos_{kNoDeadline};
  std::thread thread_;
};

}  // namespace spanmeter

#endif  // SPANMETER_SEND_THREAD_H_
