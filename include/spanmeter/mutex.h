// std::mutex with the annotations that let clang check which fields a lock protects
// (https://clang.llvm.org/docs/ThreadSafetyAnalysis.html). Other compilers see plain classes.

#ifndef SPANMETER_MUTEX_H_
#define SPANMETER_MUTEX_H_

#include <mutex>

#if defined(__clang__)
#define SPANMETER_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define SPANMETER_THREAD_ANNOTATION(x)
#endif

// Abseil's headers, which gRPC's include, define the same macro with the same meaning.
#if !defined(GUARDED_BY)
#define GUARDED_BY(x) SPANMETER_THREAD_ANNOTATION(guarded_by(x))
#endif
#define REQUIRES_LOCK(...) SPANMETER_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define EXCLUDES_LOCK(...) SPANMETER_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace spanmeter {

class SPANMETER_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;

  void Lock() SPANMETER_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void Unlock() SPANMETER_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }
  // Locks and returns true unless somebody holds the lock.
  bool TryLock() SPANMETER_THREAD_ANNOTATION(try_acquire_capability(true)) {
    return mutex_.try_lock();
  }

 private:
  std::mutex mutex_;
};

// Holds a Mutex for the length of a scope.
class SPANMETER_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex* mutex) SPANMETER_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_->Lock();
  }
  // Takes over a lock that the thread holds already.
  MutexLock(Mutex* mutex, std::adopt_lock_t) SPANMETER_THREAD_ANNOTATION(requires_capability(mutex))
      : mutex_(mutex) {}
  ~MutexLock() SPANMETER_THREAD_ANNOTATION(release_capability()) { mutex_->Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex* const mutex_;
};

}  // namespace spanmeter

#endif  // SPANMETER_MUTEX_H_
