#include "app/state_keeper.h"

#include <utility>

#include <prometheus/registry.h>

namespace spanmeter {

namespace {

int64_t MillisSince(int64_t begin_nanos, const Clock& clock) {
  return (clock.MonotonicNanos() - begin_nanos) / kNanosPerMilli;
}

}  // namespace

StateKeeper::StateKeeper(const std::string& directory, const Clock* clock, const Logger* logger,
                         SelfMetrics* metrics)
    : clock_(clock), logger_(logger) {
  auto& restores = prometheus::BuildCounter()
                       .Name("spanmeter_state_restores_total")
                       .Help(
                           "Starts by what the former process had left: its state, which was "
                           "restored, none, or one that was unusable.")
                       .Register(metrics->registry());
  restored_ = &restores.Add({{"result", "restored"}});
  none_ = &restores.Add({{"result", "none"}});
  unusable_ = &restores.Add({{"result", "unusable"}});
  if (!directory.empty()) file_.emplace(directory);
}

void StateKeeper::Restore(Tenants* tenants) {
  if (!file_) {
    none_->Increment();
    return;
  }
  const std::string error = file_->Lock();
  if (!error.empty()) {
    logger_->Warn("all counters begin anew, because no state can be taken over",
                  {{"error", error}});
    unusable_->Increment();
    return;
  }
  switch (RestoreFrom(&*file_, tenants)) {
    case Result::kRestored:
      restored_->Increment();
      break;
    case Result::kNone:
      none_->Increment();
      break;
    case Result::kUnusable:
      unusable_->Increment();
      break;
  }
}

StateKeeper::Result StateKeeper::RestoreFrom(StateFile* file, Tenants* tenants) {
  const int64_t begin_nanos = clock_->MonotonicNanos();
  bool removed = false;
  std::string error = file->Take(&removed);
  if (removed) {
    logger_->Info("removed the state of a process that did not end well", {{"path", file->path()}});
  }
  if (error.empty() && !file->taken()) return Result::kNone;
  // Nothing of it is in force before all of it was found to be there and undamaged.
  if (error.empty()) error = CheckState(clock_, file->Read());
  if (error.empty()) {
    StateReader reader(clock_, file->Read());
    RestoredState restored;
    if (tenants->Restore(&reader, &restored)) {
      LogRestored(reader.downtime_nanos(), MillisSince(begin_nanos, *clock_), restored);
      return Result::kRestored;
    }
    error = reader.error();
  }
  logger_->Warn(
      "cannot use the state of the former process: all counters begin anew, which looks like a "
      "crash",
      {{"path", file->path()}, {"error", error}});
  if (file->taken()) Forget();
  return Result::kUnusable;
}

void StateKeeper::LogRestored(int64_t downtime_nanos, int64_t took_ms,
                              const RestoredState& restored) const {
  logger_->Info("goes on where the former process stopped",
                {{"label_sets", restored.label_sets},
                 {"half_edges", restored.half_edges},
                 {"pause_ms", downtime_nanos / kNanosPerMilli},
                 {"took_ms", took_ms}});
  std::string left_out;
  for (const std::string& metric : restored.left_out) {
    left_out.append(left_out.empty() ? "" : " ").append(metric);
  }
  if (left_out.empty()) return;
  logger_->Warn("metrics end or begin anew, because processors, labels or buckets changed",
                {{"metrics", left_out}});
}

void StateKeeper::PutBack() {
  if (file_) file_->GiveUp();
  if (!file_ || !file_->taken()) return;
  const std::string error = file_->PutBack();
  if (!error.empty()) {
    logger_->Warn("cannot put the state back: counters begin anew at the next start",
                  {{"error", error}});
  }
}

void StateKeeper::Forget() {
  if (!file_ || !file_->taken()) return;
  const std::string error = file_->Forget();
  // It stays without effect.
  if (!error.empty()) logger_->Warn("cannot remove what was restored", {{"error", error}});
}

void StateKeeper::Save(const Tenants& tenants) {
  if (!file_) return;
  const int64_t begin_nanos = clock_->MonotonicNanos();
  uint64_t bytes = 0;
  const std::string error = file_->Write(
      clock_, [&tenants](StateWriter* writer) { tenants.Save(writer); }, &bytes);
  if (!error.empty()) {
    logger_->Error("cannot hand the state on: counters begin anew at the next start",
                   {{"error", error}});
    return;
  }
  logger_->Info(
      "handed the state on to the next process",
      {{"path", file_->path()}, {"bytes", bytes}, {"took_ms", MillisSince(begin_nanos, *clock_)}});
}

}  // namespace spanmeter
