#include "admin/counting.h"

#include <algorithm>
#include <tuple>

namespace spanmeter {

namespace {

// Everything is within one window of the sketch.
constexpr int64_t kWindowNanos = 4;
constexpr int64_t kNow = 0;

}  // namespace

void DistinctCounter::Add(uint64_t hash) {
  if (sketch_ != nullptr) return sketch_->Add(hash, kNow);
  if (hashes_.contains(hash)) return;
  if (hashes_.size() < max_exact_ && *places_ > 0) {
    hashes_.insert(hash);
    --*places_;
    return;
  }
  sketch_ = std::make_unique<DemandSketch>(kWindowNanos);
  for (const uint64_t known : hashes_) sketch_->Add(known, kNow);
  sketch_->Add(hash, kNow);
  *places_ += hashes_.size();
  hashes_ = {};
}

uint64_t DistinctCounter::Count() const {
  return sketch_ == nullptr ? hashes_.size() : sketch_->Estimate(kNow);
}

uint64_t FrequencyTable::Rank(const Tally& tally) const {
  switch (order_) {
    case TallyOrder::kLabelSets:
      return tally.label_sets;
    case TallyOrder::kSeries:
      return tally.series;
    case TallyOrder::kBorn:
      return tally.born_lately;
  }
  return 0;
}

void FrequencyTable::Add(uint64_t hash, const Tally& tally) {
  if (entries_.size() >= max_entries_ && !entries_.contains(hash)) {
    // Half of the entries at least, so that it does not happen often.
    std::vector<uint64_t> ranks;
    ranks.reserve(entries_.size());
    for (const auto& [key, entry] : entries_) ranks.push_back(Rank(entry));
    const auto middle = ranks.begin() + static_cast<ptrdiff_t>(ranks.size() / 2);
    std::nth_element(ranks.begin(), middle, ranks.end());
    floor_ = std::max<uint64_t>(*middle, 1);
    absl::erase_if(entries_, [this](const auto& entry) { return Rank(entry.second) <= floor_; });
  }
  Tally& entry = entries_[hash];
  if (entry.first.data() == nullptr) {
    entry.first = tally.first;
    entry.second = tally.second;
  }
  entry.label_sets += tally.label_sets;
  entry.series += tally.series;
  entry.born_lately += tally.born_lately;
}

std::vector<Tally> FrequencyTable::Top(size_t limit) const {
  std::vector<Tally> all;
  all.reserve(entries_.size());
  for (const auto& [hash, entry] : entries_) all.push_back(entry);
  const auto end = all.begin() + static_cast<ptrdiff_t>(std::min(limit, all.size()));
  std::partial_sort(all.begin(), end, all.end(), [this](const Tally& a, const Tally& b) {
    const uint64_t rank_a = Rank(a);
    const uint64_t rank_b = Rank(b);
    if (rank_a != rank_b) return rank_a > rank_b;
    return std::tie(a.first, a.second) < std::tie(b.first, b.second);
  });
  all.erase(end, all.end());
  return all;
}

}  // namespace spanmeter
