#include "remote_write/sender.h"

#include <utility>

namespace spanmeter {

Sender::Sender(const RemoteWriteOptions& options, SendLoop::Parts parts)
    : clock_(parts.clock), loop_(options, std::move(parts)), thread_([this] { Run(); }) {}

Sender::~Sender() {
  if (deadline_nanos_ == kNoDeadline) BeginStop(0);
  Stop();
}

void Sender::BeginStop(int64_t deadline_nanos) {
  deadline_nanos_ = deadline_nanos;
  Wake();
}

void Sender::Stop() {
  if (thread_.joinable()) thread_.join();
}

void Sender::Run() {
  for (;;) {
    const int64_t deadline_nanos = deadline_nanos_;
    if (deadline_nanos != kNoDeadline) {
      loop_.Hurry(deadline_nanos);
      if (loop_.Done() || clock_->MonotonicNanos() >= deadline_nanos) break;
    }
    loop_.Step();
  }
  loop_.Cancel();
}

}  // namespace spanmeter
