// Looking at a registry's label sets one by one, for questions about what there is rather than for
// the values of everything.

#ifndef SPANMETER_LABEL_SET_WALK_H_
#define SPANMETER_LABEL_SET_WALK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "spanmeter/registry.h"
#include "spanmeter/sample_sink.h"

namespace spanmeter {

// What the label sets of a family have in common.
struct WalkedFamily {
  std::span<const MetricInfo> metrics;
  // What the limits count each metric of a label set as.
  std::array<uint32_t, kMaxFamilyMetrics> series = {};
};

// Views are valid until the end of the walk.
struct WalkedLabelSet {
  std::string_view labels;  // as SampleSink has them
  int64_t born_ms = 0;      // since the Unix epoch
  int64_t last_update_nanos = 0;
  uint8_t present = 0;  // bit i: metric i exists
  bool is_overflow = false;

  // For the reader.
  size_t family = 0;
  const void* series = nullptr;
};

// The values of one label set, as of one instant.
struct LabelSetValues {
  struct Metric {
    bool present = false;
    double value = 0;  // a histogram's: its sum
    int64_t created_ms = 0;
    // Histograms with classic buckets: the observations of each bucket, not cumulative.
    std::vector<double> counts;
    // Histograms with native buckets.
    bool native = false;
    int32_t schema = 0;
    double zero_threshold = 0;
    double zero_count = 0;
    std::vector<NativeBucket> buckets;
  };
  std::vector<Metric> metrics;  // by their place in the family
};

// Reads values while a walk lasts. Used by the thread that walks.
class LabelSetReader {
 public:
  virtual ~LabelSetReader() = default;

  // REQUIRES: `label_set` was presented by this walk.
  virtual void Read(const WalkedLabelSet& label_set, LabelSetValues* values) = 0;
};

// Receives the label sets of a registry, family by family, in no order that means anything.
class LabelSetVisitor {
 public:
  virtual ~LabelSetVisitor() = default;

  // Whether the family's label sets are to be presented. `family` is valid until the end of the
  // walk.
  virtual bool BeginFamily(const WalkedFamily& family) = 0;
  // One that is alive. False ends the walk.
  virtual bool LabelSet(const WalkedLabelSet& label_set, LabelSetReader* reader) = 0;
  // Called last, also when the walk was ended early, while everything that was presented is still
  // valid.
  virtual void Finish(LabelSetReader* /*reader*/) {}
};

}  // namespace spanmeter

#endif  // SPANMETER_LABEL_SET_WALK_H_
