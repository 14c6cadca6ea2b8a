// Relabelling at the speed of a look-up: from the key of an update to the key of the label set that
// the rules make of it.

#ifndef SPANMETER_REGISTRY_KEY_REWRITER_H_
#define SPANMETER_REGISTRY_KEY_REWRITER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spanmeter/mutex.h"
#include "spanmeter/registry.h"
#include "spanmeter/relabel.h"
#include "spanmeter/two_generation_map.h"

#include "registry/label_text.h"

namespace spanmeter {

// Of what is remembered, keys in and out.
struct KeyRewriterLimits {
  size_t max_entries = 256 << 10;
  size_t max_bytes = size_t{64} << 20;
};

// Rewrites the keys of one family. Thread-safe.
//
// The rules are applied once per distinct key, and the result is remembered while there is room. It
// only depends on the key, so what is forgotten is worked out again and comes out the same.
class KeyRewriter {
 public:
  // `labels` and `own_labels` are those of FamilyOptions and say how keys are to be read. Of the
  // result, labels that are named like one of `external_labels` are left out, as are those of the
  // registry itself; values are cut to `max_value_bytes` (0: not at all), between characters.
  // `seed` is of the hash of keys. `relabeler` must outlive the rewriter.
  KeyRewriter(const Relabeler* relabeler, std::vector<FamilyLabel> labels, bool own_labels,
              std::vector<std::string> external_labels, size_t max_value_bytes, uint64_t seed,
              const KeyRewriterLimits& limits = {});

  // Appends to `out` the key of the label set that the rules make of the one with `key`, as of a
  // family with own labels; there may be no label left. Returns false, having appended nothing,
  // when they drop it. REQUIRES: `key` was encoded for this family.
  bool Rewrite(std::string_view key, std::string* out);

 private:
  static constexpr size_t kShards = 16;

  struct Result {
    bool dropped = false;
    std::string key;
  };
  // On cache lines of its own, since others write to the neighbours.
  struct alignas(64) Shard {
    explicit Shard(const KeyRewriterLimits& limits)
        : results(limits.max_entries / kShards, limits.max_bytes / kShards) {}

    Mutex mutex;
    TwoGenerationMap<Result> results GUARDED_BY(mutex);
  };

  Result Evaluate(std::string_view key) const;

  const Relabeler& relabeler_;
  const LabelRenderer labels_;
  std::vector<std::string> left_out_;  // names, sorted
  const size_t max_value_bytes_;
  const uint64_t seed_;
  std::array<std::unique_ptr<Shard>, kShards> shards_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_KEY_REWRITER_H_
