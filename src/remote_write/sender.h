// Empties one receiver's queue over HTTP, in order per series, as fast as the receiver takes it.

#ifndef SPANMETER_REMOTE_WRITE_SENDER_H_
#define SPANMETER_REMOTE_WRITE_SENDER_H_

#include <cstdint>

#include "spanmeter/clock.h"
#include "spanmeter/remote_write_options.h"
#include "spanmeter/send_thread.h"

#include "remote_write/send_loop.h"

namespace spanmeter {

// The thread around a SendLoop. Thread-safe but for the constructor, Stop() and the destructor.
class Sender {
 public:
  // Begins to send. The parts' pointers must outlive the sender, whose end stops at once.
  Sender(const RemoteWriteOptions& options, SendLoop::Parts parts);

  // There is something new in the queue.
  void Wake() { thread_.Wake(); }
  // Begins to end: sends what is in the queue, retries included, at most until `deadline_nanos`
  // (monotonic clock). What is left then, or is safe on disk while sending fails, stays there.
  void BeginStop(int64_t deadline_nanos) { thread_.BeginStop(deadline_nanos); }
  // Waits for the end. REQUIRES: BeginStop() was called.
  void Stop() { thread_.Stop(); }

  // What the receiver is believed to know; what is collected is best encoded so.
  Protocol protocol() const { return loop_.protocol(); }
  SendLoop::Status status() const { return loop_.status(); }

 private:
  const Clock* const clock_;
  SendLoop loop_;
  SendThread<SendLoop> thread_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_SENDER_H_
