// How what waits for its other side survives a restart.

#include <algorithm>
#include <utility>
#include <vector>

#include "spanmeter/state_stream.h"

#include "processors/edge_store.h"
#include "processors/edge_texts.h"

namespace spanmeter {

namespace {

constexpr const char* kNoHalf = "it is damaged: a span that waits and is none";

std::string_view BytesOfKey(const EdgeKey& key) { return {key.bytes, sizeof key.bytes}; }

bool CanWait(uint64_t kind) {
  return kind == kSpanKindServer || kind == kSpanKindClient || kind == kSpanKindProducer ||
         kind == kSpanKindConsumer;
}

template <typename Node>
void SortByAge(std::vector<const Node*>* nodes) {
  std::sort(nodes->begin(), nodes->end(),
            [](const Node* a, const Node* b) { return a->sequence < b->sequence; });
}

}  // namespace

void EdgeStore::Save(StateWriter* writer) const {
  // In one order over all shards: those of the next process are others.
  std::vector<const HalfEdge*> halves;
  std::vector<const Mark*> marks;
  for (const Shard& shard : shards_) {
    const MutexLock lock(&shard.mutex);
    for (const HalfEdge* half = shard.halves.oldest(); half != nullptr; half = half->newer) {
      halves.push_back(half);
    }
    for (const Mark* mark = shard.marks.oldest(); mark != nullptr; mark = mark->newer) {
      marks.push_back(mark);
    }
  }
  SortByAge(&halves);
  SortByAge(&marks);
  for (const HalfEdge* half : halves) {
    writer->Begin(StateRecord::kHalfEdge);
    writer->Bytes(BytesOfKey(half->key));
    writer->Time(half->created_nanos);
    writer->Double(half->facts.latency_seconds);
    writer->Number(half->facts.time_nanos);
    writer->Double(half->facts.multiplier);
    writer->Number(half->facts.kind);
    writer->Number(half->facts.failed ? 1 : 0);
    writer->Bytes(half->texts());
    writer->End();
    writer->FlushIfLarge();
  }
  for (const Mark* mark : marks) {
    writer->Begin(StateRecord::kEdgeMark);
    writer->Bytes(BytesOfKey(mark->key));
    writer->Time(mark->created_nanos);
    writer->Number(mark->client ? 1 : 0);
    writer->End();
    writer->FlushIfLarge();
  }
}

uint64_t EdgeStore::Restore(StateReader* reader, size_t fields) {
  uint64_t restored = 0;
  for (; reader->kind() == StateRecord::kHalfEdge; reader->Next()) {
    if (!RestoreHalf(reader, fields)) return restored;
    ++restored;
  }
  for (; reader->kind() == StateRecord::kEdgeMark; reader->Next()) {
    if (!RestoreMark(reader)) return restored;
  }
  return restored;
}

bool EdgeStore::RestoreHalf(StateReader* reader, size_t fields) {
  const std::string_view key_bytes = reader->Bytes();
  const int64_t created_nanos = reader->TimeWithoutPause();
  EdgeFacts facts;
  facts.latency_seconds = reader->Double();
  facts.time_nanos = reader->Number();
  facts.multiplier = reader->Double();
  const uint64_t kind = reader->Number();
  facts.failed = reader->Number() != 0;
  const std::string_view texts = reader->Bytes();
  if (!reader->EndRecord()) return false;
  if (key_bytes.size() != sizeof(EdgeKey::bytes) || !CanWait(kind) ||
      texts.size() > kMaxTextBytes || !HasEdgeTexts(texts, fields)) {
    return reader->Fail(kNoHalf);
  }
  facts.kind = static_cast<SpanKind>(kind);
  const EdgeKey key(key_bytes.data(), key_bytes.data() + kTraceIdSize);
  while (!halves_.TryTake(1, BytesOf(texts.size()))) {
    if (!EvictHalf()) return true;  // larger than everything together may be
  }
  const uint64_t hash = HashOf(key);
  Shard* const shard = &shards_[ShardOf(HashTrace(key.trace_id()))];
  const MutexLock lock(&shard->mutex);
  if (shard->halves.Find(hash, key) != nullptr) return reader->Fail(kNoHalf);
  HalfEdgePtr half = NewHalf(key, facts, texts);
  half->created_nanos = created_nanos;
  half->sequence = next_sequence_.fetch_add(1, std::memory_order_relaxed);
  shard->halves.Insert(hash, half.release());
  PublishLocked(shard);
  return true;
}

bool EdgeStore::RestoreMark(StateReader* reader) {
  const std::string_view key_bytes = reader->Bytes();
  const int64_t created_nanos = reader->TimeWithoutPause();
  const bool client = reader->Number() != 0;
  if (!reader->EndRecord()) return false;
  if (key_bytes.size() != sizeof(EdgeKey::bytes)) return reader->Fail(kNoHalf);
  const EdgeKey key(key_bytes.data(), key_bytes.data() + kTraceIdSize);
  while (!marks_.TryTake(1, 0)) {
    if (!EvictMark()) return true;
  }
  const uint64_t hash = HashOf(key);
  Shard* const shard = &shards_[ShardOf(HashTrace(key.trace_id()))];
  const MutexLock lock(&shard->mutex);
  if (shard->marks.Find(hash, Mark::Key{&key, client}) != nullptr) return reader->Fail(kNoHalf);
  const uint64_t sequence = next_sequence_.fetch_add(1, std::memory_order_relaxed);
  shard->marks.Insert(hash, new Mark{nullptr, nullptr, key, created_nanos, sequence, client});
  PublishLocked(shard);
  return true;
}

}  // namespace spanmeter
