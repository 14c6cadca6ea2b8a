#include "processors/span_name_clusters.h"

#include <algorithm>
#include <optional>
#include <random>
#include <utility>

#include "spanmeter/key_hash.h"
#include "spanmeter/state_stream.h"

#include "processors/span_name_tokens.h"

namespace spanmeter {

namespace {

// A batch that grew beyond this gives its memory back.
constexpr size_t kMaxKeptItems = 32768;
constexpr size_t kMaxKeptTextBytes = 4 << 20;

uint64_t RandomSeed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

void SpanNameBatch::Clear() {
  items_.clear();
  texts_.clear();
  if (items_.capacity() > kMaxKeptItems) {
    items_.shrink_to_fit();
    grouped_.clear();
    grouped_.shrink_to_fit();
  }
  if (texts_.capacity() > kMaxKeptTextBytes) texts_.shrink_to_fit();
}

// `text` is the pattern's, or null where the name is left alone.
void SpanNameBatch::SetResult(const std::string* text, Item* item) {
  item->replaced = text != nullptr && *text != item->name;
  if (!item->replaced) return;
  item->begin = static_cast<uint32_t>(texts_.size());
  item->size = static_cast<uint32_t>(text->size());
  texts_ += *text;
}

SpanNameClusters::SpanNameClusters(const SpanNameClusterLimits& limits)
    : hash_seed_(RandomSeed()), tree_(limits.tree, &versions_) {
  for (auto& shard : shards_) {
    shard = std::make_unique<Shard>(std::max<size_t>(limits.max_cached_names / kShards, 2),
                                    limits.max_cached_bytes / kShards);
  }
}

void SpanNameClusters::Sanitize(SpanNameBatch* batch, int64_t now_nanos) {
  batch->texts_.clear();
  batch->skipped_ = {};
  // Fast path: the names are known. Each result was right at the moment when it was looked up.
  LookUp(batch, now_nanos);

  // Slow path: the others, in the order in which they came. What is learnt from one of them may
  // make the result of a known one that came after it wrong again.
  uint64_t replaced = 0;
  for (SpanNameBatch::Item& item : batch->items_) {
    if (!item.found || item.version != versions_.Get(item.tokens)) Learn(&item, now_nanos, batch);
    if (item.replaced) ++replaced;
  }
  if (replaced > 0) names_sanitized_.fetch_add(replaced, std::memory_order_relaxed);
  for (size_t i = 0; i < kNameSkips; ++i) {
    if (batch->skipped_[i] == 0) continue;
    skipped_[i].fetch_add(batch->skipped_[i], std::memory_order_relaxed);
  }
}

void SpanNameClusters::LookUp(SpanNameBatch* batch, int64_t now_nanos) {
  std::vector<SpanNameBatch::Item>& items = batch->items_;
  std::array<uint32_t, kShards + 1> begin = {};
  for (SpanNameBatch::Item& item : items) {
    item.hash = KeyHash(item.name, hash_seed_);
    ++begin[ShardOf(item.hash) + 1];
  }
  for (size_t i = 1; i <= kShards; ++i) begin[i] += begin[i - 1];
  batch->grouped_.resize(items.size());
  std::array<uint32_t, kShards> next;
  std::copy_n(begin.begin(), kShards, next.begin());
  for (uint32_t i = 0; i < items.size(); ++i) {
    batch->grouped_[next[ShardOf(items[i].hash)]++] = i;
  }
  const std::span<const uint32_t> grouped(batch->grouped_);
  const auto indices = [&](size_t shard) {
    return grouped.subspan(begin[shard], begin[shard + 1] - begin[shard]);
  };

  // Shards at which another request is are passed over at first.
  std::array<bool, kShards> busy = {};
  for (size_t i = 0; i < kShards; ++i) {
    if (indices(i).empty()) continue;
    Shard* const shard = shards_[i].get();
    if (!shard->mutex.TryLock()) {
      busy[i] = true;
      continue;
    }
    const MutexLock lock(&shard->mutex, std::adopt_lock);
    LookUpIn(shard, indices(i), now_nanos, batch);
  }
  for (size_t i = 0; i < kShards; ++i) {
    if (!busy[i]) continue;
    Shard* const shard = shards_[i].get();
    const MutexLock lock(&shard->mutex);
    LookUpIn(shard, indices(i), now_nanos, batch);
  }
}

void SpanNameClusters::LookUpIn(Shard* shard, std::span<const uint32_t> indices, int64_t now_nanos,
                                SpanNameBatch* batch) {
  for (const uint32_t i : indices) {
    SpanNameBatch::Item& item = batch->items_[i];
    item.found = false;
    Known* const known = shard->known.Find(item.hash, item.name);
    if (known == nullptr || known->version != versions_.Get(known->tokens)) continue;
    item.found = true;
    item.tokens = known->tokens;
    item.version = known->version;
    if (known->tokens == 0) {
      item.replaced = false;
      ++batch->skipped_[static_cast<size_t>(known->skip)];
      continue;
    }
    ++known->spans;
    known->last_seen_nanos = std::max(known->last_seen_nanos, now_nanos);
    batch->SetResult(known->text.get(), &item);
  }
}

void SpanNameClusters::Learn(SpanNameBatch::Item* item, int64_t now_nanos, SpanNameBatch* batch) {
  // A name that was known at first has counted its span already.
  const uint64_t spans = item->found ? 0 : 1;
  std::vector<std::string_view>& tokens = batch->tokens_;
  std::optional<NameSkip> skip;
  if (item->name.size() > kMaxSpanNameBytes) {
    skip = NameSkip::kTooLong;
  } else {
    SplitSpanName(item->name, PatternTreeLimits::kMaxTokens, &tokens);
    if (PatternTree::HasTooFew(tokens.size())) skip = NameSkip::kTooFewTokens;
    if (PatternTree::HasTooMany(tokens.size())) skip = NameSkip::kTooManyTokens;
  }
  Known known;
  if (skip) {
    item->replaced = false;
    ++batch->skipped_[static_cast<size_t>(*skip)];
    if (*skip == NameSkip::kTooLong) return;  // too long to remember, and soon found out
    known.skip = *skip;
    const MutexLock lock(&tree_mutex_);
    return Remember(*item, std::move(known));
  }

  const MutexLock lock(&tree_mutex_);
  PatternTree::Outcome outcome = PatternTree::Outcome::kKnown;
  const PatternTree::Pattern* pattern = nullptr;
  while ((pattern = tree_.Learn(item->name, tokens, spans, now_nanos, &outcome)) == nullptr) {
    TellTreeAll();
    tree_.MakeRoom();
  }
  batch->SetResult(pattern->text.get(), item);
  if (outcome == PatternTree::Outcome::kBorn) {
    patterns_detected_.fetch_add(1, std::memory_order_relaxed);
  }
  // Having changed, the tree might say something else the next time.
  if (outcome != PatternTree::Outcome::kKnown) return;
  if (item->replaced) known.text = pattern->text;
  known.pattern = pattern->id;
  known.tokens = static_cast<uint8_t>(tokens.size());
  known.version = versions_.Get(tokens.size());
  Remember(*item, std::move(known));
}

void SpanNameClusters::Remember(const SpanNameBatch::Item& item, Known known) {
  const size_t bytes = known.text == nullptr ? 0 : known.text->size();
  PatternTree* const tree = &tree_;
  Shard* const shard = shards_[ShardOf(item.hash)].get();
  const MutexLock lock(&shard->mutex);
  shard->known.Insert(item.hash, item.name, std::move(known), bytes,
                      [tree](Known& forgotten) { Tell(tree, &forgotten); });
}

void SpanNameClusters::Tell(PatternTree* tree, Known* known) {
  if (known->spans == 0) return;
  tree->Saw(known->pattern, known->spans, known->last_seen_nanos);
  known->spans = 0;
}

void SpanNameClusters::TellTreeAll() {
  PatternTree* const tree = &tree_;
  for (const auto& shard : shards_) {
    const MutexLock lock(&shard->mutex);
    shard->known.ForEach([tree](Known& known) { Tell(tree, &known); });
  }
}

SpanNameClusters::Stats SpanNameClusters::GetStats() const {
  Stats stats;
  stats.patterns_detected = patterns_detected_.load(std::memory_order_relaxed);
  stats.names_sanitized = names_sanitized_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < kNameSkips; ++i) {
    stats.skipped[i] = skipped_[i].load(std::memory_order_relaxed);
  }
  const MutexLock lock(&tree_mutex_);
  stats.templates = tree_.templates();
  return stats;
}

std::vector<SpanNameTemplate> SpanNameClusters::Templates(size_t limit, int64_t now_nanos) {
  std::vector<SpanNameTemplate> templates;
  const MutexLock lock(&tree_mutex_);
  TellTreeAll();
  for (const PatternTree::Pattern* pattern : tree_.MostSeenTemplates(limit)) {
    SpanNameTemplate& added = templates.emplace_back();
    added.text = *pattern->text;
    added.spans = pattern->spans;
    added.idle_nanos = std::max<int64_t>(now_nanos - pattern->last_seen_nanos, 0);
    added.examples = pattern->examples;
  }
  return templates;
}

void SpanNameClusters::Save(StateWriter* writer) {
  const MutexLock lock(&tree_mutex_);
  TellTreeAll();
  tree_.Save(writer);
}

bool SpanNameClusters::Restore(StateReader* reader) {
  const MutexLock lock(&tree_mutex_);
  return tree_.Restore(reader);
}

size_t SpanNameClusters::SizeInBytes() const {
  const MutexLock lock(&tree_mutex_);
  size_t bytes = tree_.bytes();
  for (const auto& shard : shards_) {
    const MutexLock shard_lock(&shard->mutex);
    bytes += shard->known.bytes();
  }
  return bytes;
}

}  // namespace spanmeter
