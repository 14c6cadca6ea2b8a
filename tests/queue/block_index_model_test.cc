// Random blocks, leases, failures and drops, and every lease compared with that of a model which
// looks at all pairs of blocks.

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "spanmeter/block_index.h"

namespace spanmeter {
namespace {

// The rules of BlockIndex, word by word.
class NaiveIndex {
 public:
  struct NaiveBlock {
    uint64_t id = 0;
    std::string tenant;
    uint64_t first_hash = 0;
    uint64_t last_hash = 0;
    uint64_t points = 0;
    int64_t nanos = 0;
    bool given = false;
    bool returned = false;
    bool alone = false;
  };
  using Ids = std::vector<uint64_t>;

  void Append(NaiveBlock block) { blocks_.push_back(block); }
  void Remove(uint64_t id) {
    blocks_.erase(std::find_if(blocks_.begin(), blocks_.end(),
                               [id](const NaiveBlock& block) { return block.id == id; }));
  }
  void CountSettled() {
    failures_ = 0;
    worked_ = true;
  }
  void Return(const Ids& ids, int64_t nanos) {
    ++failures_;
    for (NaiveBlock& block : blocks_) {
      if (!Has(ids, block.id)) continue;
      block.given = false;
      block.returned = true;
      block.alone = worked_ || failures_ % 8 == 0;
      block.nanos = nanos;
    }
    worked_ = false;
  }
  Ids Take(const TakeOptions& options, int64_t now, int64_t* next) {
    *next = kNeverNanos;
    Ids ids;
    if (failures_ % 8 == 1) {
      ids = Fresh(options, now, next);
      if (ids.empty()) ids = Retry(options, now);
    } else {
      ids = Retry(options, now);
      if (ids.empty()) ids = Fresh(options, now, next);
    }
    if (ids.empty()) {
      for (const NaiveBlock& block : blocks_) {
        if (block.returned && IsFree(block, {})) *next = std::min(*next, block.nanos);
      }
    }
    for (NaiveBlock& block : blocks_) {
      if (!Has(ids, block.id)) continue;
      block.given = true;
      block.returned = false;
    }
    return ids;
  }
  const std::vector<NaiveBlock>& blocks() const { return blocks_; }

 private:
  static bool Has(const Ids& ids, uint64_t id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  }
  // Whether nothing before it that is not in the lease overlaps it.
  bool IsFree(const NaiveBlock& block, const Ids& lease) const {
    for (const NaiveBlock& other : blocks_) {
      if (other.id < block.id && other.tenant == block.tenant && !Has(lease, other.id) &&
          other.first_hash <= block.last_hash && block.first_hash <= other.last_hash) {
        return false;
      }
    }
    return true;
  }
  // Goes over all blocks in order, again and again, until none can be added. `seeds`: what may
  // begin; others must follow something in the lease.
  Ids Fill(const Ids& seeds, const TakeOptions& options, int64_t now, bool* full) const {
    Ids lease;
    uint64_t points = 0;
    *full = false;
    while (true) {
      const NaiveBlock* next = nullptr;
      for (const NaiveBlock& block : blocks_) {
        if (block.given || Has(lease, block.id) || next != nullptr) continue;
        if (block.returned && (block.alone || block.nanos > now)) continue;
        if (!IsFree(block, lease)) continue;
        if (!Has(seeds, block.id) && IsFree(block, {})) continue;
        next = &block;
      }
      if (next == nullptr) return lease;
      *full = !lease.empty() && points + next->points > options.max_points;
      if (*full) return lease;
      lease.push_back(next->id);
      points += next->points;
      *full = points >= options.max_points;
      if (*full) return lease;
    }
  }
  Ids Fresh(const TakeOptions& options, int64_t now, int64_t* next) const {
    std::vector<std::string> seen;
    for (const NaiveBlock& first : blocks_) {
      if (first.given || first.returned || !IsFree(first, {})) continue;
      if (std::find(seen.begin(), seen.end(), first.tenant) != seen.end()) continue;
      seen.push_back(first.tenant);
      Ids seeds;
      for (const NaiveBlock& block : blocks_) {
        if (block.given || block.returned || !IsFree(block, {})) continue;
        if (!options.by_tenant || block.tenant == first.tenant) seeds.push_back(block.id);
      }
      bool full = false;
      const Ids lease = Fill(seeds, options, now, &full);
      if (full || first.nanos + options.max_wait_nanos <= now) return lease;
      *next = std::min(*next, first.nanos + options.max_wait_nanos);
      if (!options.by_tenant) break;
    }
    return {};
  }
  Ids Retry(const TakeOptions& options, int64_t now) const {
    std::vector<const NaiveBlock*> due;
    for (const NaiveBlock& block : blocks_) {
      if (block.returned && block.nanos <= now && IsFree(block, {})) due.push_back(&block);
    }
    std::stable_sort(due.begin(), due.end(),
                     [](const NaiveBlock* a, const NaiveBlock* b) { return a->nanos < b->nanos; });
    if (due.empty()) return {};
    if (due[0]->alone) return {due[0]->id};
    Ids seeds;
    uint64_t points = 0;
    for (const NaiveBlock* block : due) {
      if (block->alone || (options.by_tenant && block->tenant != due[0]->tenant)) continue;
      if (!seeds.empty() && points + block->points > options.max_points) break;
      points += block->points;
      seeds.push_back(block->id);
    }
    bool full = false;
    return Fill(seeds, options, now, &full);
  }

  std::vector<NaiveBlock> blocks_;
  uint64_t failures_ = 0;
  bool worked_ = false;
};

class BlockIndexModelTest : public ::testing::TestWithParam<uint64_t> {};

TEST_P(BlockIndexModelTest, EveryLeaseIsThatOfTheModel) {
  std::mt19937_64 random(GetParam());
  const auto below = [&random](uint64_t bound) { return random() % bound; };
  BlockIndex index;
  NaiveIndex model;
  std::vector<std::vector<uint64_t>> leases;
  const uint64_t tenants = 1 + below(4);
  // Small spaces make ranges touch and cover each other in all ways.
  const uint64_t hashes = 2 + below(40);
  const uint64_t max_width = 1 + below(hashes);
  const bool by_tenant = below(2) == 0;
  int64_t now = 1000;
  uint64_t id = 1;
  for (int step = 0; step < 400; ++step) {
    SCOPED_TRACE("seed " + std::to_string(GetParam()) + ", step " + std::to_string(step));
    switch (below(8)) {
      case 0:
      case 1:
      case 2:
        for (uint64_t i = below(4); i > 0 && model.blocks().size() < 60; --i) {
          NaiveIndex::NaiveBlock block;
          block.id = id++;
          block.tenant = std::string(1, static_cast<char>('a' + below(tenants)));
          block.first_hash = below(hashes);
          block.last_hash = std::min(block.first_hash + below(max_width), hashes - 1);
          // The ends of the space, where there is no hash before or after.
          if (block.last_hash == hashes - 1) block.last_hash = std::numeric_limits<uint64_t>::max();
          block.points = 1 + below(10);
          block.nanos = now;
          model.Append(block);
          BlockIndex::Entry entry;
          entry.id = block.id;
          entry.first_hash = block.first_hash;
          entry.last_hash = block.last_hash;
          entry.samples = static_cast<uint32_t>(block.points);
          entry.nanos = now;
          index.Append(entry, block.tenant);
        }
        break;
      case 3:
      case 4: {
        const TakeOptions options = {.max_points = 1 + below(25),
                                     .max_wait_nanos = static_cast<int64_t>(below(3) * 10),
                                     .by_tenant = by_tenant};
        int64_t next = 0;
        int64_t model_next = 0;
        std::vector<uint64_t> ids;
        for (const BlockIndex::Entry* block : index.Take(options, now, &next)) {
          ids.push_back(block->id);
        }
        ASSERT_EQ(ids, model.Take(options, now, &model_next));
        if (ids.empty()) {
          ASSERT_EQ(next, model_next);
        } else {
          leases.push_back(ids);
        }
        break;
      }
      case 5:
      case 6: {
        if (leases.empty()) break;
        const uint64_t which = below(leases.size());
        const std::vector<uint64_t> lease = leases[which];
        leases.erase(leases.begin() + static_cast<ptrdiff_t>(which));
        if (below(3) != 0) {
          for (const uint64_t settled : lease) {
            index.Remove(index.Find(settled));
            model.Remove(settled);
          }
          index.CountSettled();
          model.CountSettled();
        } else {
          std::vector<BlockIndex::Entry*> blocks;
          for (const uint64_t returned : lease) blocks.push_back(index.Find(returned));
          const int64_t not_before = now + static_cast<int64_t>(below(30));
          index.Return(blocks, not_before);
          model.Return(lease, not_before);
        }
        break;
      }
      default:
        now += static_cast<int64_t>(below(12));
        // Drops anything that is not given out.
        if (below(3) != 0 || model.blocks().empty()) break;
        const auto& block = model.blocks()[below(model.blocks().size())];
        if (block.given) break;
        index.Remove(index.Find(block.id));
        model.Remove(block.id);
        break;
    }
    ASSERT_EQ(index.entries().size(), model.blocks().size());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, BlockIndexModelTest, ::testing::Range<uint64_t>(1, 201));

}  // namespace
}  // namespace spanmeter
