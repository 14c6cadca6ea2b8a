// Walks the label sets of families without stopping their writers, and reads the values of some.

#ifndef SPANMETER_REGISTRY_LABEL_SET_WALKER_H_
#define SPANMETER_REGISTRY_LABEL_SET_WALKER_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "spanmeter/label_set_walk.h"

#include "registry/family.h"

namespace spanmeter {

// One walk. Not thread-safe; within a visit of the gate.
class LabelSetWalker final : public LabelSetReader {
 public:
  // All arguments must outlive the walker.
  LabelSetWalker(std::span<const std::shared_ptr<Family>> families, int64_t now_nanos,
                 WalkScope scope, LabelSetVisitor* visitor);

  // False when the visitor ended the walk.
  bool Walk();

  void Read(const WalkedLabelSet& label_set, LabelSetValues* values) override;

 private:
  bool WalkFamily(size_t index);
  bool WalkShard(size_t index, Family::Shard* shard);
  // REQUIRES: the lock that protects `series` is held.
  void Note(size_t index, const Series& series, bool is_overflow);
  bool PresentChunk();

  const std::span<const std::shared_ptr<Family>> families_;
  const int64_t now_nanos_;
  const WalkScope scope_;
  LabelSetVisitor& visitor_;
  std::vector<WalkedLabelSet> chunk_;
};

}  // namespace spanmeter

#endif  // SPANMETER_REGISTRY_LABEL_SET_WALKER_H_
