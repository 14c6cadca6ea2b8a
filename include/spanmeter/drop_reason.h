// Why samples never reach a receiver, as metrics, log and page name it.

#ifndef SPANMETER_DROP_REASON_H_
#define SPANMETER_DROP_REASON_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spanmeter {

enum class DropReason : uint8_t {
  kTooOld,     // older than queue_config.sample_age_limit or storage.max_age
  kQueueFull,  // the oldest beyond storage.max_size or storage.max_memory
  kRejected,   // the receiver will never take it
  kCorrupt,    // the storage was damaged
  kShutdown,   // in memory only when the process ended
};

inline constexpr std::array<std::string_view, 5> kDropReasonNames = {
    "too_old", "queue_full", "rejected", "corrupt", "shutdown"};

}  // namespace spanmeter

#endif  // SPANMETER_DROP_REASON_H_
