#include "spanmeter/queue_storage.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>

#include "queue/block_store.h"

namespace spanmeter {

namespace {

// How long a disk that failed is left alone.
constexpr int64_t kDiskRetryNanos = 5 * kNanosPerSecond;

// Stamps are kept at least so long.
constexpr int64_t kMinStampAgeNanos = int64_t{24} * 3600 * kNanosPerSecond;

// What is moved from memory to the disk in one transaction, of one queue.
constexpr uint64_t kMaxMovedBytes = uint64_t{64} << 20;

// Ids begin at the time, in ms, times this: so they ascend even when the file cannot be read at the
// start, or is a new one.
constexpr int kIdsPerMilliBits = 20;

}  // namespace

QueueStorage::QueueStorage(const StorageOptions& options, StorageUse use, const Clock* clock,
                           const Logger* logger)
    : options_(options),
      use_(std::move(use)),
      clock_(clock),
      logger_(logger),
      store_(options.path.empty() ? nullptr
                                  : std::make_shared<BlockStore>(options.path, use_, logger)),
      retry_nanos_(clock->MonotonicNanos()) {
  const int64_t now_ms = std::max<int64_t>(clock_->WallNanos() / kNanosPerMilli, 0);
  MutexLock lock(&mutex_);
  next_id_ = (static_cast<uint64_t>(now_ms) << kIdsPerMilliBits) + 1;
  if (store_ != nullptr) PrepareDisk();
  PublishStatus();
}

QueueStorage::~QueueStorage() {
  if (store_ == nullptr) return;
  for (size_t left = store_->Forgotten().size(); left > 0;) {
    store_->Maintain(OldestStampMs());
    const size_t still_left = store_->Forgotten().size();
    if (still_left >= left) break;
    left = still_left;
  }
}

std::shared_ptr<BlockQueue> QueueStorage::QueueOf(const std::string& name) {
  std::shared_ptr<BlockQueue>& queue = queues_[name].queue;
  if (queue == nullptr) {
    queue =
        std::make_shared<BlockQueue>(name, options_, use_.unit, store_, &next_id_, clock_, logger_);
  }
  return queue;
}

std::shared_ptr<BlockQueue> QueueStorage::Open(const std::string& name, const QueueLimits& limits,
                                               BlockQueue::DropCallback on_drop) {
  MutexLock lock(&mutex_);
  std::shared_ptr<BlockQueue> queue = QueueOf(name);
  std::weak_ptr<BlockQueue>& shared = queues_[name].handle;
  std::shared_ptr<BlockQueue> handle = shared.lock();
  if (handle == nullptr) {
    const uint64_t claim = queue->Claim();
    handle = std::shared_ptr<BlockQueue>(
        queue.get(), [queue, claim](BlockQueue* /*same*/) { queue->Unclaim(claim); });
    shared = handle;
  }
  queue->Configure(limits, std::move(on_drop));
  queue->EnforceBounds();
  return handle;
}

void QueueStorage::LogUnclaimed() const {
  MutexLock lock(&mutex_);
  for (const auto& [name, queue] : queues_) {
    if (queue.queue->claimed()) continue;
    const QueueStats stats = queue.queue->stats();
    if (stats.blocks == 0) continue;
    logger_->Warn(
        use_.unit +
            " wait for a receiver that is not configured; they are kept until they are too old",
        {{"remote_name", name},
         {"bytes", stats.bytes},
         {use_.unit, stats.counts.samples},
         {"histograms", stats.counts.histograms}});
  }
}

void QueueStorage::Append(const std::string& tenant, int64_t stamp_ms, std::vector<Share> shares) {
  MutexLock lock(&mutex_);
  stamps_[tenant] = stamp_ms;
  new_stamps_.insert(tenant);
  std::vector<BlockStore::Row> rows;
  const int64_t now_nanos = clock_->MonotonicNanos();
  for (const Share& share : shares) {
    uint64_t bytes = 0;
    for (const Block& block : share.blocks) {
      BlockStore::Row& row = rows.emplace_back();
      row.entry = BlockQueue::MakeEntry(next_id_++, block, block.body.size(), now_nanos);
      row.queue = share.queue->name();
      row.tenant = tenant;
      row.body = block.body;
      bytes += BlockQueue::Charge(row.entry);
    }
    share.queue->MakeRoom(bytes);
  }
  // A stamp alone can wait for the next maintenance.
  if (rows.empty()) return;
  const bool on_disk = PrepareDisk() && Write(rows);
  auto row = rows.begin();
  for (Share& share : shares) {
    std::vector<BlockQueue::NewBlock> blocks;
    for (Block& block : share.blocks) {
      BlockQueue::NewBlock& added = blocks.emplace_back();
      added.entry = (row++)->entry;
      if (!on_disk) added.body = std::make_shared<const std::string>(std::move(block.body));
    }
    share.queue->AppendAll(std::move(blocks), tenant);
  }
}

std::optional<int64_t> QueueStorage::LastStampMs(const std::string& tenant) const {
  MutexLock lock(&mutex_);
  const auto stamp = stamps_.find(tenant);
  if (stamp == stamps_.end()) return std::nullopt;
  return stamp->second;
}

int64_t QueueStorage::OldestStampMs() const {
  return (clock_->WallNanos() - std::max(options_.max_age, kMinStampAgeNanos)) / kNanosPerMilli;
}

void QueueStorage::Maintain() {
  MutexLock lock(&mutex_);
  for (auto next = queues_.begin(); next != queues_.end();) {
    const auto queue = next++;
    queue->second.queue->EnforceBounds();
    const bool used = queue->second.queue->claimed() || queue->second.queue->stats().blocks > 0;
    if (!used) queues_.erase(queue);
  }
  const int64_t oldest_stamp_ms = OldestStampMs();
  for (auto next = stamps_.begin(); next != stamps_.end();) {
    const auto stamp = next++;
    if (stamp->second >= oldest_stamp_ms) continue;
    new_stamps_.erase(stamp->first);
    stamps_.erase(stamp);
  }
  const bool works = PrepareDisk() &&
                     MoveMemoryToDisk(clock_->MonotonicNanos() - use_.memory_nanos) &&
                     (new_stamps_.empty() || Write({}));
  if (works) {
    store_->Maintain(oldest_stamp_ms);
    if (store_->repair() != BlockStore::Repair::kNone) NoteFailure();
  }
  PublishStatus();
}

void QueueStorage::DropMemory() {
  MutexLock lock(&mutex_);
  retry_nanos_ = clock_->MonotonicNanos();
  if (PrepareDisk()) MoveMemoryToDisk(kNeverNanos);
  for (const auto& [name, queue] : queues_) queue.queue->DropMemory();
}

bool QueueStorage::PrepareDisk() {
  if (store_ == nullptr) return false;
  if (!failing_ && store_->repair() == BlockStore::Repair::kNone) return true;
  const int64_t now_nanos = clock_->MonotonicNanos();
  if (now_nanos < retry_nanos_) return false;
  const bool empty = std::all_of(queues_.begin(), queues_.end(), [](const auto& queue) {
    return queue.second.queue->blocks_on_disk() == 0;
  });
  if (empty && store_->repair() == BlockStore::Repair::kRetry) store_->Discard();
  const BlockStore::Repair repair = store_->repair();
  const bool open =
      repair == BlockStore::Repair::kReopen || repair == BlockStore::Repair::kSetAside;
  if (open && !OpenFile()) return NoteFailure();
  return MoveMemoryToDisk(kNeverNanos);
}

bool QueueStorage::OpenFile() {
  BlockStore::Contents contents;
  if (!store_->Open(&contents)) return false;
  for (const auto& [name, blocks] : contents.queues) {
    QueueOf(name);
    next_id_ = std::max(next_id_.load(), blocks.back().entry.id + 1);
  }
  const std::vector<uint64_t> forgotten = store_->Forgotten();
  for (const auto& [name, queue] : queues_) {
    queue.queue->Reconcile(contents.queues[name], forgotten);
  }
  // What this process knows is newer than what the file says.
  for (const auto& [tenant, stamp_ms] : contents.stamps) stamps_.emplace(tenant, stamp_ms);
  for (const auto& [tenant, stamp_ms] : stamps_) {
    const auto stored = contents.stamps.find(tenant);
    if (stored == contents.stamps.end() || stored->second != stamp_ms) new_stamps_.insert(tenant);
  }
  uint64_t blocks = 0;
  uint64_t bytes = 0;
  for (const auto& [name, queue] : queues_) {
    const QueueStats stats = queue.queue->stats();
    blocks += stats.blocks;
    bytes += stats.bytes - stats.memory_bytes;
  }
  logger_->Info("opened the storage of " + use_.title,
                {{"path", store_->path()}, {"waiting_blocks", blocks}, {"waiting_bytes", bytes}});
  return true;
}

bool QueueStorage::MoveMemoryToDisk(int64_t until_nanos) {
  // In pieces, so that one transaction does not become too large.
  for (bool more = true; more;) {
    more = false;
    std::vector<std::pair<BlockQueue*, std::vector<BlockQueue::InMemory>>> memory;
    std::vector<BlockStore::Row> rows;
    for (const auto& [name, queue] : queues_) {
      const auto& [to, blocks] =
          memory.emplace_back(queue.queue.get(), queue.queue->Memory(until_nanos, kMaxMovedBytes));
      uint64_t bytes = 0;
      for (const BlockQueue::InMemory& block : blocks) {
        rows.push_back({block.entry, to->name(), block.tenant, *block.body});
        bytes += block.entry.body_bytes;
      }
      more = more || bytes >= kMaxMovedBytes;
    }
    if (rows.empty()) return true;
    // Pages fill up best in the order of their keys.
    std::sort(rows.begin(), rows.end(), [](const BlockStore::Row& a, const BlockStore::Row& b) {
      return a.entry.id < b.entry.id;
    });
    if (!Write(rows)) return false;
    for (const auto& [queue, blocks] : memory) {
      std::vector<uint64_t> ids;
      for (const BlockQueue::InMemory& block : blocks) ids.push_back(block.entry.id);
      queue->MovedToDisk(ids);
    }
  }
  return true;
}

bool QueueStorage::Write(const std::vector<BlockStore::Row>& rows) {
  std::vector<std::pair<std::string_view, int64_t>> stamps;
  for (const std::string& tenant : new_stamps_) {
    stamps.emplace_back(tenant, stamps_.find(tenant)->second);
  }
  if (!store_->Write(rows, stamps)) return NoteFailure();
  new_stamps_.clear();
  NoteSuccess();
  return true;
}

bool QueueStorage::NoteFailure() {
  retry_nanos_ = clock_->MonotonicNanos() + kDiskRetryNanos;
  if (failing_) return false;
  failing_ = true;
  PublishStatus();
  logger_->Error(
      "cannot keep what waits for its receiver on disk; it is kept in memory until that"
      " works again",
      {{"path", store_->path()}, {"error", store_->error()}, {"max_memory", options_.max_memory}});
  return false;
}

void QueueStorage::NoteSuccess() {
  if (!failing_) return;
  failing_ = false;
  PublishStatus();
  logger_->Info("what waits for its receiver is kept on disk again", {{"path", store_->path()}});
}

void QueueStorage::PublishStatus() {
  Status status;
  for (const auto& [name, queue] : queues_) {
    if (queue.queue->claimed()) continue;
    const QueueStats stats = queue.queue->stats();
    status.unclaimed_blocks += stats.blocks;
    status.unclaimed_bytes += stats.bytes;
  }
  if (store_ != nullptr) {
    status.has_disk = true;
    status.disk_ok = !failing_ && store_->repair() == BlockStore::Repair::kNone;
    if (!status.disk_ok) status.error = store_->error();
    status.file_bytes = store_->file_bytes();
    status.files_set_aside = store_->files_set_aside();
  }
  MutexLock lock(&status_mutex_);
  status_ = std::move(status);
}

QueueStorage::Status QueueStorage::status() const {
  MutexLock lock(&status_mutex_);
  return status_;
}

}  // namespace spanmeter
