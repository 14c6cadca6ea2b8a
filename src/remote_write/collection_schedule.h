// When a tenant is collected.

#ifndef SPANMETER_REMOTE_WRITE_COLLECTION_SCHEDULE_H_
#define SPANMETER_REMOTE_WRITE_COLLECTION_SCHEDULE_H_

#include <cstdint>
#include <string_view>

#include "spanmeter/key_hash.h"

namespace spanmeter {

// The stamps of a tenant's collections: every `interval_ms` from `offset_ms` after the Unix epoch
// on. All times are in ms; both numbers are not negative.
struct CollectionSchedule {
  int64_t interval_ms = 0;
  int64_t offset_ms = 0;

  // Tenants have different offsets, so that they are not all collected at once; always the same
  // ones, so that a restart or another tenant changes nothing.
  static CollectionSchedule ForTenant(std::string_view tenant, int64_t interval_ms) {
    return {interval_ms,
            static_cast<int64_t>(KeyHash(tenant, 0) % static_cast<uint64_t>(interval_ms))};
  }

  // The last stamp that is not later than `now_ms`. REQUIRES: `now_ms` is not before the offset.
  int64_t LastDueMs(int64_t now_ms) const { return now_ms - (now_ms - offset_ms) % interval_ms; }
  // The first one that is later.
  int64_t NextDueMs(int64_t now_ms) const { return LastDueMs(now_ms) + interval_ms; }
};

}  // namespace spanmeter

#endif  // SPANMETER_REMOTE_WRITE_COLLECTION_SCHEDULE_H_
