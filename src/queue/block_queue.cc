#include "spanmeter/block_queue.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include "queue/block_store.h"

namespace spanmeter {

namespace {

constexpr uint64_t kMinCharge = 1024;

// Blocks lie in the order in which they came, which is that of their age unless the wall clock was
// turned back. So usually only the first ones are looked at, and all of them now and then.
constexpr int64_t kFullCheckNanos = 60 * kNanosPerSecond;

// When a body could not be read, but may be later.
constexpr int64_t kReadRetryNanos = kNanosPerSecond;
constexpr int kMaxReadTries = 8;

constexpr int64_t kLogIntervalNanos = 60 * kNanosPerSecond;

// When blocks of former processes were appended: so long ago that nothing waits for more.
constexpr int64_t kLongAgoNanos = std::numeric_limits<int64_t>::min() / 2;

SampleCounts& Subtract(const SampleCounts& part, SampleCounts* sum) {
  sum->samples -= part.samples;
  sum->histograms -= part.histograms;
  sum->exemplars -= part.exemplars;
  return *sum;
}

// The lower of two limits, of which the first may not be set.
template <typename T>
T Lower(T limit, T other) {
  return limit > 0 ? std::min(limit, other) : other;
}

bool IsSame(const BlockIndex::Entry& a, const BlockIndex::Entry& b) {
  return a.counts() == b.counts() && a.body_bytes == b.body_bytes && a.first_hash == b.first_hash &&
         a.last_hash == b.last_hash && a.oldest_ms == b.oldest_ms && a.newest_ms == b.newest_ms;
}

}  // namespace

BlockQueue::BlockQueue(std::string name, const StorageOptions& storage, std::string unit,
                       std::shared_ptr<BlockStore> store, std::atomic<uint64_t>* next_id,
                       const Clock* clock, const Logger* logger)
    : name_(std::move(name)),
      storage_(storage),
      unit_(std::move(unit)),
      store_(std::move(store)),
      next_id_(next_id),
      clock_(clock),
      logger_(logger),
      throttles_{LogThrottle(clock, kLogIntervalNanos), LogThrottle(clock, kLogIntervalNanos),
                 LogThrottle(clock, kLogIntervalNanos), LogThrottle(clock, kLogIntervalNanos),
                 LogThrottle(clock, kLogIntervalNanos)} {}

uint64_t BlockQueue::Charge(uint64_t body_bytes) { return std::max(body_bytes, kMinCharge); }

uint64_t BlockQueue::max_size() const { return Lower(limits_.max_size, storage_.max_size); }
uint64_t BlockQueue::max_memory() const { return Lower(limits_.max_memory, storage_.max_memory); }

BlockQueue::Lease BlockQueue::Take(const TakeOptions& options, int64_t* next_nanos) {
  return TakeAny(options, false, next_nanos);
}

BlockQueue::Lease BlockQueue::TakeShared(const TakeOptions& options, int64_t* next_nanos) {
  return TakeAny(options, true, next_nanos);
}

BlockQueue::Lease BlockQueue::TakeAny(const TakeOptions& options, bool shared,
                                      int64_t* next_nanos) {
  for (int i = 0; i < kMaxReadTries; ++i) {
    bool again = false;
    Lease lease = TakeOnce(options, shared, next_nanos, &again);
    if (!again) return lease;
  }
  *next_nanos = clock_->MonotonicNanos() + kReadRetryNanos;
  return {};
}

BlockQueue::Lease BlockQueue::TakeOnce(const TakeOptions& options, bool shared, int64_t* next_nanos,
                                       bool* again) {
  const int64_t now_nanos = clock_->MonotonicNanos();
  Lease lease;
  std::vector<uint64_t> on_disk;
  {
    MutexLock lock(&mutex_);
    for (const Entry* entry : index_.Take(options, now_nanos, next_nanos)) {
      Block& block = lease.blocks.emplace_back();
      block.protocol = entry->protocol;
      block.tenant = entry->tenant->name;
      block.first_hash = entry->first_hash;
      block.last_hash = entry->last_hash;
      block.counts = entry->counts();
      block.oldest_ms = entry->oldest_ms;
      block.newest_ms = entry->newest_ms;
      if (shared) lease.bodies.emplace_back();
      if (entry->in_memory) {
        const Body& body = memory_[entry->id];
        if (shared) {
          lease.bodies.back() = body;
        } else {
          block.body = *body;
        }
      } else {
        on_disk.push_back(entry->id);
      }
      lease.ids.push_back(entry->id);
    }
  }
  if (on_disk.empty()) return lease;

  // Nobody else touches blocks that are given out, so the disk is waited for without the lock.
  std::vector<std::optional<std::string>> bodies;
  const bool available = store_->Read(on_disk, &bodies);
  Drops drops;
  Lease rest;
  {
    MutexLock lock(&mutex_);
    if (!available) {
      std::vector<Entry*> entries;
      for (const uint64_t id : lease.ids) {
        if (Entry* entry = index_.Find(id)) entries.push_back(entry);
      }
      index_.PutBack(entries, now_nanos + kReadRetryNanos);
      *again = true;
      return {};
    }
    auto read = bodies.begin();
    auto read_id = on_disk.begin();
    for (size_t i = 0; i < lease.ids.size(); ++i) {
      if (read_id != on_disk.end() && *read_id == lease.ids[i]) {
        std::optional<std::string>& body = *read++;
        ++read_id;
        if (!body) {
          if (Entry* entry = index_.Find(lease.ids[i])) Drop(entry, DropReason::kCorrupt, &drops);
          continue;
        }
        if (shared) {
          lease.bodies[i] = std::make_shared<const std::string>(std::move(*body));
        } else {
          lease.blocks[i].body = std::move(*body);
        }
      }
      rest.ids.push_back(lease.ids[i]);
      rest.blocks.push_back(std::move(lease.blocks[i]));
      if (shared) rest.bodies.push_back(std::move(lease.bodies[i]));
    }
  }
  Report(drops);
  *again = rest.empty();
  return rest;
}

void BlockQueue::Settle(const Lease& lease) {
  MutexLock lock(&mutex_);
  for (const uint64_t id : lease.ids) {
    if (Entry* entry = index_.Find(id)) Forget(entry);
  }
  index_.CountSettled();
}

void BlockQueue::Return(const Lease& lease, int64_t not_before_nanos) {
  MutexLock lock(&mutex_);
  std::vector<Entry*> entries;
  for (const uint64_t id : lease.ids) {
    if (Entry* entry = index_.Find(id)) entries.push_back(entry);
  }
  index_.Return(entries, not_before_nanos);
}

void BlockQueue::EnforceBounds() {
  Drops drops;
  {
    MutexLock lock(&mutex_);
    DropOld(&drops);
    DropSurplus(0, &drops);
  }
  Report(drops);
}

void BlockQueue::MakeRoom(uint64_t bytes) {
  Drops drops;
  {
    MutexLock lock(&mutex_);
    DropOld(&drops);
    DropSurplus(bytes, &drops);
  }
  Report(drops);
}

void BlockQueue::DropOld(Drops* drops) {
  const int64_t max_age = Lower(limits_.max_age, storage_.max_age);
  const int64_t oldest_ms = (clock_->WallNanos() - max_age) / kNanosPerMilli;
  const int64_t now_nanos = clock_->MonotonicNanos();
  const bool all = now_nanos >= next_full_check_nanos_;
  if (all) next_full_check_nanos_ = now_nanos + kFullCheckNanos;
  auto& entries = index_.entries();
  for (auto next = entries.begin(); next != entries.end();) {
    Entry* const entry = &(next++)->second;
    if (entry->newest_ms < oldest_ms && entry->state != BlockIndex::State::kGiven) {
      Drop(entry, DropReason::kTooOld, drops);
    } else if (!all && entry->newest_ms >= oldest_ms) {
      break;
    }
  }
}

void BlockQueue::DropSurplus(uint64_t more_bytes, Drops* drops) {
  auto& entries = index_.entries();
  for (auto next = entries.begin();
       next != entries.end() && charge_ + reserved_ + more_bytes > max_size();) {
    Entry* const entry = &(next++)->second;
    if (entry->state != BlockIndex::State::kGiven) Drop(entry, DropReason::kQueueFull, drops);
  }
  for (auto next = memory_.begin();
       next != memory_.end() && memory_charge_ + reserved_ > max_memory();) {
    Entry* const entry = index_.Find((next++)->first);
    if (entry->state != BlockIndex::State::kGiven) Drop(entry, DropReason::kQueueFull, drops);
  }
}

void BlockQueue::Add(const Entry& entry) {
  counts_ += entry.counts();
  bytes_ += entry.body_bytes;
  charge_ += Charge(entry);
  if (entry.in_memory) {
    memory_bytes_ += entry.body_bytes;
    memory_charge_ += Charge(entry);
  }
}

void BlockQueue::Forget(Entry* entry) {
  Subtract(entry->counts(), &counts_);
  bytes_ -= entry->body_bytes;
  charge_ -= Charge(*entry);
  if (entry->in_memory) {
    memory_bytes_ -= entry->body_bytes;
    memory_charge_ -= Charge(*entry);
    memory_.erase(entry->id);
  } else {
    store_->Forget(entry->id);
  }
  index_.Remove(entry);
}

void BlockQueue::Drop(Entry* entry, DropReason reason, Drops* drops) {
  DroppedBlocks& dropped = (*drops)[static_cast<size_t>(reason)];
  dropped.counts += entry->counts();
  ++dropped.blocks;
  dropped.bytes += entry->body_bytes;
  Forget(entry);
}

void BlockQueue::Report(const Drops& drops) {
  DropCallback on_drop;
  for (size_t i = 0; i < drops.size(); ++i) {
    if (drops[i].blocks == 0) continue;
    if (!on_drop) {
      MutexLock lock(&mutex_);
      on_drop = on_drop_;
    }
    if (on_drop) on_drop(static_cast<DropReason>(i), drops[i]);
    uint64_t suppressed = 0;
    if (!throttles_[i].Allow(&suppressed)) continue;
    logger_->Warn("dropped " + unit_ + " that waited for their receiver",
                  {{"remote_name", name_},
                   {"reason", kDropReasonNames[i]},
                   {unit_, drops[i].counts.samples},
                   {"histograms", drops[i].counts.histograms},
                   {"times_since_last_line", suppressed + 1}});
  }
}

QueueStats BlockQueue::stats() const {
  MutexLock lock(&mutex_);
  QueueStats stats;
  const auto& entries = index_.entries();
  stats.blocks = entries.size();
  stats.bytes = bytes_;
  stats.memory_bytes = memory_bytes_;
  stats.counts = counts_;
  if (!entries.empty()) stats.oldest_ms = entries.begin()->second.oldest_ms;
  return stats;
}

void BlockQueue::Configure(const QueueLimits& limits, DropCallback on_drop) {
  MutexLock lock(&mutex_);
  limits_ = limits;
  on_drop_ = std::move(on_drop);
}

uint64_t BlockQueue::Claim() {
  MutexLock lock(&mutex_);
  return claim_ = ++claims_;
}

void BlockQueue::Unclaim(uint64_t claim) {
  MutexLock lock(&mutex_);
  if (claim_ != claim) return;
  claim_ = 0;
  limits_ = QueueLimits();
  on_drop_ = nullptr;
}

bool BlockQueue::claimed() const {
  MutexLock lock(&mutex_);
  return claim_ != 0;
}

bool BlockQueue::Reserve(uint64_t bytes) {
  MutexLock lock(&mutex_);
  const uint64_t more = reserved_ + Charge(bytes);
  if (charge_ + more > max_size() || memory_charge_ + more > max_memory()) return false;
  reserved_ = more;
  return true;
}

void BlockQueue::Unreserve(uint64_t bytes) {
  MutexLock lock(&mutex_);
  reserved_ -= Charge(bytes);
}

void BlockQueue::Append(const Block& block, std::shared_ptr<const std::string> body,
                        uint64_t reserved) {
  const int64_t now_nanos = clock_->MonotonicNanos();
  {
    MutexLock lock(&mutex_);
    if (reserved > 0) reserved_ -= Charge(reserved);
    Entry entry = MakeEntry(next_id_->fetch_add(1), block, body->size(), now_nanos);
    entry.in_memory = true;
    Add(*index_.Append(entry, block.tenant));
    memory_.emplace(entry.id, std::move(body));
  }
  EnforceBounds();
}

BlockQueue::Entry BlockQueue::MakeEntry(uint64_t id, const Block& block, uint64_t body_bytes,
                                        int64_t now_nanos) {
  const auto narrow = [](uint64_t value) {
    return static_cast<uint32_t>(std::min<uint64_t>(value, std::numeric_limits<uint32_t>::max()));
  };
  Entry entry;
  entry.id = id;
  entry.first_hash = block.first_hash;
  entry.last_hash = block.last_hash;
  entry.oldest_ms = block.oldest_ms;
  entry.newest_ms = block.newest_ms;
  entry.nanos = now_nanos;
  entry.samples = narrow(block.counts.samples);
  entry.histograms = narrow(block.counts.histograms);
  entry.exemplars = narrow(block.counts.exemplars);
  entry.body_bytes = narrow(body_bytes);
  entry.protocol = block.protocol;
  return entry;
}

void BlockQueue::AppendAll(std::vector<NewBlock> blocks, const std::string& tenant) {
  {
    MutexLock lock(&mutex_);
    for (NewBlock& block : blocks) {
      block.entry.in_memory = block.body != nullptr;
      Add(*index_.Append(block.entry, tenant));
      if (block.body != nullptr) memory_.emplace(block.entry.id, std::move(block.body));
    }
  }
  EnforceBounds();
}

void BlockQueue::Reconcile(const std::vector<BlockStore::Contents::Stored>& stored,
                           const std::vector<uint64_t>& forgotten) {
  Drops drops;
  {
    MutexLock lock(&mutex_);
    std::set<uint64_t> missing;
    for (const auto& [id, entry] : index_.entries()) {
      if (!entry.in_memory) missing.insert(missing.end(), id);
    }
    std::vector<const BlockStore::Contents::Stored*> found;
    for (const auto& block : stored) {
      missing.erase(block.entry.id);
      if (const Entry* same = index_.Find(block.entry.id)) {
        // A write that failed may have reached the disk all the same; but ids of a former process
        // can come again when the clock was turned back.
        if (!IsSame(*same, block.entry)) {
          DroppedBlocks& dropped = drops[static_cast<size_t>(DropReason::kCorrupt)];
          dropped.counts += block.entry.counts();
          ++dropped.blocks;
          dropped.bytes += block.entry.body_bytes;
        }
      } else if (!std::binary_search(forgotten.begin(), forgotten.end(), block.entry.id)) {
        found.push_back(&block);
      }
    }
    for (const uint64_t id : missing) {
      Entry* const entry = index_.Find(id);
      // The sender has the bodies of those.
      if (entry->state != BlockIndex::State::kGiven) Drop(entry, DropReason::kCorrupt, &drops);
    }
    if (!found.empty()) {
      BlockIndex merged;
      auto next = found.begin();
      const auto add_found_before = [&](uint64_t id) {
        for (; next != found.end() && (*next)->entry.id < id; ++next) {
          Entry entry = (*next)->entry;
          entry.nanos = kLongAgoNanos;
          merged.Append(entry, *(*next)->tenant);
        }
      };
      for (const auto& [id, entry] : index_.entries()) {
        add_found_before(id);
        merged.AppendWithState(entry, entry.tenant->name);
      }
      add_found_before(std::numeric_limits<uint64_t>::max());
      index_ = std::move(merged);
      for (const auto* block : found) Add(block->entry);
    }
  }
  Report(drops);
}

std::vector<BlockQueue::InMemory> BlockQueue::Memory(int64_t until_nanos,
                                                     uint64_t max_bytes) const {
  MutexLock lock(&mutex_);
  std::vector<InMemory> memory;
  uint64_t bytes = 0;
  for (const auto& [id, body] : memory_) {
    const Entry& entry = index_.entries().at(id);
    // Of those that failed the time says when they may be sent again: they have waited.
    const bool failed =
        entry.state == BlockIndex::State::kReturned || entry.state == BlockIndex::State::kAlone;
    if (!failed && entry.nanos > until_nanos) continue;
    if (bytes >= max_bytes) break;
    bytes += entry.body_bytes;
    memory.push_back({entry, entry.tenant->name, body});
  }
  return memory;
}

uint64_t BlockQueue::blocks_on_disk() const {
  MutexLock lock(&mutex_);
  return index_.entries().size() - memory_.size();
}

void BlockQueue::MovedToDisk(const std::vector<uint64_t>& ids) {
  MutexLock lock(&mutex_);
  for (const uint64_t id : ids) {
    Entry* const entry = index_.Find(id);
    if (entry == nullptr) {
      // It was settled or dropped in the meantime.
      store_->Forget(id);
      continue;
    }
    entry->in_memory = false;
    memory_bytes_ -= entry->body_bytes;
    memory_charge_ -= Charge(*entry);
    memory_.erase(id);
  }
}

void BlockQueue::DropMemory() {
  Drops drops;
  {
    MutexLock lock(&mutex_);
    while (!memory_.empty()) {
      Drop(index_.Find(memory_.begin()->first), DropReason::kShutdown, &drops);
    }
  }
  Report(drops);
}

}  // namespace spanmeter
