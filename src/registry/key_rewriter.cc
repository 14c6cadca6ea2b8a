#include "registry/key_rewriter.h"

#include <algorithm>
#include <utility>

#include "spanmeter/key_hash.h"

#include "registry/key_codec.h"

namespace spanmeter {

namespace {

// The first `limit` bytes of a valid UTF-8 text, fewer where a character would be split.
std::string_view CutBetweenCharacters(std::string_view text, size_t limit) {
  if (limit == 0 || text.size() <= limit) return text;
  const auto is_inside = [text](size_t i) {
    return (static_cast<uint8_t>(text[i]) & 0xC0) == 0x80;
  };
  while (limit > 0 && is_inside(limit)) --limit;
  return text.substr(0, limit);
}

}  // namespace

KeyRewriter::KeyRewriter(const Relabeler* relabeler, std::vector<FamilyLabel> labels,
                         bool own_labels, std::vector<std::string> external_labels,
                         size_t max_value_bytes, uint64_t seed, const KeyRewriterLimits& limits)
    : relabeler_(*relabeler),
      labels_(std::move(labels), own_labels, {}),
      left_out_(std::move(external_labels)),
      max_value_bytes_(max_value_bytes),
      seed_(seed) {
  left_out_.insert(left_out_.end(), kLabelsOfTheRegistry.begin(), kLabelsOfTheRegistry.end());
  std::sort(left_out_.begin(), left_out_.end());
  for (auto& shard : shards_) shard = std::make_unique<Shard>(limits);
}

bool KeyRewriter::Rewrite(std::string_view key, std::string* out) {
  const uint64_t hash = KeyHash(key, seed_);
  Shard& shard = *shards_[hash >> 60];
  {
    // Fast path: the key has been here before.
    const MutexLock lock(&shard.mutex);
    if (const Result* const known = shard.results.Find(hash, key); known != nullptr) {
      if (known->dropped) return false;
      out->append(known->key);
      return true;
    }
  }
  Result result = Evaluate(key);
  const bool dropped = result.dropped;
  if (!dropped) out->append(result.key);
  const size_t bytes = result.key.size();
  const MutexLock lock(&shard.mutex);
  shard.results.Insert(hash, key, std::move(result), bytes, [](const Result&) {});
  return !dropped;
}

KeyRewriter::Result KeyRewriter::Evaluate(std::string_view key) const {
  Result result;
  DecodedKey decoded;
  labels_.Decode(key, &decoded);
  LabelSet set;
  for (const LabelValue& label : decoded.labels) {
    if (label.value.empty()) continue;
    set.push_back({std::string(label.name), std::string(label.value)});
  }
  std::sort(set.begin(), set.end(), [](const Label& a, const Label& b) { return a.name < b.name; });
  result.dropped = !relabeler_.Apply(&set);
  if (result.dropped) return result;
  for (const Label& label : set) {
    if (std::binary_search(left_out_.begin(), left_out_.end(), label.name)) continue;
    const std::string_view value = CutBetweenCharacters(label.value, max_value_bytes_);
    if (value.empty()) continue;
    AppendKeyText(label.name, &result.key);
    AppendKeyText(value, &result.key);
  }
  return result;
}

}  // namespace spanmeter
