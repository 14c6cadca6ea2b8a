// Counters that go on across a restart: gives the tenants the state that the former process has
// left, and leaves theirs to the next one.

#ifndef SPANMETER_APP_STATE_KEEPER_H_
#define SPANMETER_APP_STATE_KEEPER_H_

#include <cstdint>
#include <optional>
#include <string>

#include <prometheus/counter.h>

#include "spanmeter/clock.h"
#include "spanmeter/log.h"
#include "spanmeter/self_metrics.h"
#include "spanmeter/tenants.h"

#include "app/state_file.h"

namespace spanmeter {

// Not thread-safe. Whatever fails is said in the log, and means that counters begin anew.
class StateKeeper {
 public:
  // With an empty `directory` nothing is kept. The pointers must outlive this.
  StateKeeper(const std::string& directory, const Clock* clock, const Logger* logger,
              SelfMetrics* metrics);

  // Takes the state and puts it in force. To be called once, before anybody can see or use the
  // tenants; then one of the next two.
  void Restore(Tenants* tenants);
  // The start has failed: whoever starts next shall have the state. REQUIRES: no span was taken.
  void PutBack();
  // The start has succeeded.
  void Forget();

  // Writes the state. REQUIRES: nothing changes in the tenants any more.
  void Save(const Tenants& tenants);

 private:
  enum class Result : uint8_t { kRestored, kNone, kUnusable };
  Result RestoreFrom(StateFile* file, Tenants* tenants);
  void LogRestored(int64_t downtime_nanos, int64_t took_ms, const RestoredState& restored) const;

  const Clock* const clock_;
  const Logger* const logger_;
  prometheus::Counter* restored_;
  prometheus::Counter* none_;
  prometheus::Counter* unusable_;
  // Nothing when nothing is kept.
  std::optional<StateFile> file_;
};

}  // namespace spanmeter

#endif  // SPANMETER_APP_STATE_KEEPER_H_
