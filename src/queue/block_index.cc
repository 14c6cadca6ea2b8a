#include "spanmeter/block_index.h"

#include <algorithm>
#include <queue>
#include <utility>

namespace spanmeter {

namespace {

// While failures follow each other, one of so many tries is something that has not failed yet.
constexpr uint64_t kFreshEvery = 8;

// So many blocks that wait for a retry are looked at for one lease.
constexpr size_t kMaxRetriesSeen = 1024;

// Blocks without points exist, and must not go together without end.
uint64_t Weight(const BlockIndex::Entry& block) { return std::max<uint64_t>(block.points(), 1); }

int64_t SaturatingAdd(int64_t a, int64_t b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return kNeverNanos;
  return sum;
}

void Erase(BlockIndex::Entry* block, absl::InlinedVector<BlockIndex::Entry*, 2>* list) {
  list->erase(std::find(list->begin(), list->end(), block));
}

bool Contains(const absl::InlinedVector<BlockIndex::Entry*, 2>& list, BlockIndex::Entry* block) {
  return std::find(list.begin(), list.end(), block) != list.end();
}

}  // namespace

BlockIndex::Entry* BlockIndex::Append(const Entry& block, std::string_view tenant) {
  auto found = tenants_.find(tenant);
  if (found == tenants_.end()) {
    found = tenants_.emplace(std::string(tenant), std::make_unique<Tenant>()).first;
    found->second->name = tenant;
  }
  Entry* entry = &entries_.emplace_hint(entries_.end(), block.id, block)->second;
  entry->state = State::kFresh;
  entry->in_lease = false;
  entry->before.clear();
  entry->after.clear();
  entry->tenant = found->second.get();
  ++entry->tenant->blocks;
  Link(entry);
  AddIfReady(entry);
  return entry;
}

BlockIndex::Entry* BlockIndex::AppendWithState(const Entry& block, std::string_view tenant) {
  Entry* entry = Append(block, tenant);
  RemoveIfReady(entry);
  entry->state = block.state;
  AddIfReady(entry);
  return entry;
}

BlockIndex::Tenant::Parts::iterator BlockIndex::SplitAt(Tenant::Parts* parts, uint64_t hash) {
  const auto next = parts->lower_bound(hash);
  if (next == parts->begin() || (next != parts->end() && next->first == hash)) return next;
  const auto part = std::prev(next);
  if (part->second.last_hash < hash) return next;
  const auto second = parts->emplace_hint(next, hash, part->second);
  part->second.last_hash = hash - 1;
  return second;
}

void BlockIndex::Link(Entry* block) {
  Tenant::Parts& parts = block->tenant->parts;
  constexpr uint64_t kLastHash = std::numeric_limits<uint64_t>::max();
  auto part = SplitAt(&parts, block->first_hash);
  if (block->last_hash != kLastHash) {
    SplitAt(&parts, block->last_hash + 1);
    // A part that began at the first hash may have been cut, which does not move it.
    part = parts.lower_bound(block->first_hash);
  }
  while (part != parts.end() && part->first <= block->last_hash) {
    Entry* const earlier = part->second.block;
    // Parts of one block lie beside each other or not; a block may be met several times.
    if (earlier->after.empty() || earlier->after.back() != block) {
      earlier->after.push_back(block);
      block->before.push_back(earlier);
    }
    part = parts.erase(part);
  }
  parts.emplace_hint(part, block->first_hash, Tenant::Part{block->last_hash, block});
}

void BlockIndex::GiveUpParts(Entry* block) {
  Tenant::Parts& parts = block->tenant->parts;
  std::sort(block->before.begin(), block->before.end(), ById());
  for (auto part = parts.lower_bound(block->first_hash);
       part != parts.end() && part->first <= block->last_hash;) {
    if (part->second.block != block) {
      ++part;
      continue;
    }
    const uint64_t first = part->first;
    const uint64_t last = part->second.last_hash;
    part = parts.erase(part);
    // The latest that covers a place comes before `block` there. Looking from the latest to the
    // earliest, each takes what is not taken yet.
    std::vector<std::pair<uint64_t, uint64_t>> left = {{first, last}};
    for (auto earlier = block->before.rbegin(); earlier != block->before.rend(); ++earlier) {
      std::vector<std::pair<uint64_t, uint64_t>> still_left;
      for (const auto& [from, to] : left) {
        const uint64_t begin = std::max(from, (*earlier)->first_hash);
        const uint64_t end = std::min(to, (*earlier)->last_hash);
        if (begin > end) {
          still_left.emplace_back(from, to);
          continue;
        }
        parts.emplace(begin, Tenant::Part{end, *earlier});
        if (from < begin) still_left.emplace_back(from, begin - 1);
        if (to > end) still_left.emplace_back(end + 1, to);
      }
      left = std::move(still_left);
    }
  }
}

void BlockIndex::Remove(Entry* block) {
  RemoveIfReady(block);
  GiveUpParts(block);
  for (Entry* earlier : block->before) Erase(block, &earlier->after);
  for (Entry* later : block->after) {
    Erase(block, &later->before);
    for (Entry* earlier : block->before) {
      if (!earlier->Overlaps(*later) || Contains(later->before, earlier)) continue;
      earlier->after.push_back(later);
      later->before.push_back(earlier);
    }
    AddIfReady(later);
  }
  Tenant* const tenant = block->tenant;
  if (--tenant->blocks == 0) tenants_.erase(tenants_.find(tenant->name));
  entries_.erase(block->id);
}

void BlockIndex::AddIfReady(Entry* block) {
  if (!block->before.empty()) return;
  switch (block->state) {
    case State::kFresh:
      AddReady(block);
      break;
    case State::kReturned:
    case State::kAlone:
      waiting_.insert(block);
      break;
    case State::kGiven:
      break;
  }
}

void BlockIndex::RemoveIfReady(Entry* block) {
  if (!block->before.empty()) return;
  switch (block->state) {
    case State::kFresh:
      RemoveReady(block);
      break;
    case State::kReturned:
    case State::kAlone:
      waiting_.erase(block);
      break;
    case State::kGiven:
      break;
  }
}

void BlockIndex::AddReady(Entry* block) {
  Tenant* const tenant = block->tenant;
  if (!tenant->ready.empty()) tenant_order_.erase((*tenant->ready.begin())->id);
  tenant->ready.insert(block);
  tenant_order_.emplace((*tenant->ready.begin())->id, tenant);
  ready_.insert(block);
}

void BlockIndex::RemoveReady(Entry* block) {
  Tenant* const tenant = block->tenant;
  tenant_order_.erase((*tenant->ready.begin())->id);
  tenant->ready.erase(block);
  if (!tenant->ready.empty()) tenant_order_.emplace((*tenant->ready.begin())->id, tenant);
  ready_.erase(block);
}

bool BlockIndex::MayJoin(const Entry& block, int64_t now_nanos) {
  const bool may_be_sent =
      block.state == State::kFresh || (block.state == State::kReturned && block.nanos <= now_nanos);
  return may_be_sent && std::all_of(block.before.begin(), block.before.end(),
                                    [](const Entry* earlier) { return earlier->in_lease; });
}

std::vector<BlockIndex::Entry*> BlockIndex::Combine(const EntrySet& ready, uint64_t max_points,
                                                    int64_t now_nanos, bool* full) {
  *full = false;
  std::vector<Entry*> lease;
  uint64_t points = 0;
  auto next = ready.begin();
  // What may be sent after what is in the lease; the oldest is on top.
  const auto later = [](const Entry* a, const Entry* b) { return a->id > b->id; };
  std::priority_queue<Entry*, std::vector<Entry*>, decltype(later)> following(later);
  while (next != ready.end() || !following.empty()) {
    const bool follows =
        next == ready.end() || (!following.empty() && following.top()->id < (*next)->id);
    Entry* const block = follows ? following.top() : *next;
    if (!lease.empty() && points + Weight(*block) > max_points) {
      *full = true;
      break;
    }
    if (follows) {
      following.pop();
    } else {
      ++next;
    }
    lease.push_back(block);
    block->in_lease = true;
    points += Weight(*block);
    if (points >= max_points) {
      *full = true;
      break;
    }
    for (Entry* candidate : block->after) {
      if (MayJoin(*candidate, now_nanos)) following.push(candidate);
    }
  }
  for (Entry* block : lease) block->in_lease = false;
  return lease;
}

std::vector<BlockIndex::Entry*> BlockIndex::CombineFresh(const TakeOptions& options,
                                                         int64_t now_nanos,
                                                         int64_t* next_nanos) const {
  // Whether to give out the lease; if not, *next_nanos is at most when it is to be.
  const auto is_due = [&](const std::vector<Entry*>& lease, bool full) {
    if (lease.empty()) return false;
    const int64_t due_nanos = SaturatingAdd(lease.front()->nanos, options.max_wait_nanos);
    if (full || due_nanos <= now_nanos) return true;
    *next_nanos = std::min(*next_nanos, due_nanos);
    return false;
  };
  bool full = false;
  if (!options.by_tenant) {
    std::vector<Entry*> lease = Combine(ready_, options.max_points, now_nanos, &full);
    return is_due(lease, full) ? lease : std::vector<Entry*>();
  }
  for (const auto& [id, tenant] : tenant_order_) {
    std::vector<Entry*> lease = Combine(tenant->ready, options.max_points, now_nanos, &full);
    if (is_due(lease, full)) return lease;
  }
  return {};
}

std::vector<BlockIndex::Entry*> BlockIndex::CombineRetries(const TakeOptions& options,
                                                           int64_t now_nanos) const {
  Entry* const first = *waiting_.begin();
  if (first->state == State::kAlone) return {first};
  EntrySet due;
  uint64_t points = 0;
  size_t seen = 0;
  for (Entry* block : waiting_) {
    if (block->nanos > now_nanos || ++seen > kMaxRetriesSeen) break;
    if (block->state == State::kAlone) continue;
    if (options.by_tenant && block->tenant != first->tenant) continue;
    if (!due.empty() && points + Weight(*block) > options.max_points) break;
    points += Weight(*block);
    due.insert(block);
  }
  bool full = false;
  return Combine(due, options.max_points, now_nanos, &full);
}

std::vector<BlockIndex::Entry*> BlockIndex::Take(const TakeOptions& options, int64_t now_nanos,
                                                 int64_t* next_nanos) {
  *next_nanos = kNeverNanos;
  const bool retry_is_due = !waiting_.empty() && (*waiting_.begin())->nanos <= now_nanos;
  const bool fresh_first = failures_in_row_ % kFreshEvery == 1;
  std::vector<Entry*> lease;
  if (retry_is_due && !fresh_first) {
    lease = CombineRetries(options, now_nanos);
  } else {
    lease = CombineFresh(options, now_nanos, next_nanos);
    if (lease.empty() && retry_is_due) lease = CombineRetries(options, now_nanos);
  }
  if (lease.empty() && !waiting_.empty()) {
    *next_nanos = std::min(*next_nanos, (*waiting_.begin())->nanos);
  }
  for (Entry* block : lease) {
    RemoveIfReady(block);
    block->state = State::kGiven;
  }
  return lease;
}

void BlockIndex::CountSettled() {
  last_settled_ = true;
  failures_in_row_ = 0;
}

void BlockIndex::Return(const std::vector<Entry*>& lease, int64_t not_before_nanos) {
  PutBack(lease, not_before_nanos);
  // When nothing succeeds at all, that may be due to one block which the others are put together
  // with each time.
  const bool take_apart = last_settled_ || failures_in_row_ % kFreshEvery == kFreshEvery - 1;
  if (take_apart) {
    for (Entry* block : lease) block->state = State::kAlone;
  }
  last_settled_ = false;
  ++failures_in_row_;
}

void BlockIndex::PutBack(const std::vector<Entry*>& lease, int64_t not_before_nanos) {
  for (Entry* block : lease) {
    block->nanos = not_before_nanos;
    block->state = State::kReturned;
    AddIfReady(block);
  }
}

BlockIndex::Entry* BlockIndex::Find(uint64_t id) {
  const auto found = entries_.find(id);
  return found == entries_.end() ? nullptr : &found->second;
}

}  // namespace spanmeter
