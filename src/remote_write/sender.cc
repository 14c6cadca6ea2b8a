#include "remote_write/sender.h"

#include <utility>

namespace spanmeter {

Sender::Sender(const RemoteWriteOptions& options, SendLoop::Parts parts)
    : clock_(parts.clock), loop_(options, std::move(parts)), thread_(&loop_, clock_) {}

}  // namespace spanmeter
