#include "spanmeter/remote_write.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string_view>
#include <thread>
#include <utility>

#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include "spanmeter/family_appender.h"
#include "spanmeter/mutex.h"
#include "spanmeter/queue_storage.h"

#include "remote_write/collection_schedule.h"
#include "remote_write/endpoint.h"
#include "remote_write/tenant_collector.h"
#include "remote_write/url_label.h"

namespace spanmeter {

namespace {

// Tenants come and go, and clocks are set: the schedule is looked at this often at least.
constexpr int64_t kMaxPauseMs = 1000;
constexpr int64_t kWallJumpLogNanos = 60 * kNanosPerSecond;

}  // namespace

class RemoteWrite::Impl {
 public:
  Impl(const Options& options, std::string version, TenantSource tenants, const Clock* clock,
       const Logger* logger, SelfMetrics* metrics)
      : version_(std::move(version)),
        by_tenant_(options.tenancy.enabled),
        tenants_(std::move(tenants)),
        clock_(clock),
        logger_(logger),
        start_ms_(NowMs()),
        storage_options_(options.storage),
        receivers_(options.remote_write),
        clock_throttle_(clock, kWallJumpLogNanos) {
    collection_seconds_ =
        &prometheus::BuildHistogram()
             .Name("spanmeter_remote_write_collection_duration_seconds")
             .Help("Time to collect and store the series of a tenant for all receivers.")
             .Register(metrics->registry())
             .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.01, 0.1, 1, 10});
    metrics->AddCollector(
        [this](std::vector<prometheus::MetricFamily>* families) { AppendMetrics(families); });
  }

  void Start() {
    Reload(receivers_);
    // What was restored may end before the first collection, and the receivers are to hear of it.
    if (!receivers_.empty()) {
      for (const CollectedTenant& tenant : tenants_()) tenant.registry->KeepEnded(true);
    }
    thread_ = std::thread([this] { Run(); });
  }

  void Reload(const std::vector<RemoteWriteOptions>& receivers) {
    const MutexLock lock(&mutex_);
    // What has counted by now counted for nobody.
    if (started_ && endpoints_.empty()) new_since_ms_ = NowMs();
    started_ = true;
    // The storage is opened when there is something to store.
    if (storage_ == nullptr && !receivers.empty()) {
      if (storage_options_.path.empty()) {
        logger_->Warn(
            "storage.path is not set: what waits for its receiver is lost when the process ends",
            {{"max_memory", storage_options_.max_memory}});
      }
      storage_ = std::make_unique<QueueStorage>(
          storage_options_, StorageUse{"remote_write", "remote write", "samples"}, clock_, logger_);
    }
    Endpoints kept;
    for (const RemoteWriteOptions& options : receivers) {
      const auto same =
          std::find_if(endpoints_.begin(), endpoints_.end(), [&options](const auto& endpoint) {
            return endpoint != nullptr && endpoint->options() == options;
          });
      if (same == endpoints_.end()) {
        kept.push_back(nullptr);
      } else {
        kept.push_back(std::move(*same));
      }
    }
    // Those that change give up their queues before others take them.
    ForgetSendersLocked();
    endpoints_.clear();
    for (size_t i = 0; i < receivers.size(); ++i) {
      if (kept[i] == nullptr) kept[i] = MakeEndpointLocked(receivers[i]);
    }
    endpoints_ = std::move(kept);
    // This gives up the last hold of queues that are not used any more.
    PublishLocked();
    if (storage_ != nullptr) storage_->LogUnclaimed();
  }

  RemoteWriteStatus GetStatus() const {
    RemoteWriteStatus status;
    const MutexLock lock(&watched_mutex_);
    if (watched_storage_ == nullptr) return status;
    const int64_t now_ms = NowMs();
    for (const Watched& watched : watched_) {
      RemoteWriteStatus::Receiver& receiver = status.receivers.emplace_back();
      watched.metrics->Describe(watched.queue->stats(), now_ms, &receiver);
      if (watched.endpoint == nullptr) continue;
      const SendLoop::Status sender = watched.endpoint->sender_status();
      receiver.protocol_2 = sender.protocol == Protocol::k2;
      receiver.last_error = sender.last_error;
      receiver.last_error_ms = sender.last_error_ms;
      receiver.last_success_ms = sender.last_success_ms;
      receiver.healthy =
          sender.last_error.empty() || sender.last_success_ms >= sender.last_error_ms;
    }
    const QueueStorage::Status storage = watched_storage_->status();
    status.has_storage = true;
    status.path = storage_options_.path;
    status.storage_up = !storage.has_disk || storage.disk_ok;
    status.storage_error = storage.error;
    status.file_bytes = storage.file_bytes;
    status.unclaimed_bytes = storage.unclaimed_bytes;
    status.files_set_aside = storage.files_set_aside;
    return status;
  }

  void StopCollecting() {
    if (!thread_.joinable()) return;
    {
      const std::lock_guard<std::mutex> lock(stop_mutex_);
      stopping_ = true;
    }
    stop_.notify_all();
    thread_.join();
    const MutexLock lock(&mutex_);
    CollectAllLocked(true);
  }

  void Stop(int64_t deadline_nanos) {
    StopCollecting();
    const MutexLock lock(&mutex_);
    if (!started_) return;
    started_ = false;
    for (const auto& endpoint : endpoints_) endpoint->BeginStop(deadline_nanos);
    for (const auto& endpoint : endpoints_) endpoint->Stop();
    if (storage_ != nullptr) storage_->DropMemory();
    ForgetSendersLocked();
    endpoints_.clear();
  }

 private:
  using Endpoints = std::vector<std::unique_ptr<Endpoint>>;

  struct Watched {
    const EndpointMetrics* metrics;
    std::shared_ptr<BlockQueue> queue;
    const Endpoint* endpoint;  // null while it is being replaced
  };

  struct Tenant {
    std::unique_ptr<TenantCollector> collector;
    // No collection has a stamp up to this: what was born before was not there yet.
    int64_t since_ms = 0;
  };

  int64_t NowMs() const { return clock_->WallNanos() / kNanosPerMilli; }

  std::unique_ptr<Endpoint> MakeEndpointLocked(const RemoteWriteOptions& options)
      REQUIRES_LOCK(mutex_) {
    const std::string label = UrlLabel(options.url);
    auto& metrics = endpoint_metrics_[{options.name, label}];
    if (metrics == nullptr) metrics = std::make_unique<EndpointMetrics>(options.name, label);
    Endpoint::Parts parts;
    parts.user_agent = "spanmeter/" + version_;
    parts.by_tenant = by_tenant_ && options.add_org_id_header;
    parts.metadata = [this](const std::string& tenant) { return Metadata(tenant); };
    parts.storage = storage_.get();
    parts.metrics = metrics.get();
    parts.clock = clock_;
    parts.logger = logger_;
    return std::make_unique<Endpoint>(options, std::move(parts));
  }

  void Run() {
    for (;;) {
      int64_t pause_ms = 0;
      {
        const MutexLock lock(&mutex_);
        pause_ms = CollectAllLocked(false);
        if (storage_ != nullptr) storage_->Maintain();
      }
      std::unique_lock<std::mutex> lock(stop_mutex_);
      if (stop_.wait_for(lock, std::chrono::milliseconds(pause_ms), [this] { return stopping_; })) {
        return;
      }
    }
  }

  // Collects every tenant that is due; with `last`, everybody. Returns how long nobody is due.
  int64_t CollectAllLocked(bool last) REQUIRES_LOCK(mutex_) {
    int64_t pause_ms = kMaxPauseMs;
    if (endpoints_.empty() && tenant_states_.empty()) return pause_ms;
    std::set<std::string> there;
    for (const CollectedTenant& tenant : tenants_()) {
      if (endpoints_.empty() || tenant.disabled) {
        tenant.registry->KeepEnded(false);
        continue;
      }
      there.insert(tenant.name);
      Tenant& state = StateOfLocked(tenant);
      const CollectionSchedule schedule = ScheduleOf(tenant);
      const int64_t now_ms = NowMs();
      // At the end everything counts, also what was born in this very millisecond.
      const int64_t stamp_ms = last ? now_ms + 1 : schedule.LastDueMs(now_ms);
      if (stamp_ms > std::max(state.since_ms, state.collector->last_stamp_ms())) {
        CollectLocked(tenant, stamp_ms, state.collector.get());
        state.since_ms = stamp_ms;
      } else {
        NoteClock(state.since_ms, now_ms, schedule.interval_ms);
      }
      const int64_t after_ms = NowMs();
      pause_ms = std::min(pause_ms, schedule.NextDueMs(after_ms) - after_ms);
    }
    const auto is_gone = [&there](const auto& of_tenant) {
      return !there.contains(of_tenant.first);
    };
    std::erase_if(tenant_states_, is_gone);
    {
      const MutexLock lock(&metadata_mutex_);
      std::erase_if(metadata_, is_gone);
    }
    return std::max<int64_t>(pause_ms, 1);
  }

  CollectionSchedule ScheduleOf(const CollectedTenant& tenant) const {
    const int64_t interval_ms = tenant.interval_nanos / kNanosPerMilli;
    if (by_tenant_) return CollectionSchedule::ForTenant(tenant.name, interval_ms);
    return {interval_ms, 0};
  }

  // The receivers do not take samples older than those that they have.
  void NoteClock(int64_t since_ms, int64_t now_ms, int64_t interval_ms) {
    uint64_t suppressed = 0;
    if (since_ms <= now_ms + interval_ms || !clock_throttle_.Allow(&suppressed)) return;
    logger_->Warn("nothing is collected for remote write, because the clock was set back",
                  {{"until_ms", since_ms}, {"now_ms", now_ms}});
  }

  Tenant& StateOfLocked(const CollectedTenant& tenant) REQUIRES_LOCK(mutex_) {
    const std::string& name = tenant.name;
    Tenant& state = tenant_states_[name];
    if (state.collector == nullptr) {
      // A tenant may come back, and so may the receivers of all. Without a path nothing tells when
      // a former process sent its last sample, but that was before this one began.
      const int64_t known_until_ms =
          storage_->LastStampMs(name).value_or(storage_options_.path.empty() ? start_ms_ : 0);
      // Stamps from before this process began are those of a former one.
      int64_t new_since_ms =
          known_until_ms > start_ms_ ? std::max(known_until_ms, new_since_ms_) : new_since_ms_;
      // What a former process has handed on is as new as what it has collected.
      new_since_ms = std::max(new_since_ms, tenant.restored_until_ms.value_or(new_since_ms));
      state.collector = std::make_unique<TenantCollector>(name, known_until_ms, new_since_ms);
      state.since_ms = std::max(known_until_ms, NowMs());
    }
    return state;
  }

  void CollectLocked(const CollectedTenant& tenant, int64_t stamp_ms, TenantCollector* collector)
      REQUIRES_LOCK(mutex_) {
    const int64_t begin_nanos = clock_->MonotonicNanos();
    std::vector<TenantCollector::Target> targets;
    for (const auto& endpoint : endpoints_) targets.push_back(endpoint->target());
    std::vector<std::vector<Block>> blocks =
        collector->Collect(tenant.registry.get(), stamp_ms, targets);
    std::vector<QueueStorage::Share> shares;
    for (size_t i = 0; i < endpoints_.size(); ++i) {
      if (blocks[i].empty()) continue;
      endpoints_[i]->CountIn(blocks[i]);
      shares.push_back({endpoints_[i]->queue().get(), std::move(blocks[i])});
    }
    if (!shares.empty()) storage_->Append(tenant.name, stamp_ms, std::move(shares));
    for (const auto& endpoint : endpoints_) endpoint->Wake();
    collection_seconds_->Observe(static_cast<double>(clock_->MonotonicNanos() - begin_nanos) /
                                 kNanosPerSecond);
    const MutexLock lock(&metadata_mutex_);
    std::map<std::string, MetricInfo>& metadata = metadata_[tenant.name];
    if (metadata != collector->metrics()) metadata = collector->metrics();
  }

  // The metrics of a tenant; of no name: all there are.
  std::vector<MetricInfo> Metadata(const std::string& tenant) const {
    const MutexLock lock(&metadata_mutex_);
    std::map<std::string_view, const MetricInfo*> metrics;
    for (const auto& [name, metrics_of_tenant] : metadata_) {
      if (!tenant.empty() && name != tenant) continue;
      for (const auto& [metric_name, metric] : metrics_of_tenant) {
        metrics.try_emplace(metric_name, &metric);
      }
    }
    std::vector<MetricInfo> list;
    for (const auto& [name, metric] : metrics) list.push_back(*metric);
    return list;
  }

  // What the collection of metrics looks at, apart from the lock that a collection holds.
  void PublishLocked() REQUIRES_LOCK(mutex_) {
    std::vector<Watched> watched;
    for (const auto& endpoint : endpoints_) {
      watched.push_back({endpoint->metrics(), endpoint->queue(), endpoint.get()});
    }
    const MutexLock lock(&watched_mutex_);
    watched_.swap(watched);
    watched_storage_ = storage_.get();
  }

  // Endpoints are about to go.
  void ForgetSendersLocked() REQUIRES_LOCK(mutex_) {
    const MutexLock lock(&watched_mutex_);
    for (Watched& endpoint : watched_) endpoint.endpoint = nullptr;
  }

  void AppendMetrics(std::vector<prometheus::MetricFamily>* families) const {
    const MutexLock lock(&watched_mutex_);
    if (watched_storage_ == nullptr) return;
    const int64_t now_ms = NowMs();
    for (const Watched& endpoint : watched_) {
      endpoint.metrics->Append(endpoint.queue->stats(), now_ms, families);
    }
    const QueueStorage::Status status = watched_storage_->status();
    FamilyAppender appender({}, families);
    appender.Gauge("spanmeter_storage_up",
                   "Whether what waits for receivers is kept on disk; 0 when the disk fails, and "
                   "without storage.path.",
                   status.has_disk && status.disk_ok ? 1 : 0);
    appender.Gauge("spanmeter_storage_file_bytes", "Size of the storage's file.",
                   static_cast<double>(status.file_bytes));
    appender.Gauge("spanmeter_storage_unclaimed_bytes",
                   "Bytes that wait for receivers which are not configured any more.",
                   static_cast<double>(status.unclaimed_bytes));
    appender.Counter("spanmeter_storage_files_set_aside_total",
                     "Damaged files that were replaced by empty ones.",
                     static_cast<double>(status.files_set_aside));
  }

  const std::string version_;
  const bool by_tenant_;
  const TenantSource tenants_;
  const Clock* const clock_;
  const Logger* const logger_;
  const int64_t start_ms_;
  const StorageOptions storage_options_;
  const std::vector<RemoteWriteOptions> receivers_;  // at the start
  prometheus::Histogram* collection_seconds_ = nullptr;
  LogThrottle clock_throttle_;

  // Held while something is collected or reloaded.
  Mutex mutex_;
  bool started_ GUARDED_BY(mutex_) = false;
  // What was born before receivers came to a process without any; see TenantCollector.
  int64_t new_since_ms_ GUARDED_BY(mutex_) = std::numeric_limits<int64_t>::min();
  std::unique_ptr<QueueStorage> storage_ GUARDED_BY(mutex_);
  std::map<std::pair<std::string, std::string>, std::unique_ptr<EndpointMetrics>> endpoint_metrics_
      GUARDED_BY(mutex_);
  Endpoints endpoints_ GUARDED_BY(mutex_);
  std::map<std::string, Tenant> tenant_states_ GUARDED_BY(mutex_);

  mutable Mutex metadata_mutex_;
  // The metrics of each tenant at its last collection, by name.
  std::map<std::string, std::map<std::string, MetricInfo>> metadata_ GUARDED_BY(metadata_mutex_);

  mutable Mutex watched_mutex_;  // taken last
  std::vector<Watched> watched_ GUARDED_BY(watched_mutex_);
  const QueueStorage* watched_storage_ GUARDED_BY(watched_mutex_) = nullptr;

  std::mutex stop_mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // guarded by stop_mutex_
  std::thread thread_;
};

RemoteWrite::RemoteWrite(const Options& options, const std::string& version, TenantSource tenants,
                         const Clock* clock, const Logger* logger, SelfMetrics* metrics)
    : impl_(std::make_unique<Impl>(options, version, std::move(tenants), clock, logger, metrics)) {}

RemoteWrite::~RemoteWrite() { Stop(0); }

void RemoteWrite::Start() { impl_->Start(); }
void RemoteWrite::Reload(const Options& options) { impl_->Reload(options.remote_write); }
RemoteWriteStatus RemoteWrite::status() const { return impl_->GetStatus(); }
void RemoteWrite::StopCollecting() { impl_->StopCollecting(); }
void RemoteWrite::Stop(int64_t deadline_nanos) { impl_->Stop(deadline_nanos); }

}  // namespace spanmeter
