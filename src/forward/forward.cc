#include "spanmeter/forward.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <limits>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "spanmeter/family_appender.h"
#include "spanmeter/mutex.h"
#include "spanmeter/queue_storage.h"

#include "forward/grpc_export_client.h"
#include "forward/http_export_client.h"
#include "forward/receiver.h"
#include "forward/receiver_metrics.h"

namespace spanmeter {

namespace {

// How often the queues are looked after.
constexpr std::chrono::milliseconds kMaintenance(250);

// What goes on within that time never touches the disk.
constexpr int64_t kMemoryNanos = kNanosPerSecond;

// What waits on disk for somebody who is not configured any more is kept this long: as long as
// max_age may be.
constexpr int64_t kMaxUnclaimedNanos = int64_t{30} * 86'400 * kNanosPerSecond;

// Each queue has limits of its own.
StorageOptions Unlimited(const std::string& path) {
  StorageOptions storage;
  storage.path = path;
  storage.max_size = std::numeric_limits<uint64_t>::max();
  storage.max_memory = std::numeric_limits<uint64_t>::max();
  storage.max_age = kMaxUnclaimedNanos;
  return storage;
}

}  // namespace

class Forward::Impl {
 public:
  using Receivers = std::vector<std::shared_ptr<Receiver>>;

  Impl(const Options& options, std::string version, const Clock* clock, const Logger* logger,
       SelfMetrics* metrics)
      : version_(std::move(version)),
        storage_path_(options.storage.path),
        clock_(clock),
        logger_(logger),
        first_(options.forward),
        receivers_(std::make_shared<const Receivers>()) {
    metrics->AddCollector(
        [this](std::vector<prometheus::MetricFamily>* families) { AppendMetrics(families); });
  }

  void Start() {
    Reload(first_);
    thread_ = std::thread([this] { Run(); });
  }

  void Reload(const std::vector<ForwardOptions>& options) {
    const MutexLock lock(&reload_mutex_);
    const std::shared_ptr<const Receivers> before = Current();
    auto after = std::make_shared<Receivers>();
    for (const ForwardOptions& one : options) {
      const auto same = std::find_if(before->begin(), before->end(), [&one](const auto& receiver) {
        return receiver->options() == one;
      });
      after->push_back(same == before->end() ? MakeReceiverLocked(one) : *same);
    }
    // Whoever has a request on its way to one that goes may still bring it.
    Publish(after);
    for (const auto& receiver : *before) {
      if (std::find(after->begin(), after->end(), receiver) != after->end()) continue;
      receiver->BeginStop(0);
      receiver->Stop();
      const auto has_name = [&receiver](const ForwardOptions& one) {
        return one.name == receiver->options().name &&
               one.queue_config.spill == receiver->options().queue_config.spill;
      };
      if (!receiver->options().queue_config.spill &&
          std::none_of(options.begin(), options.end(), has_name)) {
        receiver->DropMemory();
      }
    }
    if (disk_ != nullptr) disk_->LogUnclaimed();
  }

  // To be kept while it is looked through: a reload may put others in their place at any time.
  std::shared_ptr<const Receivers> Current() const {
    const MutexLock lock(&mutex_);
    return receivers_;
  }

  ForwardStatus GetStatus() const {
    ForwardStatus status;
    const int64_t now_ms = clock_->WallNanos() / kNanosPerMilli;
    const std::shared_ptr<const Receivers> receivers = Current();
    for (const auto& receiver : *receivers) {
      ForwardStatus::Receiver& described = status.receivers.emplace_back();
      receiver->metrics().Describe(receiver->queue_stats(), now_ms, &described);
      const ForwardOptions& options = receiver->options();
      described.endpoint = options.endpoint;
      described.protocol = options.protocol;
      described.required = options.required;
      described.queue_max_bytes = receiver->max_queue_bytes();
      ForwardLoop::Status loop = receiver->status();
      described.last_error = std::move(loop.last_error);
      described.last_error_ms = loop.last_error_ms;
      described.last_success_ms = loop.last_success_ms;
    }
    return status;
  }

  void BeginStop(int64_t deadline_nanos) {
    const std::shared_ptr<const Receivers> receivers = Current();
    for (const auto& receiver : *receivers) receiver->BeginStop(deadline_nanos);
  }

  void Stop() {
    if (!thread_.joinable()) return;
    const std::shared_ptr<const Receivers> receivers = Current();
    for (const auto& receiver : *receivers) receiver->Stop();
    {
      const std::lock_guard<std::mutex> lock(stop_mutex_);
      stopping_ = true;
    }
    stop_.notify_all();
    thread_.join();
    const MutexLock lock(&reload_mutex_);
    for (QueueStorage* storage : {memory_.get(), disk_.get()}) {
      if (storage != nullptr) storage->DropMemory();
    }
    Publish(std::make_shared<const Receivers>());
  }

 private:
  std::shared_ptr<Receiver> MakeReceiverLocked(const ForwardOptions& options)
      REQUIRES_LOCK(reload_mutex_) {
    auto& metrics = metrics_[options.name];
    if (metrics == nullptr) metrics = std::make_unique<ReceiverMetrics>(options.name);
    const std::string user_agent = "spanmeter/" + version_;
    Receiver::Parts parts;
    parts.client = options.protocol == ForwardProtocol::kGrpc
                       ? NewGrpcExportClient(options, user_agent, clock_, logger_)
                       : NewHttpExportClient(options, user_agent, clock_, logger_);
    parts.storage = StorageLocked(options.queue_config.spill);
    parts.metrics = metrics.get();
    parts.clock = clock_;
    parts.logger = logger_;
    return std::make_shared<Receiver>(options, std::move(parts));
  }

  // Opened when there is something to store.
  QueueStorage* StorageLocked(bool on_disk) REQUIRES_LOCK(reload_mutex_) {
    std::unique_ptr<QueueStorage>& storage = on_disk ? disk_ : memory_;
    if (storage == nullptr) {
      storage = std::make_unique<QueueStorage>(
          Unlimited(on_disk ? storage_path_ : ""),
          StorageUse{"forward", "what is passed on", "spans", kMemoryNanos}, clock_, logger_);
      const MutexLock lock(&mutex_);
      storages_.push_back(storage.get());
      if (on_disk) watched_disk_ = storage.get();
    }
    return storage.get();
  }

  void Publish(std::shared_ptr<const Receivers> receivers) {
    const MutexLock lock(&mutex_);
    receivers_.swap(receivers);
  }

  void Run() {
    std::unique_lock<std::mutex> lock(stop_mutex_);
    while (!stop_.wait_for(lock, kMaintenance, [this] { return stopping_; })) {
      lock.unlock();
      std::vector<QueueStorage*> storages;
      {
        const MutexLock storages_lock(&mutex_);
        storages = storages_;
      }
      // They are never closed before this thread has ended.
      for (QueueStorage* storage : storages) storage->Maintain();
      lock.lock();
    }
  }

  void AppendMetrics(std::vector<prometheus::MetricFamily>* families) const {
    const int64_t now_ms = clock_->WallNanos() / kNanosPerMilli;
    const std::shared_ptr<const Receivers> receivers = Current();
    for (const auto& receiver : *receivers) {
      receiver->metrics().Append(receiver->queue_stats(), now_ms, receiver->max_queue_bytes(),
                                 families);
    }
    const QueueStorage* disk = nullptr;
    {
      const MutexLock lock(&mutex_);
      disk = watched_disk_;
    }
    if (disk == nullptr) return;
    const QueueStorage::Status status = disk->status();
    FamilyAppender appender({}, families);
    appender.Gauge("spanmeter_forward_storage_up",
                   "Whether what is to be passed on can be kept on disk; 0 when the disk fails.",
                   status.disk_ok ? 1 : 0);
    appender.Gauge("spanmeter_forward_storage_file_bytes",
                   "Size of the file with what is to be passed on.",
                   static_cast<double>(status.file_bytes));
  }

  const std::string version_;
  const std::string storage_path_;
  const Clock* const clock_;
  const Logger* const logger_;
  const std::vector<ForwardOptions> first_;

  // Held while receivers come and go. Taken before all others.
  Mutex reload_mutex_;
  std::map<std::string, std::unique_ptr<ReceiverMetrics>> metrics_ GUARDED_BY(reload_mutex_);
  std::unique_ptr<QueueStorage> memory_ GUARDED_BY(reload_mutex_);
  std::unique_ptr<QueueStorage> disk_ GUARDED_BY(reload_mutex_);

  // Taken last.
  mutable Mutex mutex_;
  std::vector<QueueStorage*> storages_ GUARDED_BY(mutex_);
  const QueueStorage* watched_disk_ GUARDED_BY(mutex_) = nullptr;
  // After the storages, which it uses.
  std::shared_ptr<const Receivers> receivers_ GUARDED_BY(mutex_);

  std::mutex stop_mutex_;
  std::condition_variable stop_;
  bool stopping_ = false;  // guarded by stop_mutex_
  std::thread thread_;
};

namespace {

class ForwardPassage final : public RequestTee::Passage {
 public:
  using Receivers = std::vector<std::shared_ptr<Receiver>>;

  ForwardPassage(const TeeRequest* request, std::shared_ptr<const Receivers> receivers)
      : request_(*request), receivers_(std::move(receivers)), reserved_(receivers_->size(), 0) {}
  ~ForwardPassage() override {
    for (size_t i = 0; i < reserved_.size(); ++i) (*receivers_)[i]->Unreserve(reserved_[i]);
  }
  ForwardPassage(const ForwardPassage&) = delete;
  ForwardPassage& operator=(const ForwardPassage&) = delete;

  bool Reserve() {
    for (size_t i = 0; i < reserved_.size(); ++i) {
      if (!(*receivers_)[i]->Reserve(request_, &reserved_[i])) return false;
    }
    return true;
  }

  void Send() override {
    RequestBodies bodies(&request_);
    for (size_t i = 0; i < reserved_.size(); ++i) {
      (*receivers_)[i]->Queue(&bodies, std::exchange(reserved_[i], 0));
    }
  }

 private:
  const TeeRequest& request_;
  const std::shared_ptr<const Receivers> receivers_;
  std::vector<uint64_t> reserved_;  // by receiver
};

}  // namespace

Forward::Forward(const Options& options, const std::string& version, const Clock* clock,
                 const Logger* logger, SelfMetrics* metrics)
    : impl_(std::make_unique<Impl>(options, version, clock, logger, metrics)) {}

Forward::~Forward() {
  BeginStop(0);
  Stop();
}

void Forward::Start() { impl_->Start(); }
void Forward::Reload(const Options& options) { impl_->Reload(options.forward); }
ForwardStatus Forward::status() const { return impl_->GetStatus(); }
void Forward::BeginStop(int64_t deadline_nanos) { impl_->BeginStop(deadline_nanos); }
void Forward::Stop() { impl_->Stop(); }

std::unique_ptr<RequestTee::Passage> Forward::Enter(const TeeRequest& request) {
  auto passage = std::make_unique<ForwardPassage>(&request, impl_->Current());
  if (!passage->Reserve()) return nullptr;
  return passage;
}

}  // namespace spanmeter
