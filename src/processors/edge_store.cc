#include "processors/edge_store.h"

#include <algorithm>
#include <limits>
#include <new>
#include <random>
#include <utility>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "processors/edge_texts.h"

namespace spanmeter {

namespace {

// So many sides, and marks, are taken out while a shard is locked: a few microseconds' worth.
constexpr size_t kExpireBatch = 64;

uint64_t RandomSeed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

bool IsDue(int64_t created_nanos, int64_t wait_nanos, int64_t now_nanos) {
  return now_nanos - created_nanos >= wait_nanos;
}

}  // namespace

// A request on its way through the store.
struct EdgeStore::Request {
  const EdgeSide& side(uint32_t position) const { return sides[position]; }
  std::string_view TextsOf(const EdgeSide& side) const {
    return texts.substr(side.texts_begin, side.texts_size);
  }

  std::span<const EdgeSide> sides;
  std::string_view texts;
  std::vector<EdgeMatch>* matches = nullptr;
  int64_t now_nanos = 0;
  int64_t wait_nanos = 0;
  // Of the first side.
  uint64_t sequence = 0;
  uint64_t dropped = 0;
};

void HalfEdgeDeleter::operator()(HalfEdge* half) const {
  half->~HalfEdge();
  ::operator delete(half);
}

EdgeStore::EdgeStore(const EdgeLimits& limits, const Clock* clock,
                     std::shared_ptr<EdgeCounters> counters, uint64_t hash_mask)
    : clock_(clock), counters_(std::move(counters)), hash_mask_(hash_mask), seed_(RandomSeed()) {
  SetLimits(limits);
}

EdgeStore::~EdgeStore() {
  for (Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    AddTo(&counters_->evicted, shard.halves.size());
    for (HalfEdge* half = shard.halves.oldest(); half != nullptr;) {
      const HalfEdgePtr owner(std::exchange(half, half->newer));
    }
    for (const Mark* mark = shard.marks.oldest(); mark != nullptr;) {
      delete std::exchange(mark, mark->newer);
    }
  }
}

void EdgeStore::SetLimits(const EdgeLimits& limits) {
  const uint64_t max_items = std::max<uint64_t>(limits.max_items, 1);
  wait_nanos_.store(limits.wait_nanos, std::memory_order_relaxed);
  halves_.SetLimits(max_items, max_items * kBytesPerItem + kMaxTextBytes);
  marks_.SetLimits(max_items, std::numeric_limits<uint64_t>::max());
  while (halves_.Exceeded() && EvictHalf()) {
  }
  while (marks_.Exceeded() && EvictMark()) {
  }
}

EdgeStore::Hashed EdgeStore::HashOf(const char* trace_id, const char* span_id) const {
  const uint64_t trace = XXH3_64bits_withSeed(trace_id, kTraceIdSize, seed_);
  // All sides of a trace are in one shard, so that those of a request share a lock.
  return {(trace & hash_mask_) >> (64 - kShardBits),
          XXH3_64bits_withSeed(span_id, kSpanIdSize, trace) & hash_mask_};
}

void EdgeStore::Process(std::span<const EdgeSide> sides, std::string_view texts,
                        std::vector<EdgeMatch>* matches) {
  if (sides.empty()) return;
  Request request;
  request.sides = sides;
  request.texts = texts;
  request.matches = matches;
  request.now_nanos = clock_->MonotonicNanos();
  request.wait_nanos = wait_nanos_.load(std::memory_order_relaxed);
  request.sequence = next_sequence_.fetch_add(sides.size(), std::memory_order_relaxed);

  const auto alone = [&](uint32_t i) { return sides[i].action == EdgeSide::Action::kAlone; };
  const auto hash_of = [&](uint32_t i) { return HashOf(sides[i].trace_id, sides[i].span_id); };
  uint32_t i = 0;
  while (i < sides.size()) {
    if (alone(i)) {
      matches->push_back({i++, nullptr});
      continue;
    }
    Hashed place = hash_of(i);
    Shard* const shard = &shards_[place.shard];
    Outcome outcome = Outcome::kDone;
    {
      const MutexLock lock(&shard->mutex);
      // The run of sides that belong to this shard.
      for (;;) {
        outcome = ProcessLocked(shard, place.hash, &request, i);
        if (outcome != Outcome::kDone) break;
        while (++i < sides.size() && alone(i)) matches->push_back({i, nullptr});
        if (i == sides.size()) break;
        place = hash_of(i);
        if (&shards_[place.shard] != shard) break;
      }
      PublishLocked(shard);
    }
    // Makes room with no lock held, as the oldest may be anywhere, and tries once more.
    if (outcome == Outcome::kHalvesFull) EvictHalf();
    if (outcome == Outcome::kMarksFull) EvictMark();
  }
  AddTo(&counters_->dropped, request.dropped);
}

EdgeStore::Outcome EdgeStore::ProcessLocked(Shard* shard, uint64_t hash, Request* request,
                                            uint32_t position) {
  const EdgeSide& side = request->side(position);
  const EdgeKey key(side.trace_id, side.span_id);
  const bool client = side.facts.client();
  HalfEdge* const half = shard->halves.Find(hash, key);

  if (side.action == EdgeSide::Action::kDrop) {
    if (half != nullptr && half->facts.client() != client) {
      TakeLocked(shard, hash, half);
      ++request->dropped;
    }
    return MarkLocked(shard, hash, *request, position);
  }
  const Mark* const mark = shard->marks.Find(hash, Mark::Key{&key, !client});
  if (mark != nullptr && !IsDue(mark->created_nanos, request->wait_nanos, request->now_nanos)) {
    ++request->dropped;
    return Outcome::kDone;
  }
  if (half != nullptr &&
      (half->facts.client() != client || side.action == EdgeSide::Action::kWhole)) {
    request->matches->push_back({position, TakeLocked(shard, hash, half)});
    return Outcome::kDone;
  }
  if (side.action == EdgeSide::Action::kWhole) {
    request->matches->push_back({position, nullptr});
    return Outcome::kDone;
  }
  return half == nullptr ? StoreLocked(shard, hash, *request, position)
                         : RepeatLocked(shard, hash, *request, position, half);
}

EdgeStore::Outcome EdgeStore::StoreLocked(Shard* shard, uint64_t hash, const Request& request,
                                          uint32_t position) {
  const EdgeSide& side = request.side(position);
  if (side.texts_size > kMaxTextBytes) {
    AddTo(&counters_->too_large, 1);
    return Outcome::kDone;
  }
  if (!halves_.TryTake(1, BytesOf(side.texts_size))) return Outcome::kHalvesFull;
  HalfEdgePtr half =
      NewHalf(EdgeKey(side.trace_id, side.span_id), side.facts, request.TextsOf(side));
  half->created_nanos = request.now_nanos;
  half->sequence = request.sequence + position;
  shard->halves.Insert(hash, half.release());
  return Outcome::kDone;
}

EdgeStore::Outcome EdgeStore::RepeatLocked(Shard* shard, uint64_t hash, const Request& request,
                                           uint32_t position, HalfEdge* half) {
  const EdgeSide& side = request.side(position);
  EdgeFacts facts = side.facts;
  facts.failed = facts.failed || half->facts.failed;
  if (facts.multiplier == 0) facts.multiplier = half->facts.multiplier;
  const std::string_view later = request.TextsOf(side);
  if (later == half->texts()) {
    half->facts = facts;
    return Outcome::kDone;
  }
  const std::string texts = MergeEdgeTexts(half->texts(), later);
  if (texts.size() > kMaxTextBytes) {
    AddTo(&counters_->too_large, 1);
    return Outcome::kDone;
  }
  if (texts.size() > half->texts_size) {
    if (!halves_.TryTake(0, texts.size() - half->texts_size)) return Outcome::kHalvesFull;
  } else {
    halves_.GiveBack(0, half->texts_size - texts.size());
  }
  HalfEdge* const merged = NewHalf(half->key, facts, texts).release();
  merged->created_nanos = half->created_nanos;
  merged->sequence = half->sequence;
  shard->halves.Replace(hash, half, merged);
  HalfEdgeDeleter()(half);
  return Outcome::kDone;
}

EdgeStore::Outcome EdgeStore::MarkLocked(Shard* shard, uint64_t hash, const Request& request,
                                         uint32_t position) {
  const EdgeSide& side = request.side(position);
  const EdgeKey key(side.trace_id, side.span_id);
  Mark* mark = shard->marks.Find(hash, Mark::Key{&key, side.facts.client()});
  if (mark != nullptr) {
    shard->marks.Remove(hash, mark);
  } else {
    if (!marks_.TryTake(1, 0)) return Outcome::kMarksFull;
    mark = new Mark{nullptr, nullptr, key, 0, 0, side.facts.client()};
  }
  mark->created_nanos = request.now_nanos;
  mark->sequence = request.sequence + position;
  shard->marks.Insert(hash, mark);
  return Outcome::kDone;
}

HalfEdgePtr EdgeStore::TakeLocked(Shard* shard, uint64_t hash, HalfEdge* half) {
  shard->halves.Remove(hash, half);
  halves_.GiveBack(1, BytesOf(half->texts_size));
  return HalfEdgePtr(half);
}

void EdgeStore::RemoveMarkLocked(Shard* shard, Mark* mark) {
  shard->marks.Remove(HashOf(mark->key.trace_id(), mark->key.span_id()).hash, mark);
  marks_.GiveBack(1, 0);
  delete mark;
}

void EdgeStore::PublishLocked(Shard* shard) {
  const HalfEdge* const half = shard->halves.oldest();
  const Mark* const mark = shard->marks.oldest();
  shard->oldest_half.store(half == nullptr ? kNone : half->sequence, std::memory_order_relaxed);
  shard->oldest_mark.store(mark == nullptr ? kNone : mark->sequence, std::memory_order_relaxed);
}

HalfEdgePtr EdgeStore::NewHalf(const EdgeKey& key, const EdgeFacts& facts, std::string_view texts) {
  void* const memory = ::operator new(BytesOf(texts.size()));
  auto* const half = new (memory) HalfEdge{nullptr, nullptr, key, 0, 0, facts, 0};
  half->texts_size = static_cast<uint32_t>(texts.size());
  std::memcpy(reinterpret_cast<char*>(half + 1), texts.data(), texts.size());
  return HalfEdgePtr(half);
}

EdgeStore::Shard* EdgeStore::OldestShard(std::atomic<uint64_t> Shard::*oldest) {
  Shard* found = nullptr;
  uint64_t lowest = kNone;
  for (Shard& shard : shards_) {
    const uint64_t sequence = (shard.*oldest).load(std::memory_order_relaxed);
    if (sequence >= lowest) continue;
    lowest = sequence;
    found = &shard;
  }
  return found;
}

bool EdgeStore::EvictHalf() {
  Shard* const shard = OldestShard(&Shard::oldest_half);
  if (shard == nullptr) return false;
  HalfEdgePtr evicted;
  const MutexLock lock(&shard->mutex);
  HalfEdge* const oldest = shard->halves.oldest();
  // Somebody else may have taken it meanwhile, which makes room too.
  if (oldest != nullptr) {
    const uint64_t hash = HashOf(oldest->key.trace_id(), oldest->key.span_id()).hash;
    evicted = TakeLocked(shard, hash, oldest);
    AddTo(&counters_->evicted, 1);
    PublishLocked(shard);
  }
  return true;
}

bool EdgeStore::EvictMark() {
  Shard* const shard = OldestShard(&Shard::oldest_mark);
  if (shard == nullptr) return false;
  const int64_t now = clock_->MonotonicNanos();
  const MutexLock lock(&shard->mutex);
  Mark* const oldest = shard->marks.oldest();
  if (oldest != nullptr) {
    const bool due = IsDue(oldest->created_nanos, wait_nanos_.load(std::memory_order_relaxed), now);
    RemoveMarkLocked(shard, oldest);
    AddTo(&counters_->marks_evicted, due ? 0 : 1);
    PublishLocked(shard);
  }
  return true;
}

void EdgeStore::Expire(const std::function<void(std::span<const HalfEdgePtr>)>& consume) {
  const int64_t now = clock_->MonotonicNanos();
  const int64_t wait = wait_nanos_.load(std::memory_order_relaxed);
  std::vector<HalfEdgePtr> expired;
  expired.reserve(kExpireBatch);
  for (Shard& shard : shards_) {
    for (bool more = true; more;) {
      {
        const MutexLock lock(&shard.mutex);
        size_t rest = kExpireBatch;
        for (; rest > 0; --rest) {
          HalfEdge* const oldest = shard.halves.oldest();
          if (oldest == nullptr || !IsDue(oldest->created_nanos, wait, now)) break;
          const uint64_t hash = HashOf(oldest->key.trace_id(), oldest->key.span_id()).hash;
          expired.push_back(TakeLocked(&shard, hash, oldest));
        }
        for (; rest > 0; --rest) {
          Mark* const oldest = shard.marks.oldest();
          if (oldest == nullptr || !IsDue(oldest->created_nanos, wait, now)) break;
          RemoveMarkLocked(&shard, oldest);
        }
        more = rest == 0;
        shard.halves.ShrinkIfEmpty();
        shard.marks.ShrinkIfEmpty();
        PublishLocked(&shard);
      }
      if (!expired.empty()) consume(expired);
      expired.clear();
    }
  }
}

size_t EdgeStore::SizeInBytes() const {
  size_t bytes = sizeof(*this);
  for (const Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    bytes += shard.halves.SlotBytes() + shard.marks.SlotBytes();
    bytes += shard.marks.size() * sizeof(Mark);
    for (const HalfEdge* half = shard.halves.oldest(); half != nullptr; half = half->newer) {
      bytes += BytesOf(half->texts_size);
    }
  }
  return bytes;
}

}  // namespace spanmeter
