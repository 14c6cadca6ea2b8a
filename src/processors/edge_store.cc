#include "processors/edge_store.h"

#include <algorithm>
#include <bitset>
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

// So many sides are looked up together, which hides the memory's latency.
constexpr size_t kPrefetchGroup = 16;

// Working memory that grew beyond this is given back after the request.
constexpr size_t kMaxKeptSides = 32768;
constexpr size_t kMaxKeptTextBytes = 4 << 20;

uint64_t RandomSeed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

bool IsDue(int64_t created_nanos, int64_t wait_nanos, int64_t now_nanos) {
  return now_nanos - created_nanos >= wait_nanos;
}

}  // namespace

struct EdgeStore::Request {
  EdgeSide& SideAt(const Place& place) { return batch->sides[place.side]; }
  uint64_t SequenceOf(const Place& place) const { return first_sequence + place.side; }

  EdgeBatch* batch = nullptr;
  int64_t now_nanos = 0;
  int64_t wait_nanos = 0;
  // Of the first side.
  uint64_t first_sequence = 0;
  uint64_t dropped = 0;
  // Room that was taken beforehand, or that sides have left.
  EdgeAllowance halves;
  EdgeAllowance marks;
};

void HalfEdgeDeleter::operator()(HalfEdge* half) const {
  half->~HalfEdge();
  ::operator delete(half);
}

void EdgeBatch::Clear() {
  sides.clear();
  texts.clear();
  if (texts.capacity() > kMaxKeptTextBytes) texts.shrink_to_fit();
  if (sides.capacity() <= kMaxKeptSides) return;
  sides.shrink_to_fit();
  places_ = {};
  grouped_ = {};
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

uint64_t EdgeStore::HashTrace(const char* trace_id) const {
  return XXH3_64bits_withSeed(trace_id, kTraceIdSize, seed_);
}

uint64_t EdgeStore::HashSpan(uint64_t trace_hash, const char* span_id) const {
  return XXH3_64bits_withSeed(span_id, kSpanIdSize, trace_hash) & hash_mask_;
}

void EdgeStore::Process(EdgeBatch* batch) {
  std::vector<EdgeSide>& sides = batch->sides;
  if (sides.empty()) return;
  Request request;
  request.batch = batch;
  request.now_nanos = clock_->MonotonicNanos();
  request.wait_nanos = wait_nanos_.load(std::memory_order_relaxed);
  request.first_sequence = next_sequence_.fetch_add(sides.size(), std::memory_order_relaxed);

  batch->places_.clear();
  uint64_t marks = 0;
  for (uint32_t i = 0; i < sides.size(); ++i) {
    EdgeSide& side = sides[i];
    if (side.action == EdgeSide::Action::kAlone) {
      side.complete = true;
      continue;
    }
    if (side.action == EdgeSide::Action::kDrop) ++marks;
    // All sides of a trace are in one shard, so that those of a request share a lock.
    const uint64_t trace = HashTrace(side.trace_id);
    batch->places_.push_back({i, ShardOf(trace), HashSpan(trace, side.span_id)});
  }
  const uint64_t halves = batch->places_.size() - marks;
  const uint64_t bytes = halves * sizeof(HalfEdge) + batch->texts.size();
  if (request.halves.TryTake(&halves_, halves, bytes) && request.marks.TryTake(&marks_, marks, 0)) {
    ProcessGrouped(&request);
  } else {
    ProcessInOrder(&request);
  }
  request.halves.GiveBack(&halves_);
  request.marks.GiveBack(&marks_);
  AddTo(&counters_->dropped, request.dropped);
}

void EdgeStore::ProcessGrouped(Request* request) {
  // Nothing is evicted, so shards do not matter to each other. Within one the order stays.
  const std::vector<Place>& places = request->batch->places_;
  std::vector<Place>& grouped = request->batch->grouped_;
  std::array<uint32_t, kShards + 1> begin = {};
  for (const Place& place : places) ++begin[place.shard + 1];
  for (size_t i = 1; i <= kShards; ++i) begin[i] += begin[i - 1];
  grouped.resize(places.size());
  std::array<uint32_t, kShards> next;
  std::copy_n(begin.begin(), kShards, next.begin());
  for (const Place& place : places) grouped[next[place.shard]++] = place;

  const auto group_of = [&](size_t shard) {
    return std::span(grouped).subspan(begin[shard], begin[shard + 1] - begin[shard]);
  };
  // Requests begin at different shards, and pass over those at which another one is, to come back
  // to them.
  const size_t first = places.empty() ? 0 : places[0].shard;
  std::bitset<kShards> busy;
  for (size_t i = 0; i < kShards; ++i) {
    const size_t shard = (first + i) % kShards;
    if (group_of(shard).empty()) continue;
    busy[shard] = !TryProcessGroup(&shards_[shard], group_of(shard), request);
  }
  for (size_t shard = 0; busy.any() && shard < kShards; ++shard) {
    if (!busy[shard]) continue;
    const MutexLock lock(&shards_[shard].mutex);
    ProcessGroupLocked(&shards_[shard], group_of(shard), request);
    busy[shard] = false;
  }
}

bool EdgeStore::TryProcessGroup(Shard* shard, std::span<const Place> places, Request* request) {
  if (!shard->mutex.TryLock()) return false;
  const MutexLock lock(&shard->mutex, std::adopt_lock);
  ProcessGroupLocked(shard, places, request);
  return true;
}

void EdgeStore::ProcessGroupLocked(Shard* shard, std::span<const Place> places, Request* request) {
  while (!places.empty()) {
    const auto group = places.first(std::min(places.size(), kPrefetchGroup));
    for (const Place& place : group) shard->halves.PrefetchSlot(place.hash);
    for (const Place& place : group) shard->halves.PrefetchNode(place.hash);
    for (const Place& place : group) ProcessLocked(shard, place, request);
    places = places.subspan(group.size());
  }
  PublishLocked(shard);
}

void EdgeStore::ProcessInOrder(Request* request) {
  const std::vector<Place>& places = request->batch->places_;
  for (size_t i = 0; i < places.size();) {
    Shard* const shard = &shards_[places[i].shard];
    Outcome outcome = Outcome::kDone;
    {
      const MutexLock lock(&shard->mutex);
      // The run of sides that belong to this shard.
      do {
        outcome = ProcessLocked(shard, places[i], request);
        if (outcome != Outcome::kDone) break;
      } while (++i < places.size() && places[i].shard == places[i - 1].shard);
      PublishLocked(shard);
    }
    // Makes room with no lock held, as the oldest may be anywhere, and tries once more.
    if (outcome == Outcome::kHalvesFull) EvictHalf();
    if (outcome == Outcome::kMarksFull) EvictMark();
  }
}

EdgeStore::Outcome EdgeStore::ProcessLocked(Shard* shard, const Place& place, Request* request) {
  EdgeSide& side = request->SideAt(place);
  const EdgeKey key(side.trace_id, side.span_id);
  const bool client = side.facts.client();
  HalfEdge* const half = shard->halves.Find(place.hash, key);

  if (side.action == EdgeSide::Action::kDrop) {
    if (half != nullptr && half->facts.client() != client) {
      request->halves.Add(1, BytesOf(half->texts_size));
      TakeLocked(shard, place.hash, half);
      ++request->dropped;
    }
    return MarkLocked(shard, place, request);
  }
  const Mark* const mark = shard->marks.Find(place.hash, Mark::Key{&key, !client});
  if (mark != nullptr && !IsDue(mark->created_nanos, request->wait_nanos, request->now_nanos)) {
    ++request->dropped;
    return Outcome::kDone;
  }
  const bool whole = side.action == EdgeSide::Action::kWhole;
  if (half != nullptr && (whole || half->facts.client() != client)) {
    request->halves.Add(1, BytesOf(half->texts_size));
    side.half = TakeLocked(shard, place.hash, half);
    side.complete = true;
    return Outcome::kDone;
  }
  if (whole) {
    side.complete = true;
    return Outcome::kDone;
  }
  return half == nullptr ? StoreLocked(shard, place, request)
                         : RepeatLocked(shard, place, half, request);
}

EdgeStore::Outcome EdgeStore::StoreLocked(Shard* shard, const Place& place, Request* request) {
  const EdgeSide& side = request->SideAt(place);
  if (side.texts_size > kMaxTextBytes) {
    AddTo(&counters_->too_large, 1);
    return Outcome::kDone;
  }
  if (!request->halves.Use(&halves_, 1, BytesOf(side.texts_size))) return Outcome::kHalvesFull;
  HalfEdgePtr half =
      NewHalf(EdgeKey(side.trace_id, side.span_id), side.facts, request->batch->TextsOf(side));
  half->created_nanos = request->now_nanos;
  half->sequence = request->SequenceOf(place);
  shard->halves.Insert(place.hash, half.release());
  return Outcome::kDone;
}

EdgeStore::Outcome EdgeStore::RepeatLocked(Shard* shard, const Place& place, HalfEdge* half,
                                           Request* request) {
  const EdgeSide& side = request->SideAt(place);
  EdgeFacts facts = side.facts;
  facts.failed = facts.failed || half->facts.failed;
  if (facts.multiplier == 0) facts.multiplier = half->facts.multiplier;
  const std::string_view later = request->batch->TextsOf(side);
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
    const size_t more = texts.size() - half->texts_size;
    if (!request->halves.Use(&halves_, 0, more)) return Outcome::kHalvesFull;
  } else {
    request->halves.Add(0, half->texts_size - texts.size());
  }
  HalfEdge* const merged = NewHalf(half->key, facts, texts).release();
  merged->created_nanos = half->created_nanos;
  merged->sequence = half->sequence;
  shard->halves.Replace(place.hash, half, merged);
  HalfEdgeDeleter()(half);
  return Outcome::kDone;
}

EdgeStore::Outcome EdgeStore::MarkLocked(Shard* shard, const Place& place, Request* request) {
  const EdgeSide& side = request->SideAt(place);
  const EdgeKey key(side.trace_id, side.span_id);
  Mark* mark = shard->marks.Find(place.hash, Mark::Key{&key, side.facts.client()});
  if (mark != nullptr) {
    shard->marks.Remove(place.hash, mark);
  } else {
    if (!request->marks.Use(&marks_, 1, 0)) return Outcome::kMarksFull;
    mark = new Mark{nullptr, nullptr, key, 0, 0, side.facts.client()};
  }
  mark->created_nanos = request->now_nanos;
  mark->sequence = request->SequenceOf(place);
  shard->marks.Insert(place.hash, mark);
  return Outcome::kDone;
}

HalfEdgePtr EdgeStore::TakeLocked(Shard* shard, uint64_t hash, HalfEdge* half) {
  shard->halves.Remove(hash, half);
  return HalfEdgePtr(half);
}

void EdgeStore::RemoveMarkLocked(Shard* shard, Mark* mark) {
  shard->marks.Remove(HashOf(mark->key), mark);
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
    evicted = TakeLocked(shard, HashOf(oldest->key), oldest);
    halves_.GiveBack(1, BytesOf(evicted->texts_size));
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
          expired.push_back(TakeLocked(&shard, HashOf(oldest->key), oldest));
          halves_.GiveBack(1, BytesOf(oldest->texts_size));
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
