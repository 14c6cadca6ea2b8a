// Counts distinct and frequent things within bounded memory.

#ifndef SPANMETER_ADMIN_COUNTING_H_
#define SPANMETER_ADMIN_COUNTING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <absl/container/flat_hash_map.h>
#include <absl/container/flat_hash_set.h>

#include "spanmeter/demand_sketch.h"

namespace spanmeter {

// How many distinct hashes there were: exact until there are too many, then an estimate with a
// standard error of 3.25 %. Not thread-safe.
class DistinctCounter {
 public:
  // `places` are shared by several counters: one is taken for each hash that is remembered. Must
  // outlive the counter.
  DistinctCounter(size_t max_exact, size_t* places) : max_exact_(max_exact), places_(places) {}

  // The hash must be well mixed.
  void Add(uint64_t hash);
  uint64_t Count() const;
  bool is_exact() const { return sketch_ == nullptr; }

 private:
  const size_t max_exact_;
  size_t* const places_;
  absl::flat_hash_set<uint64_t> hashes_;
  std::unique_ptr<DemandSketch> sketch_;  // instead of the hashes
};

// What is known of one of the things that are counted.
struct Tally {
  // Two texts that tell what it is, as label sets have them. Borrowed.
  std::string_view first;
  std::string_view second;
  uint64_t label_sets = 0;
  uint64_t series = 0;
  uint64_t born_lately = 0;  // of the label sets
};

enum class TallyOrder : uint8_t { kLabelSets, kSeries, kBorn };

// The most frequent things. All are counted while they fit; later those with the lowest counts give
// way, so that what is frequent stays, and is counted too low by at most what others were dropped
// with. Not thread-safe.
class FrequencyTable {
 public:
  FrequencyTable(size_t max_entries, TallyOrder order) : max_entries_(max_entries), order_(order) {}

  // Adds to what has this hash. `tally` has the texts and the increments.
  void Add(uint64_t hash, const Tally& tally);
  bool is_exact() const { return floor_ == 0; }
  size_t size() const { return entries_.size(); }

  // The highest by the order, ties by their texts.
  std::vector<Tally> Top(size_t limit) const;

 private:
  uint64_t Rank(const Tally& tally) const;

  const size_t max_entries_;
  const TallyOrder order_;
  uint64_t floor_ = 0;
  absl::flat_hash_map<uint64_t, Tally> entries_;
};

}  // namespace spanmeter

#endif  // SPANMETER_ADMIN_COUNTING_H_
